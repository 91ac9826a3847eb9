"""Text to words in many scripts, and the words' times from tokens or from their lengths."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.assemble.estimate import estimate_times, spoken_length, syllables
from asrcli.assemble.repetition import trim_loops
from asrcli.assemble.sentences import Ending, ending
from asrcli.assemble.timing import time_words
from asrcli.assemble.tokens import TimedToken, place_words
from asrcli.assemble.words import UntimedWord, split_words
from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis, Token
from asrcli.transcript import Word, join_words
from asrcli.vad.types import Chunk, Region


def words(text: str) -> list[str]:
    return [word.text for word in split_words(text)]


def joined(text: str) -> str:
    return join_words([Word(w.text, 0, 0, space_before=w.space_before) for w in split_words(text)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", ["Hello,", "world!"]),
        ("  Don't  stop-gap  3.5% U.S. ", ["Don't", "stop-gap", "3.5%", "U.S."]),
        ('He said "hello (there)" twice.', ["He", "said", '"hello', '(there)"', "twice."]),
        ("rock 'n' roll", ["rock", "'n'", "roll"]),
        ("well - yes -- no", ["well -", "yes --", "no"]),
        ("- hello", ["- hello"]),
        ("Ready? - Yes. – Then go. -", ["Ready?", "- Yes.", "– Then", "go. -"]),
        ("minus -5 and .5, $5 or #1", ["minus", "-5", "and", ".5,", "$5", "or", "#1"]),
        ("wait…what—no", ["wait…", "what—", "no"]),
        ("f(x) is e.g.this", ["f(x)", "is", "e.g.this"]),
        ("¿Qué? ¡No!", ["¿Qué?", "¡No!"]),
        ("« Bonjour », dit-il ?", ["« Bonjour »,", "dit-il ?"]),
        ("打开GPT4吧", ["打", "开", "GPT4", "吧"]),
        ("打开 GPT4 吧。", ["打", "开", "GPT4", "吧。"]),
        ("你 好，世界！", ["你", "好，", "世", "界！"]),
        ("他说：“你好（世界）”。走", ["他", "说：", "“你", "好", "（世", "界）”。", "走"]),
        ('他说"你好"吧', ["他", "说", '"你', '好"', "吧"]),
        ("价格是$5或50%的", ["价", "格", "是", "$5", "或", "50%", "的"]),
        ("コーヒーをちょっと", ["コー", "ヒー", "を", "ちょっ", "と"]),
        ("人々が", ["人々", "が"]),
        ("안녕하세요, 세계.", ["안녕하세요,", "세계."]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया।"]),
        ("مرحبا، بالعالم؟", ["مرحبا،", "بالعالم؟"]),
        ("", []),
        (" . ? 。… ", []),
        ("...and so", ["...and", "so"]),
        ("hello (", ["hello ("]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_marks_that_open_one_word_stay_apart_as_they_are_written() -> None:
    assert words('( " a') == ['( " a']


def test_thai_is_divided_into_clusters_without_spaces() -> None:
    found = split_words("สวัสดีครับ เพื่อน")
    assert "".join(word.text for word in found) == "สวัสดีครับเพื่อน"
    assert len(found) > 4
    assert all(len(word.text) <= 5 for word in found)
    # No vowel or tone is torn off its consonant.
    assert not any(word.text[0] in "ะัาำิีึืฺุู็่้๊๋์" for word in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello,  world !", "Hello, world !"),
        ("你 好 ， 世 界", "你好，世界"),
        ("打开 GPT4 吧", "打开 GPT4 吧"),
        ("打开GPT4吧", "打开GPT4吧"),
        ("he said : “ yes ”", "he said : “ yes ”"),
    ],
)
def test_joined_words_are_the_text(text: str, expected: str) -> None:
    assert joined(text) == expected


fragments = st.sampled_from(
    [
        *"ab7éЖ你好。，！？（）“”「」のーっ가ไทยำ้नि\"'.,!?-—…$%()[]#&<>",
        " ",
        "  ",
        "\u3000",
        "don't",
        "3.5",
        "GPT4",
        "\u0301",
    ]
)


@settings(max_examples=500)
@given(st.one_of(st.lists(fragments).map("".join), st.text()))
def test_nothing_is_lost_or_moved(text: str) -> None:
    found = split_words(text)
    if found:
        assert "".join(joined(text).split()) == "".join(text.split())
        assert all(word.text == word.text.strip() != "" for word in found)
    else:
        assert not any(char.isalnum() for char in text)


@settings(max_examples=200)
@given(st.lists(fragments).map("".join))
def test_splitting_again_changes_nothing(text: str) -> None:
    once = joined(text)
    assert joined(once) == once


NONE, CLAUSE, SENTENCE = Ending


@pytest.mark.parametrize(
    ("word", "following", "expected"),
    [
        ("word", "next", NONE),
        ("word,", "next", CLAUSE),
        ("word;\u201d", "Next", CLAUSE),
        ("word.", "Next", SENTENCE),
        ("word.", "", SENTENCE),
        ('word.")', "Next", SENTENCE),
        ("word?", "next", CLAUSE),
        ("word!", "next", CLAUSE),
        ("word.", "next", CLAUSE),
        ("word…", "next", CLAUSE),
        ("词。", "next", SENTENCE),
        ('"', "Next", NONE),
        ("Mr.", "Smith", NONE),
        ("(Dr.", "Smith", NONE),
        ("\u201cMR.", "Smith", NONE),
        ("Mr.", "", SENTENCE),
        ("Mrx.", "Smith", SENTENCE),
        ("No.", "7", NONE),
        ("No.", "Seven", SENTENCE),
        ("p.m.", "tomorrow", NONE),
        ("p.m.", "Tomorrow", SENTENCE),
        ("J.", "Smith", NONE),
        ("U.S.", "Economy", NONE),
        ("e.g.", "this", NONE),
        ("I.", "Then", SENTENCE),
        ("3.", "Then", SENTENCE),
    ],
)
def test_how_a_word_ends(word: str, following: str, expected: Ending) -> None:
    assert ending(word, following) is expected


@pytest.mark.parametrize(
    ("text", "length", "count"),
    [
        ("", 0.03, 0),
        ("a", 0.165, 1),
        ("hello", 0.405, 2),
        ("make", 0.27, 1),  # a mute e
        ("eye", 0.235, 1),
        ("BBC", 0.235, 1),  # no vowel
        ("o'clock", 0.44, 2),
        ("beautiful idea", 0.985, 5),
        ("2024", 1.23, 2),
        ("3d", 0.465, 1.5),
        ("你好", 0.47, 2),
        ("は", 0.25, 1),
        ("สวัสดี", 0.67, 1.6),  # its marks are no letters
        ("가힣", 0.35, 0.8),
        ("вода", 0.37, 2),
    ],
)
def test_how_long_a_word_takes_to_say(text: str, length: float, count: float) -> None:
    assert spoken_length(text) == pytest.approx(length)
    assert syllables(text) == pytest.approx(count)


def test_words_are_placed_by_the_tokens_that_spell_them() -> None:
    tokens = [
        Token("<|en|>", 0.0, logprob=-9.0),
        Token("▁on", 0.1, logprob=-1.0),
        Token("ly", 0.2, logprob=-3.0),
        Token("▁two", 2.0, end=2.1, logprob=0.5),
        Token("▁three", 3.0),
        Token("▁four", 2.9),  # earlier than the token before
        Token("fi@@", 4.0),
        Token("ve", 4.3),
    ]
    placed = place_words(split_words("Only two, missing three four five"), tokens)
    assert placed == [
        TimedToken(0.1, 0.7, cast("float", pytest.approx(np.exp(-2)))),
        TimedToken(2.0, 2.1, 1.0),
        TimedToken(),
        TimedToken(3.0, 3.0),
        TimedToken(2.9, 3.4),
        TimedToken(4.0, 4.8),
    ]
    untimed = place_words(split_words("a b"), [Token("a"), Token("b", end=2.0)])
    assert untimed == [TimedToken(), TimedToken(None, 2.0)]


def test_bytes_make_a_character_and_broken_ones_disturb_nothing() -> None:
    pieces = ["<0xE4>", "a", "<0xE4>", "<0xBD>", "<0xA0>", "<0xc3>", "<0xA9>", "b"]
    tokens = [Token(text, float(start)) for start, text in enumerate(pieces)]
    words = [UntimedWord(text) for text in ("a", "你", "é", "b")]
    assert [timed.start for timed in place_words(words, tokens)] == [1, 2, 5, 7]
    assert [timed.end for timed in place_words(words, tokens)] == [1.5, 2.5, 5.5, 7.5]


def chunk_of(seconds: float, *regions: tuple[float, float], start: float = 0.0) -> Chunk:
    """A chunk without loudness; its regions in seconds of the stream."""
    spans = regions or ((start, start + seconds),)
    placed = tuple(Region(round(low * SAMPLE_RATE), round(high * SAMPLE_RATE)) for low, high in spans)
    return Chunk(round(start * SAMPLE_RATE), np.empty(0, np.float32), placed)


def timed(chunk: Chunk, text: str, *tokens: Token) -> list[tuple[str, Any, Any]]:
    words = time_words(chunk, Hypothesis(text, tokens), split_words(text))
    return [(word.text, pytest.approx(word.start), pytest.approx(word.end)) for word in words]


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        # Words without a token share the room between their neighbours by length (0.165 s each): at most twice that.
        ("x a i y", [("x", 1.0), ("y", 1.7)], [("x", 1.0, 1.5), ("a", 1.5, 1.6), ("i", 1.6, 1.7), ("y", 1.7, 2.2)]),
        ("x a y", [("x", 1.0), ("y", 5.0)], [("x", 1.0, 1.5), ("a", 1.5, 1.83), ("y", 5.0, 5.5)]),
        ("a y", [("y", 0.1)], [("a", 0.0, 0.1), ("y", 0.1, 0.6)]),
        ("x a", [("x", 9.4)], [("x", 9.4, 9.9), ("a", 9.9, 10.0)]),
        # Starts never go back, ends neither overlap the next word nor leave the chunk.
        ("x y z", [("x", 2.0), ("y", 1.0), ("z", 11.0)], [("x", 2.0, 2.02), ("y", 2.15, 2.17), ("z", 10.0, 10.0)]),
        ("x y", [("x", -1.0), ("y", 9.8)], [("x", 0.0, 0.02), ("y", 9.8, 10.0)]),
        # No word is shorter than 0.02 s where there is room.
        ("x y", [("x", 1.0, 1.0), ("y", 2.0, 2.3)], [("x", 1.0, 1.02), ("y", 2.0, 2.3)]),
    ],
)
def test_times_of_words_from_the_tokens_at_hand(
    text: str, tokens: list[tuple[Any, ...]], expected: list[tuple[str, float, float]]
) -> None:
    found = timed(chunk_of(10), text, *(Token(text, *times) for text, *times in tokens))
    assert found == expected
    late = timed(chunk_of(10, start=100.0), text, *(Token(text, *times) for text, *times in tokens))
    assert late == [(word, pytest.approx(low + 100), pytest.approx(high + 100)) for word, low, high in expected]


def test_a_word_ends_with_its_region() -> None:
    chunk = chunk_of(3, (100, 100.3), (102, 103), start=100.0)
    tokens = [Token("x", 0.1), Token("y", 1.0), Token("z", 2.8)]
    # One that lies in no region keeps its time.
    assert timed(chunk, "x y z", *tokens) == [("x", 100.1, 100.3), ("y", 101.0, 101.5), ("z", 102.8, 103.0)]


def test_estimated_words_share_the_sound_by_length_and_pauses_fall_between_sentences() -> None:
    def estimate(text: str, *spans: tuple[float, float]) -> list[tuple[float, float]]:
        return [(round(a, 3), round(b, 3)) for a, b in estimate_times(split_words(text), spans)]

    assert estimate("a a", (1.0, 3.0)) == [(1, 2), (2, 3)]
    assert estimate("a bcd", (0.0, 4.0)) == [(0, 1.65), (1.65, 4)]
    # The full stop has its pause although by length the first span has room for the next word.
    assert estimate("to. A a a", (0.0, 0.3), (1.0, 1.5)) == [(0, 0.3), (1, 1.167), (1.167, 1.333), (1.333, 1.5)]
    # A word may hold a short stop; a noise far from all words has none.
    assert estimate("strengths", (0.0, 0.3), (0.31, 0.6)) == [(0, 0.6)]
    assert estimate("a a a a", (0.0, 0.1), (5.0, 5.7)) == [(5, 5.175), (5.175, 5.35), (5.35, 5.525), (5.525, 5.7)]


@pytest.mark.parametrize(
    ("phrase", "rounds", "seconds", "kept"),
    [
        ("no", 61, 5.9, 3),
        ("no", 61, 6.0, 61),  # eleven syllables a second can be spoken
        ("so what", 60, 1.0, 3),
        ("a b c", 60, 1.0, 3),
        (" ".join(f"word{chr(97 + i)}" for i in range(24)), 4, 1.0, 3),
        (" ".join(f"word{chr(97 + i)}" for i in range(25)), 4, 1.0, 4),  # longer phrases are not looked for
        ("wonderful", 10, 0.5, 3),
        ("wonderful", 9, 0.5, 9),
        ("wonderful day", 6, 0.5, 3),
        ("wonderful day", 5, 0.5, 5),
        ("wonderful new day", 4, 0.5, 3),
        ("wonderful new day", 3, 0.5, 3),
        ("No,", 60, 1.0, 3),
    ],
)
def test_how_often_a_phrase_must_come_to_be_a_loop(phrase: str, rounds: int, seconds: float, kept: int) -> None:
    before, after = split_words("before"), split_words("after it")
    looped = split_words(" ".join([phrase] * rounds))
    words, loops = trim_loops([*before, *looped, *after], seconds)
    assert " ".join(word.text for word in words) == f"before {' '.join([phrase] * kept)} after it"
    assert loops == ([phrase] if kept < rounds else [])


@pytest.mark.parametrize(
    ("phrase", "rounds", "syllables_each"),
    [
        ("10", 15, 1),
        ("12", 20, 1),
        ("100", 12, 2),
        ("ครับ", 20, 1),
        ("ใช่ครับ", 10, 2),
        ("ไม่", 20, 1),
        ("네", 30, 1),
        ("加油", 18, 2),
        ("我知道", 12, 3),
        ("la", 30, 1),
        ("हाँ", 20, 1),
        ("لا", 25, 1),
        ("да", 25, 1),
        ("schnell", 16, 1),
    ],
)
def test_fast_repeats_of_any_script_stay(phrase: str, rounds: int, syllables_each: int) -> None:
    """Nine syllables a second."""
    words = split_words(" ".join([phrase] * rounds))
    assert trim_loops(words, rounds * syllables_each / 9) == (words, [])


def test_a_loop_within_a_word_keeps_three_rounds() -> None:
    def trim(text: str) -> tuple[str, list[str]]:
        words, loops = trim_loops([UntimedWord(text, space_before=False)], 0.1)
        assert [word.space_before for word in words] == [False]
        return words[0].text, loops

    assert trim("haha" * 15) == ("hahaha", ["ha"])
    assert trim("ha" * 20) == ("ha" * 20, [])  # 40 characters are no long word yet
    assert trim("Donaudampfschifffahrtsgesellschaftskapitän" * 2) == (
        "Donaudampfschifffahrtsgesellschaftskapitän" * 2,
        [],
    )


def test_who_changes_a_list_of_words_changes_no_other() -> None:
    split_words("one two").clear()
    assert [word.text for word in split_words("one two")] == ["one", "two"]
