from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.speakers.assign import LONGEST, LONGEST_GAP, merge_segments
from asrcli.transcript import Segment, Word


def part(start: float, end: float, speaker: str = "a", **more: Any) -> Segment:
    return Segment(0, start, end, f"{start}-{end}", speaker=speaker, **more)


def spans(segments: list[Segment]) -> list[tuple[float, float]]:
    return [(one.start, one.end) for one in segments]


def test_short_ones_take_in_their_followers() -> None:
    assert spans(merge_segments([part(0, 4), part(5, 9), part(9, 14)])) == [(0, 14)]


def test_one_of_ten_seconds_is_not_short() -> None:
    assert spans(merge_segments([part(0, 10), part(10, 15), part(15, 63)])) == [(0, 10), (10, 63)]
    assert spans(merge_segments([part(0.1, 10), part(10, 15), part(15, 63)])) == [(0.1, 15), (15, 63)]


def test_nothing_grows_past_the_limit() -> None:
    assert spans(merge_segments([part(0, 25), part(25, 50), part(50, 70), part(70, 90)])) == [(0, 50), (50, 90)]


def test_other_speakers_channels_and_languages_stay_apart() -> None:
    parts = [part(0, 2), part(2, 4, "b"), part(4, 6), part(6, 8, channel=1), part(8, 9, language="de")]
    assert len(merge_segments(parts)) == 5


def test_a_long_silence_is_not_bridged() -> None:
    assert spans(merge_segments([part(0, 2), part(5.5, 7)])) == [(0, 2), (5.5, 7)]


def test_what_is_joined_keeps_text_words_and_confidence() -> None:
    first = Segment(0, 0, 1, "Hello,", (Word("Hello,", 0, 1),), "a", confidence=0.5, emotion="happy", event="speech")
    second = Segment(1, 1, 4, "world.", (Word("world.", 1, 4),), "a", confidence=0.9, emotion="sad", event="speech")
    (one,) = merge_segments([first, second])
    assert one.text == "Hello, world."
    assert [word.text for word in one.words] == ["Hello,", "world."]
    assert one.confidence == pytest.approx(0.8)
    assert (one.emotion, one.event) == (None, "speech")


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 50), st.sampled_from("ab")), max_size=20))
def test_merged_segments_hold_to_the_rules(shape: list[tuple[int, int, str]]) -> None:
    parts, at = [], 0.0
    for length, pause, speaker in shape:
        parts.append(part(at, at + length, speaker))
        at += length + pause / 10
    merged = merge_segments(parts)
    assert " ".join(one.text for one in merged) == " ".join(one.text for one in parts)
    assert all(one.end - one.start <= LONGEST for one in merged)
    for one, following in pairwise(merged):
        joinable = (
            one.speaker == following.speaker
            and following.start - one.end <= LONGEST_GAP
            and following.end - one.start <= LONGEST
        )
        assert not joinable


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        # A short segment takes its followers in until it is 10 s long; then each takes in followers up to 60 s.
        ([(0, 9), (9, 60)], [(0, 60)]),
        ([(0, 9), (9, 61)], [(0, 9), (9, 61)]),
        ([(0, 30), (33, 60)], [(0, 60)]),
        ([(0, 30), (33.01, 60)], [(0, 30), (33.01, 60)]),
        ([(0, 30), (30, 39), (39, 62), (62, 90)], [(0, 30), (30, 90)]),
        ([(0, 9), (9, 55), (55, 64), (64, 80)], [(0, 55), (55, 80)]),
        ([(0, 10), (10, 55), (55, 59), (59, 65), (65, 90)], [(0, 55), (55, 90)]),
        ([(0, 5), (1, 3)], [(0, 5)]),
    ],
)
def test_how_far_segments_grow(parts: list[tuple[float, float]], expected: list[tuple[float, float]]) -> None:
    assert spans(merge_segments(part(*times) for times in parts)) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(None, 0.5, 0.5), (0.5, None, 0.5), (None, None, None), (0.0, 1.0, 0.75), (1.0, 0.0, 0.25)],
)
def test_the_confidence_of_merged_segments_is_the_mean_over_time(
    first: float | None, second: float | None, expected: float | None
) -> None:
    (one,) = merge_segments([part(0, 1, confidence=first), part(2, 5, confidence=second)])
    assert one.confidence == expected
    (empty,) = merge_segments([part(1, 1, confidence=0.3), part(1, 1, confidence=0.9)])
    assert empty.confidence == 0.3


def test_the_words_of_merged_segments_are_joined_as_their_script_is() -> None:
    def said(number: int, text: str, **labels: Any) -> Segment:
        words = (Word(text[0], number, number + 0.5, space_before=True), Word(text[1], number + 0.5, number + 1))
        return Segment(number, number, number + 1, text, words, "a", **labels)

    (one,) = merge_segments([said(0, "你好", emotion="sad", event="bgm"), said(1, "再见", emotion="sad")])
    assert (one.text, one.emotion, one.event) == ("你好再见", "sad", None)
    assert [word.space_before for word in one.words] == [True, True, False, True]
    (two,) = merge_segments([said(0, "ab"), said(1, "cd")])
    assert (two.text, [word.space_before for word in two.words]) == ("ab cd", [True] * 4)
    (three,) = merge_segments([said(0, "ab"), Segment(1, 1, 2, "c", (), "a")])
    assert (three.text, len(three.words)) == ("ab c", 2)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((10, 11, 0.5), (11, 14, 0.9), 0.8), ((10, 11, None), (11, 14, 0.9), 0.9), ((10, 11, 0.5), (11, 14, None), 0.5),
        ((10, 10, 0.5), (10, 10, 0.9), 0.5),
    ],
)  # fmt: skip
def test_confidence_is_weighted_by_duration(one: Any, other: Any, expected: float) -> None:
    parts = [part(start, end, confidence=confidence) for start, end, confidence in (one, other)]
    (joined,) = merge_segments(parts)
    assert joined.confidence == pytest.approx(expected)
