from __future__ import annotations

from itertools import pairwise

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


def test_a_flicker_at_a_change_goes_to_its_neighbour():
    found = absorb_spurious_turns([Turn(0, 5, "a"), Turn(5, 5.3, "b"), Turn(5.3, 9, "c")])
    assert found == [Turn(0, 5.3, "a"), Turn(5.3, 9, "c")]


def test_a_spurious_turn_inside_another_is_dropped():
    assert absorb_spurious_turns([Turn(0, 8, "a"), Turn(3, 3.4, "b")]) == [Turn(0, 8, "a")]


def test_a_spurious_turn_between_two_turns_of_one_speaker_joins_them():
    assert absorb_spurious_turns([Turn(0, 4, "a"), Turn(4.1, 4.4, "b"), Turn(4.4, 8, "a")]) == [Turn(0, 8, "a")]


def test_a_short_word_in_silence_stays():
    alone = [Turn(0, 4, "a"), Turn(10, 10.4, "b")]
    assert absorb_spurious_turns(alone) == alone


def test_a_blip_in_silence_vanishes():
    assert absorb_spurious_turns([Turn(0, 0.1, "b"), Turn(2, 4, "a")]) == [Turn(2, 4, "a")]


def test_overlap_of_real_turns_is_kept():
    both = [Turn(0, 6, "a"), Turn(4, 9, "b")]
    assert absorb_spurious_turns(both) == both


@settings(deadline=None, max_examples=200)
@given(turns)
def test_absorbing_invents_no_speaker_and_loses_no_long_turn(given_turns):
    found = absorb_spurious_turns(given_turns)
    assert {turn.speaker for turn in found} <= {turn.speaker for turn in given_turns}
    for long in (turn for turn in given_turns if turn.end - turn.start >= 0.5):
        assert any(turn.speaker == long.speaker and turn.start <= long.start and long.end <= turn.end for turn in found)


@settings(deadline=None, max_examples=200)
@given(turns)
def test_merged_turns_of_a_speaker_stand_apart(given_turns):
    merged = merge_touching(given_turns, gap=0.5)
    assert [turn.start for turn in merged] == sorted(turn.start for turn in merged)
    for speaker in "abc":
        own = [turn for turn in merged if turn.speaker == speaker]
        assert all(later.start - earlier.end > 0.5 for earlier, later in pairwise(own))


def test_labels_follow_the_first_appearance_and_names_win():
    spoken = [Turn(3, 5, "x"), Turn(0, 2, "y"), Turn(6, 8, "z"), Turn(9, 11, "y")]
    assert label_speakers(spoken) == {"y": "Speaker 1", "x": "Speaker 2", "z": "Speaker 3"}
    assert label_speakers(spoken, {"y": "Ada"}) == {"y": "Ada", "x": "Speaker 1", "z": "Speaker 2"}
