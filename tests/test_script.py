"""The table of writing systems, and the places that must agree on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.assemble.sentences import Ending, ending
from asrcli.backends.types import Hypothesis
from asrcli.formats import FORMATS
from asrcli.options import CueOptions
from asrcli.script import (
    CLAUSE_ENDS,
    CLOSERS,
    OPENERS,
    SENTENCE_ENDS,
    binds_next,
    is_breaking,
    is_cjk,
    is_closing,
    is_clustered,
    is_ideograph,
    is_letter,
    is_mark,
    is_opening,
    is_spaceless,
    join,
    joint,
)
from asrcli.server.recognition.replies import running_text
from asrcli.speakers.assign import assign_speakers, merge_segments
from asrcli.text.subtitles.breaks import glued, price
from asrcli.text.subtitles.cues import shape
from asrcli.transcript import Segment, Transcript, Turn, Word
from tests.assemble.test_assembler import assemble, chunk

#: a sentence in each writing system, with its mark
SENTENCES = {
    "latin": "Good morning.", "han": "你好。", "kana": "おはよう。", "halfwidth": "ｵﾊﾖｳ｡", "hangul": "안녕하세요.",
    "devanagari": "नमस्ते।", "urdu": "شکریہ۔", "arabic": "كيف حالك؟", "thai": "สวัสดีครับ", "khmer": "សួស្តី។",
    "myanmar": "မင်္ဂလာပါ။", "armenian": "Բարեւ։", "ethiopic": "ሰላም።", "cyrillic": "Да!", "quoted": "“好。”",
}  # fmt: skip
TEXTS = st.sampled_from(sorted(SENTENCES.values()))


@pytest.mark.parametrize(
    ("before", "after", "space"),
    [
        ("Hello.", "How", " "), ("你好", "吗", ""), ("你好。", "Hello", ""), ("Hello", "你好", ""),
        ("네", "아니요", " "),
        ("สวัสดี", "ครับ", ""), ("ใช้", "iPhone", " "), ("“好。”", "“再见。”", ""), ('"Yes."', '"No."', " "),
        ("说…", "好", ""), ("well…", "yes", " "), ("है।", "वह", " "), ("", "x", ""), ("x", "", ""), ("x ", "y", ""),
        ("x", "\ny", ""), ("…", "—", " "), ("x", "y ", " "), (" x", "y", " "), ("你…", "ok", ""), ("ok", "“你", ""),
        ("ok ”", "ok", " "), ("“你”", "ครับ", ""), ("ครับ", "“你", ""), ("ครับ”", "(ครับ", ""), ("ครับ”", "(ok", " "),
        ("(", "）", ""), ("）", "(", ""),
    ],
)  # fmt: skip
def test_the_separator_between_two_texts(before: str, after: str, space: str) -> None:
    assert joint(before, after) == space


def test_texts_are_joined_without_empty_ones() -> None:
    assert join(["Hello.", "", "How are you?", "好。", "再见。"]) == "Hello. How are you?好。再见。"
    assert join([]) == ""
    assert join(["a", "b", "好", "c ", "d"], "\n") == "a\nb好c d"


def test_classes_of_characters() -> None:
    """One character at each edge of a class, and its neighbours outside."""
    inside = "\u2e80\u2fdf\u3005\u312f\u4e00\u9fff\uff66\U00020000"
    assert all(is_ideograph(char) and is_cjk(char) for char in inside)
    assert not any(is_ideograph(char) for char in "\u2e7f\u2fe0\u3004\ua000\uff65a")
    assert all(is_cjk(char) and not is_ideograph(char) for char in "，（Ａ\uff9f")
    assert all(is_clustered(char) and is_spaceless(char) and not is_cjk(char) for char in "กะ\u0e4eກ\u1000\u17d3")
    assert not any(is_spaceless(char) for char in "a한\u0e00\u0e4f\u17d4")
    assert all(map(is_mark, "ー\u0301\u093e\u20dd\u200dา"))
    assert not any(map(is_mark, "aあ1."))
    assert all(map(is_letter, "aé1²好あ\u0301\u093e"))
    assert not any(map(is_letter, ".，$ \u200d+"))
    assert all(map(is_opening, "(“「¿"))
    assert all(map(is_closing, ")”」.，%—。"))
    assert all(map(is_breaking, "，。—」"))
    assert all(map(binds_next, "เไ\u17d2"))
    assert not any(check("a") or check("–") for check in (is_opening, is_closing, is_breaking, binds_next))


@pytest.mark.parametrize("mark", sorted(SENTENCE_ENDS))
def test_a_sentence_ends_after_its_mark_for_every_part_of_the_program(mark: str) -> None:
    for closer in ("", "”", "」", ")"):
        word = f"abc{mark}{closer}"
        assert ending(word, "Next") is Ending.SENTENCE
        assert price(word, "Next", True, "en") == 0.0
    assert glued("abc", mark, False)
    # A change of speakers costs next to nothing here, so a word with 0.1 s in the other's turn changes sides.
    words = (Word("abc" + mark, 0.0, 1.0), Word("next", 1.0, 1.2), Word("word", 1.2, 2.0))
    found = assign_speakers([Segment(0, 0, 2, "", words)], [Turn(0, 1.15, "A"), Turn(1.1, 2.0, "B")])
    assert [[word.text for word in segment.words] for segment in found] == [["abc" + mark], ["next", "word"]]


@pytest.mark.parametrize("mark", sorted(CLAUSE_ENDS))
def test_a_clause_ends_after_its_mark(mark: str) -> None:
    assert ending("abc" + mark, "next") is Ending.CLAUSE


def test_marks_are_in_one_class_only() -> None:
    assert not SENTENCE_ENDS & CLAUSE_ENDS
    assert not OPENERS & (SENTENCE_ENDS | CLAUSE_ENDS | CLOSERS)


@given(st.characters())
def test_a_cjk_character_is_spaceless(char: str) -> None:
    assert is_spaceless(char) or not is_cjk(char)


@given(TEXTS, TEXTS)
def test_every_part_of_the_program_joins_two_sentences_alike(one: str, two: str) -> None:
    segments = (Segment(0, 0.0, 1.0, one, speaker="A"), Segment(1, 1.0, 2.0, two, speaker="A"))
    transcript = Transcript("a.wav", 3.0, segments)
    expected = join([one, two])
    assert running_text(segments) == expected
    assert merge_segments(segments)[0].text == expected
    options = CueOptions(max_line_width=80, max_line_width_cjk=40, min_cue=0.1, max_cps=1000)
    cues = shape(transcript, options)
    assert join(cue.text.replace("\n", "") for cue in cues) == expected
    assert FORMATS["md"].render(transcript, options).replace("\\", "").splitlines()[-1] == expected


@given(TEXTS, TEXTS)
def test_the_words_of_two_chunks_of_a_sentence_are_joined_alike(one: str, two: str) -> None:
    one = one.rstrip("".join(SENTENCE_ENDS | CLOSERS))
    segments, _ = assemble((chunk((0, 1)), Hypothesis(one)), (chunk((1, 2)), Hypothesis(two)))
    assert join(segment.text for segment in segments) == join([one, two])
