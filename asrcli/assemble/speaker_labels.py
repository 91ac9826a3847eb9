"""The speakers of one input: of the whole recording, or of one settled part after the other while it is made."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from asrcli.audio.types import Samples
from asrcli.transcript import Segment, Turn


class SpeakerTracker(Protocol):
    """Receives the audio beside the recogniser and labels segments with speakers (`speakers.diarizer`)."""

    def push(self, samples: Samples) -> None:
        """Hear the next (samples,) at 16 kHz."""

    def finish(self) -> list[Turn]:
        """The turns, in stream time, labels final."""

    @property
    def warnings(self) -> list[str]:
        """What the turns lack, once finished."""

    def label(self, segments: Sequence[Segment], offset: float = 0.0) -> tuple[list[Segment], list[Turn]]:
        """Segments with speakers, split where the speaker changes, and the turns; both in stream time plus `offset`."""


@runtime_checkable
class StreamTracker(SpeakerTracker, Protocol):
    """The same of a stream that may be recorded now (`speakers.live`)."""

    def settle(self, segments: Sequence[Segment], offset: float) -> list[Segment]:
        """Label the next segments of a stream that is recorded now; its speakers keep their labels. Neither
        `finish` nor `label` follows.
        """


class SpeakerLabels:
    """Labels the segments of one input; all times are those of the file."""

    def __init__(self, tracker: SpeakerTracker | None, offset: float) -> None:
        """`offset`: the file time of the first sample that `tracker` is given; of a stream: a `StreamTracker`."""
        self._tracker, self._offset = tracker, offset
        self._held: list[Segment] = []
        self._settled: list[Segment] = []
        self._recorded_now = False

    def push(self, samples: Samples) -> None:
        """Hear the next (samples,) at 16 kHz."""
        if self._tracker is not None:
            self._tracker.push(samples)

    def settle(self, segments: Sequence[Segment], *, recorded_now: bool) -> Sequence[Segment]:
        """Take the next segments of a stream, and return those whose form is final. Until the stream turns out to be
        recorded now, that is none: the whole recording makes better labels.
        """
        if not isinstance(self._tracker, StreamTracker):
            return segments
        self._held += segments
        self._recorded_now |= recorded_now
        if not self._recorded_now or not self._held:
            return []
        labelled = self._tracker.settle(self._held, self._offset)
        self._held = []
        self._settled += labelled
        return labelled

    def forget(self) -> None:
        """Hold the segments that are settled no longer: `finish` does not return them."""
        self._settled = []

    def finish(self, segments: Sequence[Segment]) -> tuple[list[Segment], list[Turn]]:
        """All segments of the input with speakers, and the turns."""
        if self._recorded_now:
            return [*self._settled, *self.settle([], recorded_now=True)], []
        if self._tracker is None or not segments:
            return list(segments), []  # diarization may take noise for a voice, but there are no words
        self._tracker.finish()
        return self._tracker.label(segments, self._offset)

    @property
    def warnings(self) -> list[str]:
        return self._tracker.warnings if self._tracker is not None else []


def of_channels(segments: Sequence[Segment]) -> list[Segment]:
    """Segments whose speakers are the channels."""
    return [_named(segment, f"Speaker {(segment.channel or 0) + 1}") for segment in segments]


def _named(segment: Segment, speaker: str) -> Segment:
    return replace(segment, speaker=speaker, words=tuple(replace(word, speaker=speaker) for word in segment.words))
