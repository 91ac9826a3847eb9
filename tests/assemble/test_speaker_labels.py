"""Who labels the segments of one input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from asrcli.assemble.speaker_labels import SpeakerLabels, of_channels
from asrcli.audio.types import Samples
from asrcli.transcript import Segment, Turn, Word

SEGMENT = Segment(0, 5.0, 6.0, "a", (Word("a", 5.0, 6.0),))


class Tracker:
    """Hears one speaker."""

    def __init__(self) -> None:
        self.heard, self.finished = 0, False
        self.warnings = ["a warning"]

    def push(self, samples: Samples) -> None:
        self.heard += len(samples)

    def finish(self) -> list[Turn]:
        self.finished = True
        return []

    def label(self, segments: Sequence[Segment], offset: float = 0.0) -> tuple[list[Segment], list[Turn]]:
        return [replace(segment, speaker="Ann") for segment in segments], [Turn(offset, offset + 1.0, "Ann")]


def test_segments_of_a_recording_are_labelled_at_its_end() -> None:
    tracker = Tracker()
    labels = SpeakerLabels(tracker, 5.0)
    labels.push(np.zeros(16000, np.float32))
    assert labels.settle([SEGMENT], recorded_now=True) == [SEGMENT], "it is no tracker of streams"
    assert labels.finish([SEGMENT]) == ([replace(SEGMENT, speaker="Ann")], [Turn(5.0, 6.0, "Ann")])
    assert (tracker.heard, tracker.finished, labels.warnings) == (16000, True, ["a warning"])


def test_without_words_or_a_tracker_there_are_no_speakers() -> None:
    tracker = Tracker()
    assert SpeakerLabels(tracker, 0.0).finish([]) == ([], [])
    assert not tracker.finished
    alone = SpeakerLabels(None, 0.0)
    alone.push(np.zeros(160, np.float32))
    assert (alone.finish([SEGMENT]), alone.warnings) == (([SEGMENT], []), [])


def test_channels_are_numbered_from_one() -> None:
    found = of_channels([replace(SEGMENT, channel=1), SEGMENT])
    assert [segment.speaker for segment in found] == ["Speaker 2", "Speaker 1"]
    assert [word.speaker for segment in found for word in segment.words] == ["Speaker 2", "Speaker 1"]
