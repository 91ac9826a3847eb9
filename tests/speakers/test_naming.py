from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from asrcli.speakers.naming import frames_of_voices, turns_of
from asrcli.speakers.types import FRAME_SECONDS, FRAMES, HOP_FRAMES, Vectors, WindowResults, same_direction
from asrcli.transcript import Turn

Spans = Sequence[tuple[int, int, int]]
VOICES: Vectors = np.eye(3, dtype=np.float32)


def near(voice: int, by: float = 0.2) -> Vectors:
    return same_direction(np.asarray(VOICES[voice] + by * VOICES[(voice + 1) % 3], dtype=np.float32))


def window(spans: Spans, pieces: Spans, embeddings: Sequence[Vectors]) -> WindowResults:
    """The results of one window: for each local speaker its frames from, to; pieces (local, from, to)."""
    activity = np.zeros((1, 3, FRAMES), dtype=bool)
    for local, first, last in spans:
        activity[0, local, first:last] = True
    rows = np.array([(0, *piece) for piece in pieces], np.int32).reshape(-1, 4)
    return WindowResults.of(activity, rows, np.array(embeddings, np.float32).reshape(-1, 3))


def turns(*windows: WindowResults, voices: Vectors = VOICES) -> list[Turn]:
    found = turns_of(frames_of_voices(windows, voices), len(voices))
    return sorted(found, key=lambda turn: turn.start)


def test_pieces_are_named_by_likeness() -> None:
    found = turns(window([(0, 0, 200), (1, 300, 500)], [(0, 0, 200), (1, 300, 500)], [near(2), near(0)]))
    assert [turn.speaker for turn in found] == ["2", "0"]


def test_one_local_speaker_may_be_two_voices() -> None:
    found = turns(window([(0, 0, 200), (0, 250, 500)], [(0, 0, 200), (0, 250, 500)], [near(2), near(0)]))
    assert [turn.speaker for turn in found] == ["2", "0"]


def test_speech_outside_pieces_follows_the_local_speaker_and_the_nearest_piece() -> None:
    long, blip = [(0, 0, 200)], [(0, 250, 265)]
    assert {turn.speaker for turn in turns(window(long + blip, long, [near(2)]))} == {"2"}
    said = [(0, 0, 100), (0, 110, 120), (0, 400, 589)]
    found = turns(window(said, [said[0], said[2]], [near(1), near(2)]))
    assert [turn.speaker for turn in found] == ["1", "1", "2"]


def test_speech_outside_pieces_follows_a_piece_of_the_neighbouring_window() -> None:
    said = [(0, 200, 440), (0, 450, 460)]
    first = window(said, said[:1], [near(0)])
    # The second window decides frames from 443 of the first on; its local speaker has another number.
    again = [(1, max(0, start - HOP_FRAMES), end - HOP_FRAMES) for _, start, end in said]
    assert {turn.speaker for turn in turns(first, window(again, [], []))} == {"0"}


def test_turns_run_across_windows() -> None:
    # The same speech in three windows, in each of which its speaker has another local number.
    said = (300, 700)
    windows = []
    for number in range(3):
        first, last = (max(0, min(FRAMES, edge - number * HOP_FRAMES)) for edge in said)
        piece = (number, first, last)
        windows.append(window([piece], [piece] if last > first else [], [near(2)] if last > first else []))
    (turn,) = turns(*windows)
    assert turn.speaker == "2"
    assert turn.start == pytest.approx(300 * FRAME_SECONDS, abs=0.04)
    assert turn.end == pytest.approx(700 * FRAME_SECONDS, abs=0.04)


def test_overlap_gives_both_a_turn() -> None:
    spans = [(0, 0, 400), (1, 200, 589)]
    found = turns(window(spans, [(0, 0, 200), (1, 400, 589)], [near(0), near(1)]))
    assert [(turn.speaker, turn.start < 4.0 < turn.end) for turn in found] == [("0", True), ("1", True)]


def test_two_local_speakers_at_once_are_two_voices() -> None:
    spans = [(0, 0, 400), (1, 200, 300)]
    crowded = same_direction(0.8 * VOICES[0] + 0.6 * VOICES[1])
    found = turns(window(spans, [(0, 0, 200), (0, 300, 400), (1, 0, 0)], [near(0), near(0), crowded]))
    assert [(turn.speaker, turn.start < 4.0 < turn.end) for turn in found] == [("0", True), ("1", True)]


def test_silence_has_no_turns() -> None:
    assert turns(window([], [], []), voices=VOICES[:1]) == []


def test_speech_to_the_last_frame_is_closed() -> None:
    whole = [(0, 0, FRAMES)]
    (turn,) = turns(window(whole, whole, [near(0)]))
    assert (turn.start, turn.end) == (0.0, pytest.approx(FRAMES * FRAME_SECONDS, abs=0.05))
