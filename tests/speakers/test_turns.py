from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.speakers.turns import absorb_spurious_turns, label_speakers, merge_touching
from asrcli.transcript import Turn

turns = st.lists(
    st.builds(
        lambda start, length, speaker: Turn(start / 10, (start + length) / 10, speaker),
        st.integers(0, 600),
        st.integers(1, 80),
        st.sampled_from("abc"),
    ),
    max_size=20,
)


def test_a_flicker_at_a_change_goes_to_its_neighbour() -> None:
    found = absorb_spurious_turns([Turn(0, 5, "a"), Turn(5, 5.3, "b"), Turn(5.3, 9, "c")])
    assert found == [Turn(0, 5.3, "a"), Turn(5.3, 9, "c")]


def test_a_spurious_turn_inside_another_is_dropped() -> None:
    assert absorb_spurious_turns([Turn(0, 8, "a"), Turn(3, 3.4, "b")]) == [Turn(0, 8, "a")]


def test_a_spurious_turn_between_two_turns_of_one_speaker_joins_them() -> None:
    assert absorb_spurious_turns([Turn(0, 4, "a"), Turn(4.1, 4.4, "b"), Turn(4.4, 8, "a")]) == [Turn(0, 8, "a")]


def test_a_short_word_in_silence_stays() -> None:
    alone = [Turn(0, 4, "a"), Turn(10, 10.4, "b")]
    assert absorb_spurious_turns(alone) == alone


def test_a_blip_in_silence_vanishes() -> None:
    assert absorb_spurious_turns([Turn(0, 0.1, "b"), Turn(2, 4, "a")]) == [Turn(2, 4, "a")]


def test_overlap_of_real_turns_is_kept() -> None:
    both = [Turn(0, 6, "a"), Turn(4, 9, "b")]
    assert absorb_spurious_turns(both) == both


@settings(max_examples=200)
@given(turns)
def test_absorbing_invents_no_speaker_and_loses_no_long_turn(given_turns: list[Turn]) -> None:
    found = absorb_spurious_turns(given_turns)
    assert {turn.speaker for turn in found} <= {turn.speaker for turn in given_turns}
    for long in (turn for turn in given_turns if turn.end - turn.start >= 0.5):
        assert any(turn.speaker == long.speaker and turn.start <= long.start and long.end <= turn.end for turn in found)


@settings(max_examples=200)
@given(turns)
def test_merged_turns_of_a_speaker_stand_apart(given_turns: list[Turn]) -> None:
    merged = merge_touching(given_turns, gap=0.5)
    assert [turn.start for turn in merged] == sorted(turn.start for turn in merged)
    for speaker in "abc":
        own = [turn for turn in merged if turn.speaker == speaker]
        assert all(later.start - earlier.end > 0.5 for earlier, later in pairwise(own))


def test_labels_follow_the_first_appearance_and_names_win() -> None:
    spoken = [Turn(3, 5, "x"), Turn(0, 2, "y"), Turn(6, 8, "z"), Turn(9, 11, "y")]
    assert label_speakers(spoken) == {"y": "Speaker 1", "x": "Speaker 2", "z": "Speaker 3"}
    assert label_speakers(spoken, {"y": "Ada"}) == {"y": "Ada", "x": "Speaker 1", "z": "Speaker 2"}


@pytest.mark.parametrize(
    ("given_turns", "expected"),
    [
        # Half a second and more is a turn; less goes to a neighbour no further than that away, the nearer one.
        ([(0, 5, "a"), (5, 5.5, "b"), (5.5, 9, "c")], [(0, 5, "a"), (5, 5.5, "b"), (5.5, 9, "c")]),
        ([(0, 4, "a"), (4.5, 4.9, "b")], [(0, 4.9, "a")]),
        ([(0, 4, "a"), (4.625, 4.9, "b")], [(0, 4, "a"), (4.625, 4.9, "b")]),
        ([(1, 1.25, "b"), (1.75, 4, "a")], [(1, 4, "a")]),
        ([(1, 1.25, "b"), (1.875, 4, "a")], [(1, 1.25, "b"), (1.875, 4, "a")]),
        ([(0, 4, "a"), (4.4, 4.7, "b"), (4.8, 9, "c")], [(0, 4, "a"), (4.4, 9, "c")]),
        ([(0, 4, "a"), (4.1, 4.4, "b"), (4.8, 9, "c")], [(0, 4.4, "a"), (4.8, 9, "c")]),
        ([(0, 4, "a"), (3.8, 4.2, "b")], [(0, 4.2, "a")]),
        ([(0.8, 1.2, "b"), (1, 4, "a")], [(0.8, 4, "a")]),
        ([(0, 4, "a"), (0, 0.4, "b"), (3.6, 4, "c")], [(0, 4, "a")]),
        # Alone in silence, a fifth of a second may be a word.
        ([(1, 1.25, "b")], [(1, 1.25, "b")]),
        ([(0, 0.2, "b")], [(0, 0.2, "b")]),
        ([(1, 1.125, "b")], []),
        # The pieces of one speaker are joined before and after.
        ([(1, 1.3, "b"), (1.3, 1.6, "b"), (8, 9, "a")], [(1, 1.6, "b"), (8, 9, "a")]),
        ([(0, 1, "a"), (1.5, 3, "a"), (3.625, 5, "a")], [(0, 3, "a"), (3.625, 5, "a")]),
        ([(0, 4, "a"), (1, 2, "a"), (10, 10.3, "b"), (10.4, 12, "c")], [(0, 4, "a"), (10, 12, "c")]),
    ],
)
def test_which_turns_are_absorbed(
    given_turns: list[tuple[float, float, str]], expected: list[tuple[float, float, str]]
) -> None:
    found = absorb_spurious_turns([Turn(*turn) for turn in given_turns])
    assert found == [Turn(*turn) for turn in expected]


def test_turns_are_merged_over_the_gap_and_no_more() -> None:
    parts = [Turn(3, 4, "a"), Turn(0, 2, "a"), Turn(0.5, 1, "a"), Turn(1, 5, "b"), Turn(4.5, 6, "a")]
    assert merge_touching(parts) == [Turn(0, 2, "a"), Turn(1, 5, "b"), Turn(3, 4, "a"), Turn(4.5, 6, "a")]
    assert merge_touching(parts, 0.5) == [Turn(0, 2, "a"), Turn(1, 5, "b"), Turn(3, 6, "a")]
    assert merge_touching(parts, 1) == [Turn(0, 6, "a"), Turn(1, 5, "b")]
    assert merge_touching([Turn(0, 1, "a"), Turn(1, 2, "a")]) == [Turn(0, 2, "a")]


def test_of_two_who_begin_together_the_shorter_turn_is_first() -> None:
    assert label_speakers([Turn(0, 2, "x"), Turn(0, 1, "y")]) == {"y": "Speaker 1", "x": "Speaker 2"}
