from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from asrcli.speakers.reconstruct import frames_of_voices, name_locals, turns_of
from asrcli.speakers.types import FRAME_SECONDS, FRAMES, HOP_FRAMES
from asrcli.transcript import Turn

VOICES = np.eye(3, dtype=np.float32)


def window(*spans: tuple[int, int]) -> np.ndarray:
    """Activity of one window: for each local speaker its frames from, to."""
    activity = np.zeros((len(spans), FRAMES), dtype=bool)
    for local, (first, last) in enumerate(spans):
        activity[local, first:last] = True
    return activity


def near(voice: int, by: float = 0.2) -> np.ndarray:
    return np.asarray(VOICES[voice] + by * VOICES[(voice + 1) % 3], dtype=np.float32)


def test_locals_are_named_by_likeness() -> None:
    assert name_locals(np.stack([near(2), near(0)]), VOICES) == (2, 0)


def test_two_locals_of_a_window_are_two_voices_where_it_costs_little() -> None:
    torn = np.float32(0.55) * VOICES[0] + np.float32(0.45) * VOICES[1]
    assert name_locals(np.stack([near(0), torn]), VOICES) == (0, 1)


def test_a_voice_that_segmentation_split_is_still_one() -> None:
    assert name_locals(np.stack([near(0, 0.1), near(0, 0.15)]), VOICES) == (0, 0)


def test_turns_run_across_windows() -> None:
    # The same speech, heard in three windows that each call its speaker another local number.
    said = (300, 700)
    windows = []
    for number in range(3):
        first, last = (max(0, min(FRAMES, edge - number * HOP_FRAMES)) for edge in said)
        windows.append((window((0, 0), (first, last)), [(1, 2)]))
    (turn,) = turns_of(frames_of_voices(windows, 3), 3)
    assert turn.speaker == "2"
    assert turn.start == pytest.approx(300 * FRAME_SECONDS, abs=0.04)
    assert turn.end == pytest.approx(700 * FRAME_SECONDS, abs=0.04)


def test_overlap_gives_both_a_turn() -> None:
    turns = turns_of(frames_of_voices([(window((0, 400), (200, 589)), [(0, 0), (1, 1)])], 2), 2)
    assert [(turn.speaker, turn.start < 4.0 < turn.end) for turn in turns] == [("0", True), ("1", True)]


def test_the_majority_of_windows_decides() -> None:
    heard = window((0, FRAMES))
    windows = [(heard, [(0, 0)]), (heard, [(0, 1)]), (heard, [(0, 0)]), (heard, [(0, 0)])]
    turns = turns_of(frames_of_voices(windows, 2), 2)
    assert not any(turn.speaker == "1" for turn in turns)


def test_silence_has_no_turns() -> None:
    assert turns_of(frames_of_voices([(window((0, 0)), [])], 1), 1) == []


def test_speech_to_the_last_frame_is_closed() -> None:
    (turn,) = turns_of(frames_of_voices([(window((0, FRAMES)), [(0, 0)])], 1), 1)
    assert turn == Turn(0.0, cast("float", pytest.approx(FRAMES * FRAME_SECONDS, abs=0.05)), "0")
