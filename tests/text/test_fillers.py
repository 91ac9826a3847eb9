"""Filler words and marks left out: by spelling, by language, and by the pauses around a word."""

from __future__ import annotations

from typing import Any

import pytest

from asrcli.assemble.words import split_words
from asrcli.text.steps.fillers import NOTE, drop_fillers, drop_sounds
from asrcli.text.steps.strip_punctuation import bare_text, bare_word, strip_punctuation
from asrcli.transcript import Segment, Transcript, Word


def spoken(text: str, language: str | None = None, *, pauses: tuple[int, ...] = (), start: float = 0.0) -> Segment:
    """A segment of the text, a word each 0.2 s; behind the words that `pauses` counts, half a second of silence."""
    words, at = [], start
    for index, word in enumerate(split_words(text)):
        words.append(Word(word.text, at, at + 0.18, 0.9, space_before=word.space_before))
        at += 0.2 + 0.5 * (index in pauses)
    return Segment(0, start, words[-1].end, text, tuple(words), language=language)


def cleared(text: str, language: str | None = None, **spoken_how: Any) -> str | None:
    after = drop_fillers(Transcript("a.wav", 60.0, (spoken(text, language, **spoken_how),)))
    return after.text or None


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Um, I think so.", "I think so."),
        ("en", "I, uh, want that.", "I want that."),
        ("en", "I want uh that, um.", "I want that."),
        ("en", "He left. Um, then she came.", "He left. Then she came."),
        ("en", "“Um, yes,” he said.", "“Yes,” he said."),
        ("en", 'He said "um" and left.', "He said and left."),
        ("en", "Er, that umbrella, hmm, hums.", "That umbrella hums."),
        ("en", "ummm i uhh know", "i know"),
        ("de", "Er kommt um acht, äh, neun.", "Er kommt um acht neun."),
        ("pt", "Um homem, uhm, dois.", "Um homem dois."),
        (None, "Um homem, ähm, dois.", "Um homem dois."),
        ("zh", "嗯，今天呃开会。", "今天开会。"),
        ("zh", "我们，嗯，明天开会，呃。", "我们，明天开会。"),
        ("zh", "呃逆不是呃毛病。", "呃逆不是毛病。"),
        ("zh", "那个，我们明天开会。", "我们明天开会。"),
        ("zh", "那个人好啊。我要那个。", "那个人好啊。我要那个。"),
        ("zh", "啊，是吗？好，啊。", "是吗？好。"),
        ("zh", "OK嗯就这样", "OK就这样"),
        ("yue", "呃人唔好，嗯，得。", "呃人唔好，得。"),
        ("ja", "えーと、あの人はええ人です。", "あの人はええ人です。"),
        ("ja", "あの、えっと、今日は。", "今日は。"),
        ("ko", "음, 오늘은 음악.", "오늘은 음악."),
        ("en", "Well um. She came.", "Well. She came."),
        ("en", "Well, um. She came.", "Well. She came."),
        ("en", "Well, um, yes; uh, no.", "Well yes no."),
        ("en", "Um, uh, er, yes.", "Yes."),
        ("en", "(Um, yes) he said.", "(Yes) he said."),
        ("en", "He said (um, yes) and left.", "He said (yes) and left."),
        ("en", "Is it um?", "Is it?"),
        ("en", "um yes", "yes"),
        ("en", "um Yes. uh no", "Yes. no"),
        ("fr", "Euh, oui, heu, non.", "Oui non."),
        ("xx", "嗯，um，啊。好", "um。好"),
        ("zh", "好，哦，那个，走。", "好，走。"),
        ("zh", "好的，那个。", "好的，那个。"),
        ("zh", "那个嗯我们走", "我们走"),
        ("zh", "啊，嗯。", None),
        ("ja", "まあ、そうです。", "そうです。"),
    ],
)
def test_fillers_go_and_words_stay(language: str | None, text: str, expected: str | None) -> None:
    assert cleared(text, language) == expected


def test_a_pause_sets_a_word_apart() -> None:
    assert cleared("那个我们走", "zh") == "那个我们走"
    assert cleared("那个我们走", "zh", pauses=(1,)) == "我们走"
    assert cleared("我们那个走", "zh", pauses=(1,)) == "我们那个走"
    assert cleared("我们那个走", "zh", pauses=(1, 3)) == "我们走"
    assert cleared("好啊我们走", "zh", pauses=(1,)) == "好啊我们走"


def test_times_are_those_of_what_is_left() -> None:
    before = spoken("Um, I think so uh.", "en", start=3.0)
    after = drop_fillers(Transcript("a.wav", 60.0, (before,)))
    [segment] = after.segments
    assert [(word.text, round(word.start, 3)) for word in segment.words] == [("I", 3.2), ("think", 3.4), ("so.", 3.6)]
    assert (segment.start, round(segment.end, 2)) == (3.2, 3.78)
    assert after.notes[NOTE] == [{"start": 3.0, "end": 3.18, "was": "Um"}, {"start": 3.8, "end": 3.98, "was": "uh"}]


@pytest.mark.parametrize(("pause", "left"), [(0.2499, "那个我们走"), (0.25, "我们走")])
def test_how_long_a_pause_must_be(pause: float, left: str) -> None:
    words = [Word("那", 0.5, 1, space_before=False), Word("个", 1, 1.5, space_before=False)]
    words += [Word(char, 1.5 + pause, 2 + pause, space_before=False) for char in "我们走"]
    after = drop_fillers(Transcript("a.wav", 9.0, (Segment(0, 0, 3, "那个我们走", tuple(words)),), language="zh"))
    assert after.text == left


def test_the_edges_of_a_segment_stay_where_no_filler_was() -> None:
    words = (Word("Yes,", 1, 2), Word("um.", 2, 3), Word("No.", 3, 4), Word("Um.", 4, 5), Word("Go.", 5, 6))
    segment = Segment(0, 0.5, 6.5, "Yes, um. No. Um. Go.", words)
    after = drop_fillers(Transcript("a.wav", 9.0, (segment,), language="en", notes={"other": 1}))
    assert [(part.start, part.end, part.text) for part in after.segments] == [(0.5, 6.5, "Yes. No. Go.")]
    assert after.notes["other"] == 1
    assert [note["was"] for note in after.notes[NOTE]] == ["um", "Um"]


def test_a_segment_of_nothing_else_is_gone_and_the_others_are_counted_anew() -> None:
    parts = (
        spoken("Um.", "en"),
        spoken("Yes.", "en", start=2),
        spoken("嗯。", "zh", start=4),
        spoken("啊。", "zh", start=5),
    )
    after = drop_fillers(Transcript("a.wav", 60.0, parts))
    assert [(part.id, part.text) for part in after.segments] == [(0, "Yes."), (1, "啊。")]


def test_without_fillers_nothing_is_touched() -> None:
    before = Transcript("a.wav", 60.0, (spoken("Yes.", "en"),))
    assert drop_fillers(before) is before
    assert drop_sounds("Um, I am, uh, here", "en") == "I am, here"
    assert drop_sounds("Er kommt um acht", "de") == "Er kommt um acht"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's 3.5%, isn't it?", "It's 3.5% isn't it"),
        ("“Well,” he said—the dogs’ bowl (green) cost $5.", "Well he said the dogs’ bowl green cost $5"),
        ("At -5° the U.S. team, e.g. Mr. J. Smith, left...", "At -5° the US team eg Mr J Smith left"),
        ("'Tis the 'end', #1!", "'Tis the end #1"),
        ("今天，九点30分开会。“好”！", "今天九点30分开会好"),
        ("嗯，OK 明天 9:30。", "嗯OK 明天 9:30"),
        ("¿Qué? ¡No!", "Qué No"),
    ],
)
def test_marks_go_and_signs_stay(text: str, expected: str) -> None:
    assert bare_text(text) == expected
    after = strip_punctuation(Transcript("a.wav", 60.0, (spoken(text),)))
    assert after.text == expected
    assert [word.start for word in after.segments[0].words] == sorted(word.start for word in after.segments[0].words)


def test_a_mark_alone_is_no_word() -> None:
    assert bare_word("—") == ""
    words = (Word("yes", 0, 0.2), Word("—", 0.2, 0.3), Word("no.", 0.3, 0.5))
    after = strip_punctuation(Transcript("a.wav", 1.0, (Segment(0, 0, 0.5, "yes — no.", words),)))
    assert [word.text for word in after.segments[0].words] == ["yes", "no"]


@pytest.mark.parametrize(
    ("word", "bare"),
    [
        ("dogs'", "dogs'"), ("DOGS’", "DOGS’"), ("dog'", "dog"), ("'dog", "dog"), ("'em", "'em"), ("’Tis,", "’Tis"),
        ("-5", "-5"), ("-five", "five"), ("+5%", "+5%"), ("$-5", "$-5"), ("#1", "#1"), ("(@me)", "@me"), ("5%.", "5%"),
        ("U.S.", "US"), ("e.g.", "eg"), ("3.5", "3.5"), ("U.S.A", "USA"), ("a.bc", "a.bc"), ("x-y", "x-y"), ("…", ""),
        ("_a_", "a"), ("&", "&"), ("dogs'%", "dogs'%"),
    ],
)  # fmt: skip
def test_signs_of_a_word(word: str, bare: str) -> None:
    assert bare_word(word) == bare


def test_marks_of_a_segment_without_words_are_left_out() -> None:
    before = Transcript("a.wav", 9.0, (Segment(0, 0, 3, "Well, I think (so)."),))
    assert [segment.text for segment in strip_punctuation(before).segments] == [bare_text("Well, I think (so).")]
    assert bare_text("Well, I think (so).") == "Well I think so"
