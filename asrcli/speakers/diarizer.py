"""Who speaks when in one recording: the client's side of diarization, fed as the audio streams in.

Windows go to the service in the engine process as they fill; the results are small (activity, a byte for each local
speaker and frame, and one embedding for each piece: some MB an hour). Voices are found at the end, with a view of the
whole.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.errors import EngineClosedError, EngineError
from asrcli.options import SpeakerOptions
from asrcli.speakers.assign import assign_speakers
from asrcli.speakers.clustering import ClusterLimits, find_voices
from asrcli.speakers.matching import best_pairs
from asrcli.speakers.naming import frames_of_voices, turns_of
from asrcli.speakers.turns import absorb_spurious_turns, label_speakers, merge_touching
from asrcli.speakers.types import (
    FRAME_SECONDS,
    HOP,
    WINDOW,
    WINDOWS_PER_JOB,
    DiarizationRequest,
    Vectors,
    WindowResults,
    same_direction,
    window_count,
)
from asrcli.transcript import Segment, Turn

#: The catalogue's thresholds are for complete linkage, where they bound the *largest* distance in a cluster; the mean
#: distance at the same decision is about this share of it (measured: docs/speakers.md).
AVERAGE_SHARE = 0.7
#: hands samples and a request to the service: `functools.partial(host.submit, name)`
Submit = Callable[[Samples, DiarizationRequest], "Future[WindowResults]"]

#: jobs handed over and not answered; more would only wait in memory
_IN_FLIGHT = 4
#: seconds of a piece that is clustered; what is shorter is named by the voices found
_CLUSTERED = 1.0
#: short pieces of one local speaker are one voice from this share of the likeness at the threshold on: that is 0.19 for
#: the embedded embedding, where 16 % of 2,598 pairs of one voice are below 0.2, and 10 % of 6,838 of two voices above
_SHORT_LIKENESS = 0.5
#: a pause of one speaker up to this long (seconds) does not end the turn
_PAUSE = 0.6


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that is known by name: its embedding, of length 1."""

    name: str
    embedding: Vectors


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Distances of an embedding model (cosine, 0..2).

    Attributes:
        cluster: mean distance of two groups that are one voice, in the catalogue's form (`AVERAGE_SHARE`).
        join: distance of the mean directions of two groups that are one voice.
        voice: greatest distance of a voice to the print of the same person.
    """

    cluster: float
    join: float
    voice: float

    def limits(self, options: SpeakerOptions) -> ClusterLimits:
        """What clustering does for these options. A threshold of the user's moves both distances."""
        scale = 1.0 if options.cluster_threshold is None else options.cluster_threshold / self.cluster
        return ClusterLimits(
            threshold=AVERAGE_SHARE * self.cluster * scale,
            join=self.join * scale,
            least=options.speakers or options.min_speakers or 1,
            most=options.speakers or options.max_speakers,
        )


@dataclass(frozen=True, slots=True)
class Pieces:
    """What is clustered: embeddings, shape (n, dimensions); the seconds of speech of each; its window and its local
    speaker there, shape (n, 2), windows in order.
    """

    embeddings: Vectors
    seconds: npt.NDArray[np.float64]
    tracks: npt.NDArray[np.int_]

    @classmethod
    def of(cls, results: Sequence[WindowResults]) -> Pieces:
        """The pieces of the results of jobs in order."""
        if not results:
            return cls(np.zeros((0, 0), np.float32), np.zeros(0), np.zeros((0, 2), np.int_))
        pieces = np.concatenate([part.pieces for part in results])
        windows = np.repeat(np.arange(len(results)) * WINDOWS_PER_JOB, [len(part.pieces) for part in results])
        return cls(
            np.concatenate([part.embeddings for part in results if len(part.embeddings)] or [results[0].embeddings]),
            np.maximum((pieces[:, 3] - pieces[:, 2]) * FRAME_SECONDS, 1e-3),
            np.stack([pieces[:, 0] + windows, pieces[:, 1]], axis=1),
        )

    def of_rows(self, rows: npt.NDArray[Any]) -> Pieces:
        """Some of them, given by number or as a mask."""
        return Pieces(self.embeddings[rows], self.seconds[rows], self.tracks[rows])

    def together(self, long: npt.NDArray[np.bool_], likeness: float) -> Pieces:
        """The pieces of each local speaker who has none of the `long` ones, as one, where they are long enough in all,
        and their mean cosine is `likeness` at least: segmentation may take two voices for one.
        """
        tracks, track_of = np.unique(self.tracks, axis=0, return_inverse=True)
        track_of = track_of.reshape(-1)  # numpy 2.0 gives it another shape
        seconds, counts = np.bincount(track_of, self.seconds), np.bincount(track_of)
        wanted = (seconds >= _CLUSTERED) & (np.bincount(track_of, long) == 0) & (counts > 1)
        rows = np.flatnonzero(wanted[track_of])
        sums = np.zeros((int(wanted.sum()), self.embeddings.shape[1]), np.float32)
        np.add.at(sums, (np.cumsum(wanted) - 1)[track_of[rows]], self.embeddings[rows])
        count = counts[wanted]
        alike = ((sums**2).sum(axis=1) - count) / (count * (count - 1)) >= likeness
        return Pieces(same_direction(sums[alike]), seconds[wanted][alike], tracks[wanted][alike])

    def with_others(self, others: Pieces) -> Pieces:
        """These and others, windows in order."""
        after = np.searchsorted(self.tracks[:, 0], others.tracks[:, 0], side="right")
        return Pieces(
            np.insert(self.embeddings, after, others.embeddings, axis=0),
            np.insert(self.seconds, after, others.seconds),
            np.insert(self.tracks, after, others.tracks, axis=0),
        )


def voices_of(pieces: Pieces, limits: ClusterLimits) -> Vectors:
    """The voices among pieces (`find_voices`), found from those that are long enough; and from the short ones of local
    speakers who have no other, where they are like none of these voices: of one who pauses after every few words.
    """
    if not len(pieces.seconds):
        return np.zeros((0, 0), np.float32)
    long = pieces.seconds >= min(_CLUSTERED, float(pieces.seconds.max()))
    if long.sum() < limits.least:
        long[:] = True
    clustered = pieces.of_rows(long)
    voices = find_voices(clustered.embeddings, clustered.seconds, limits, clustered.tracks)
    likeness = max(0.0, 1.0 - limits.threshold)
    others = pieces.together(long, _SHORT_LIKENESS * likeness)
    # At the threshold, the mean cosine to the pieces of a voice is that within it, so this is the one to its mean.
    unlike = (others.embeddings @ voices.T).max(axis=1) < math.sqrt(likeness)
    if not unlike.any():
        return voices
    clustered = clustered.with_others(others.of_rows(unlike))
    more = find_voices(clustered.embeddings, clustered.seconds, limits, clustered.tracks)
    return more if len(more) > len(voices) else voices


class Diarizer:
    """Push audio, finish, read turns. One for each recording. `submit` hands a job to the diarization service;
    `thresholds` are the embedding model's own; `known` voices are of the same model.
    """

    def __init__(
        self, submit: Submit, options: SpeakerOptions, thresholds: Thresholds, known: Sequence[Voice] = ()
    ) -> None:
        self._submit = submit
        self._options = options
        self._thresholds = thresholds
        self._known = known
        self._buffer: list[Samples] = []
        self._buffered = 0
        self._samples = 0
        #: jobs that are not answered, with their windows
        self._owed: deque[tuple[int, Future[WindowResults]]] = deque()
        self._error: EngineError | None = None
        #: what the service failed at, seconds of what was pushed, until `label` reports it
        self._failed: list[tuple[float, float]] = []
        #: of the service, in order
        self.results: list[WindowResults] = []
        self._submitted = 0
        #: the voices by label, once finished (unit vectors)
        self.voices: dict[str, Vectors] = {}
        #: the turns, once finished, and those before pauses and spurious turns are absorbed, which decide about words
        self._turns: list[Turn] = []
        self._raw: list[Turn] = []
        #: what the turns lack, once they are those of segments
        self.warnings: list[str] = []

    def push(self, samples: Samples) -> None:
        """Hear the next samples, shape (samples,), 16 kHz; waits while the service is busy. Raises EngineClosedError:
        the service was closed.
        """
        # Copies, here and below: a view would keep all that it was cut from alive.
        self._buffer.append(samples.copy())
        self._buffered += len(samples)
        self._samples += len(samples)
        needed = (WINDOWS_PER_JOB - 1) * HOP + WINDOW
        # More than needed: the last window of the recording is handed over by `finish`.
        if self._buffered <= needed:
            return
        audio = np.concatenate(self._buffer)
        at = 0
        while len(audio) - at > needed:
            self._hand_over(audio[at : at + needed], WINDOWS_PER_JOB)
            at += WINDOWS_PER_JOB * HOP
        self._buffer = [audio[at:].copy()]
        self._buffered = len(audio) - at

    def finish(self) -> list[Turn]:
        """Hear the rest and find the voices. Returns turns ordered by start, in seconds of what was pushed; overlapped
        speech has a turn for each speaker. Raises EngineError: the service failed at every job.
        """
        if self._samples:
            rest = window_count(self._samples) - self._submitted
            self._hand_over(np.concatenate(self._buffer), rest, ends=True)
        self._buffer = []
        while self._owed:
            self._settle()
        if self._error is not None and not any(part.bits.any() for part in self.results):
            raise self._error
        self._turns = turns = self._find_turns()
        least, found = self._options.speakers or self._options.min_speakers or 0, len(self.voices)
        if turns and found < least:
            self.warnings.append(f"speakers: {least} speakers were asked for, {found} found")
        return turns

    def label(self, segments: Sequence[Segment], offset: float = 0.0) -> tuple[list[Segment], list[Turn]]:
        """Segments with speakers, split where the speaker changes, and the turns of `finish`; `offset`
        is the time of the first sample in the segments, in what is returned and in the warnings.
        """
        for start, end in self._failed:
            span = f"{start + offset:.1f} to {end + offset:.1f} s"
            self.warnings.append(f"speakers: {span}: the speaker model failed there")
        self._failed = []
        raw, turns = (
            [Turn(turn.start + offset, turn.end + offset, turn.speaker) for turn in each]
            for each in (self._raw, self._turns)
        )
        return assign_speakers(segments, raw), turns

    def _hand_over(self, audio: Samples, windows: int, *, ends: bool = False) -> None:
        request = DiarizationRequest(windows, starts=not self._submitted, ends=ends)
        self._owed.append((windows, self._submit(audio, request)))
        self._submitted += windows
        while len(self._owed) > _IN_FLIGHT:
            self._settle()

    def _settle(self) -> None:
        windows, answer = self._owed.popleft()
        try:
            self.results.append(answer.result())
        except EngineClosedError:
            raise
        except EngineError as error:
            self._error = error
            start = sum(part.windows for part in self.results) * HOP / SAMPLE_RATE
            end = min(start + ((windows - 1) * HOP + WINDOW) / SAMPLE_RATE, self._samples / SAMPLE_RATE)
            self._failed.append((start, end))
            self.results.append(WindowResults.empty(windows))

    def _find_turns(self) -> list[Turn]:
        voices = self._voices()
        if not len(voices):
            return []
        frames = frames_of_voices(self.results, voices)
        end = self._samples / SAMPLE_RATE
        cut = (Turn(turn.start, min(turn.end, end), turn.speaker) for turn in turns_of(frames, len(voices)))
        raw = [turn for turn in cut if turn.start < turn.end]
        turns = absorb_spurious_turns(merge_touching(raw, gap=_PAUSE))
        labels = label_speakers(turns, self._names(voices, {turn.speaker for turn in turns}))
        self.voices = {label: voices[int(voice)] for voice, label in labels.items()}
        self._raw, turns = (
            [Turn(turn.start, turn.end, labels[turn.speaker]) for turn in each if turn.speaker in labels]
            for each in (raw, turns)
        )
        return turns

    def _voices(self) -> Vectors:
        """The voices of the recording, shape (voices, dimensions)."""
        return voices_of(Pieces.of(self.results), self._thresholds.limits(self._options))

    def _names(self, voices: Vectors, speaking: set[str]) -> dict[str, str]:
        """Known names of voices that speak; each name is given once, to the voice most like it."""
        spoken = sorted(int(voice) for voice in speaking)
        if not self._known or not spoken:
            return {}
        distance = 1.0 - voices[spoken] @ np.array([known.embedding for known in self._known]).T
        near = np.maximum(self._thresholds.voice - distance, 0.0)
        return {str(spoken[row]): self._known[column].name for row, column in best_pairs(near) if near[row, column] > 0}
