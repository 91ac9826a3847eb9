from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.speakers.assign import assign_speakers
from asrcli.transcript import Segment, Turn, Word


def segment(text: str, start: float = 0.0, *, pace: float = 0.4, language: Any = None, number: int = 0) -> Segment:
    """A segment of words that follow each other at an even pace."""
    words = tuple(
        Word(word, round(start + index * pace, 3), round(start + (index + 1) * pace - 0.05, 3))
        for index, word in enumerate(text.split())
    )
    return Segment(number, words[0].start, words[-1].end, text, words, language=language)


def said(segments: list[Segment]) -> list[tuple[str, str]]:
    return [(part.speaker, part.text) for part in segments]


def test_a_segment_is_split_where_the_speaker_changes() -> None:
    found = assign_speakers([segment("How are you? I am fine.")], [Turn(0, 1.2, "a"), Turn(1.2, 3, "b")])
    assert said(found) == [("a", "How are you?"), ("b", "I am fine.")]
    assert [part.id for part in found] == [0, 1]
    assert found[1].start == 1.2
    assert all(word.speaker == part.speaker for part in found for word in part.words)


def test_a_lone_word_is_not_torn_off_its_sentence() -> None:
    # The turn begins one word late, and another has a flicker in the middle.
    turns = [Turn(0, 1.6, "a"), Turn(1.6, 2.4, "b"), Turn(2.0, 2.4, "a"), Turn(2.4, 4, "b")]
    found = assign_speakers([segment("How are you? I am really fine, thanks.")], turns)
    assert said(found) == [("a", "How are you?"), ("b", "I am really fine, thanks.")]


def test_an_interruption_is_assigned_to_its_speaker() -> None:
    turns = [Turn(0, 2, "a"), Turn(2, 4, "b"), Turn(4, 6, "a")]
    found = assign_speakers([segment("so what we did then was no that is not how it was going to be done")], turns)
    assert [part.speaker for part in found] == ["a", "b", "a"]


def test_overlap_goes_with_the_sentence() -> None:
    turns = [Turn(0, 3, "a"), Turn(1.2, 3, "b")]
    found = assign_speakers([segment("One two three four five six seven.")], turns)
    assert said(found) == [("a", "One two three four five six seven.")]


def test_words_outside_all_turns_go_to_the_nearest() -> None:
    turns = [Turn(10, 12, "a"), Turn(20, 22, "b")]
    parts = [segment("Early.", 1.0), segment("Between, nearer to b.", 17.0), segment("Late.", 40.0)]
    assert [part.speaker for part in assign_speakers(parts, turns)] == ["a", "b", "b"]


def test_a_long_turn_far_back_is_still_the_nearest() -> None:
    turns = [Turn(0, 30, "a"), Turn(2, 4, "b"), Turn(90, 95, "b")]
    assert [part.speaker for part in assign_speakers([segment("Who is it?", 31.0)], turns)] == ["a"]


def test_a_segment_without_words_is_labelled_whole() -> None:
    parts = [Segment(0, 0.0, 5.0, "no words"), Segment(1, 5.0, 9.0, "none here")]
    found = assign_speakers(parts, [Turn(0, 4, "a"), Turn(4, 9, "b")])
    assert said(found) == [("a", "no words"), ("b", "none here")]


def test_cjk_text_is_joined_without_spaces() -> None:
    words = tuple(
        Word(char, 0.3 * index, 0.3 * index + 0.25, space_before=False) for index, char in enumerate("你好。我很好。")
    )
    found = assign_speakers([Segment(0, 0, 2.1, "你好。我很好。", words)], [Turn(0, 0.9, "a"), Turn(0.9, 3, "b")])
    assert said(found) == [("a", "你好。"), ("b", "我很好。")]


def test_without_turns_nothing_changes() -> None:
    parts = [segment("As it was."), segment("And is.", 5.0, number=1)]
    assert assign_speakers(parts, []) == parts


def test_no_segments() -> None:
    assert assign_speakers([], [Turn(0, 1, "a")]) == []


@pytest.mark.parametrize(
    ("text", "pause", "change", "expected"),
    [
        # The words take a second each, compared with the turns from 0.07 s before to 0.07 s after, and the first turn
        # ends inside the third one. A change costs 0.4 s inside a clause, 0.1 s at a comma or in a pause of 0.3 s,
        # 0.02 s after a sentence; in shorter pauses down to 0.1 s the fee is in proportion: 0.175 s in one of 0.25 s,
        # 0.25 s in one of 0.2 s. The limits are at 2.5 s, and half of 1.14 for each second that the change costs less.
        ("one two three four", 0.0, 2.49, [2, 2]), ("one two three four", 0.0, 2.51, [3, 1]),
        ("one two, three four", 0.0, 2.66, [2, 2]), ("one two, three four", 0.0, 2.68, [3, 1]),
        ("one two three four", 0.31, 2.66, [2, 2]), ("one two three four", 0.25, 2.62, [2, 2]),
        ("one two three four", 0.25, 2.64, [3, 1]), ("one two three four", 0.2, 2.57, [2, 2]),
        ("one two three four", 0.2, 2.6, [3, 1]), ("one two three four", 0.1, 2.51, [3, 1]),
        ("one two. Three four", 0.0, 2.71, [2, 2]), ("one two. Three four", 0.0, 2.73, [3, 1]),
    ],
)  # fmt: skip
def test_where_a_change_of_speakers_is_put(text: str, pause: float, change: float, expected: list[int]) -> None:
    words, at = [], 0.0
    for index, word in enumerate(text.split()):
        words.append(Word(word, at, at + 1))
        at += 1 + (pause if index == 1 else 0)
    turns = [Turn(0, change + pause, "a"), Turn(change + pause, at, "b")]
    found = assign_speakers([Segment(0, 0, at, text, tuple(words))], turns)
    assert [len(part.words) for part in found] == expected


@pytest.mark.parametrize(
    ("spoken", "turns", "expected"),
    [
        # The nearest turn by its edge, before or after; of equal distances the earlier one.
        ((5, 6), [(0, 4, "a"), (8, 9, "b")], "a"),
        ((6, 7), [(0, 4, "a"), (8, 9, "b")], "b"),
        ((5.5, 6.5), [(0, 4.5, "a"), (7.5, 9, "b")], "a"),
        ((5, 6), [(0, 4, "a"), (1, 2, "b")], "a"),
        ((5, 6), [(0, 2, "b"), (1, 4, "a"), (30, 31, "b")], "a"),
        ((5, 6), [(8, 9, "b"), (10, 11, "a")], "b"),
        # Inside turns, the larger share; a turn that only touches has none. A word without length has a place.
        ((5, 6), [(0, 5, "a"), (5.9, 9, "b")], "b"),
        ((5, 6), [(6, 9, "a"), (2, 5.1, "b")], "b"),
        ((5, 6), [(0, 5.6, "a"), (5.4, 5.9, "b")], "a"),
        ((5, 6), [(0, 5.3, "a"), (5.3, 5.7, "b"), (5.7, 9, "a")], "a"),
        ((5, 5), [(0, 5, "a"), (5, 9, "b")], "b"),
        ((5, 5), [(0, 9, "a"), (6, 9, "b")], "a"),
    ],
)
def test_whose_turn_a_lone_word_is(
    spoken: tuple[float, float], turns: list[tuple[float, float, str]], expected: str
) -> None:
    words = (Word("word", *spoken),)
    for segment_words in (words, ()):
        parts = [Segment(0, *spoken, "word", segment_words)]
        assert said(assign_speakers(parts, [Turn(*turn) for turn in turns])) == [(expected, "word")]


sentences = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 40)).map(
        lambda pair: (" ".join(["word"] * pair[0]) + ".", pair[1] / 10)
    ),
    min_size=1,
    max_size=8,
)
speaker_turns = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 60), st.sampled_from("abc")).map(
        lambda turn: Turn(turn[0] / 10, (turn[0] + turn[1]) / 10, turn[2])
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=150)
@given(sentences, speaker_turns)
def test_no_word_is_lost_and_every_word_has_its_segment_s_speaker(
    spoken: list[tuple[str, float]], turns: list[Turn]
) -> None:
    parts, at = [], 0.0
    for number, (text, pause) in enumerate(spoken):
        parts.append(segment(text, at, number=number))
        at = parts[-1].end + pause
    found = assign_speakers(parts, turns)
    before = [(word.text, word.start, word.end) for part in parts for word in part.words]
    assert [(word.text, word.start, word.end) for part in found for word in part.words] == before
    assert " ".join(part.text for part in found).split() == [text for text, _, _ in before]
    assert all(word.speaker == part.speaker in "abc" for part in found for word in part.words)
    assert all(part.start <= part.words[0].start and part.words[-1].end <= part.end for part in found)
    assert [part.id for part in found] == list(range(len(found)))


def test_hours_of_words_are_labelled_in_little_memory() -> None:
    """Beside the labelled words: a hundred bytes for each, where several speakers are near."""
    words = [segment("Well, that is it.", start=2.0 * number, number=number) for number in range(1000)]
    turns = [Turn(2.0 * number - 1.5, 2.0 * number + 2.5, f"{number % 4}") for number in range(1000)]
    assign_speakers(words[:2], turns[:2])
    tracemalloc.start()
    try:
        found = assign_speakers(words, turns)
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    count = sum(len(part.words) for part in found)
    assert count == 4000
    assert most - held < 100 * count
