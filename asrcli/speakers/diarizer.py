"""Who speaks when in one recording: our side of diarization, fed as the audio streams in.

Windows go to the service in the engine process as they fill; what comes back is small (activity as bits, one embedding
for each local speaker: some 5 MB an hour with 512 dimensions). Voices are found at the end, with a view of the whole.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.options import SpeakerOptions
from asrcli.speakers.assign import assign_speakers
from asrcli.speakers.clustering import ClusterLimits, find_voices
from asrcli.speakers.matching import best_pairs
from asrcli.speakers.reconstruct import frames_of_voices, name_locals, turns_of
from asrcli.speakers.turns import absorb_spurious_turns, label_speakers, merge_touching
from asrcli.speakers.types import (
    FRAMES,
    HOP,
    HOP_FRAMES,
    WINDOW,
    WINDOWS_PER_JOB,
    DiarizationRequest,
    Vectors,
    WindowResults,
    window_count,
)
from asrcli.transcript import Segment, Turn

#: hands samples and a request to the service: `functools.partial(host.submit, name)`
Submit = Callable[[Samples, DiarizationRequest], "Future[WindowResults]"]

#: jobs handed over and not answered; more would only wait in memory
_IN_FLIGHT = 4
#: seconds of clean speech that make an embedding worth clustering; what is shorter is named by the voices found
_TELLING = 1.5
#: a voice has at least so much speech (seconds; more than one window can hold of an odd moment), or in a short
#: recording this share of all speech; with more than so much speech in all, odd moments come together by chance
_LEAST_SPEECH = 3.0
_LEAST_SHARE = 0.1
_LONG = 1800.0
#: a pause of one speaker up to this long (seconds) does not end the turn
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that is known by name: its embedding, of length 1."""

    name: str
    embedding: Vectors


class Diarizer:
    """Push audio, finish, read turns. One for each recording. `submit` hands a job to the diarization service;
    `cluster_threshold` is the embedding model's own; `known` voices are of the same model; `voice_threshold` is the
    greatest cosine distance at which a voice is a known one.
    """

    def __init__(
        self,
        submit: Submit,
        options: SpeakerOptions,
        *,
        cluster_threshold: float,
        known: Sequence[Voice] = (),
        voice_threshold: float,
    ) -> None:
        self._submit = submit
        self._options = options
        self._threshold = cluster_threshold if options.cluster_threshold is None else options.cluster_threshold
        self._known = known
        self._voice_threshold = voice_threshold
        self._buffer: list[Samples] = []
        self._buffered = 0
        self._samples = 0
        self._owed: deque[Future[WindowResults]] = deque()
        self._heard: list[_Packed] = []
        #: the voices by label, once finished (unit vectors)
        self.voices: dict[str, Vectors] = {}

    def push(self, samples: Samples) -> None:
        """Hear the next samples, shape (samples,), 16 kHz; waits while the service is busy. Raises EngineError: the
        service failed.
        """
        # Copies, here and below: a view would keep all that it was cut from alive.
        self._buffer.append(samples.copy())
        self._buffered += len(samples)
        self._samples += len(samples)
        needed = (WINDOWS_PER_JOB - 1) * HOP + WINDOW
        if self._buffered < needed:
            return
        audio = np.concatenate(self._buffer)
        at = 0
        while len(audio) - at >= needed:
            self._hand_over(audio[at : at + needed], WINDOWS_PER_JOB)
            at += WINDOWS_PER_JOB * HOP
        self._buffer = [audio[at:].copy()]
        self._buffered = len(audio) - at

    def finish(self) -> list[Turn]:
        """Hear the rest and find the voices. Returns turns ordered by start, in seconds of what was pushed; overlapped
        speech has a turn for each speaker. Raises EngineError: the service failed.
        """
        rest = window_count(self._samples) - len(self._owed) * WINDOWS_PER_JOB - sum(map(len, self._heard))
        if rest > 0:
            self._hand_over(np.concatenate(self._buffer), rest)
        self._buffer = []
        while self._owed:
            self._settle()
        return self._turns()

    def label(self, segments: Sequence[Segment], turns: Sequence[Turn]) -> list[Segment]:
        """Segments with speakers, split where the speaker changes."""
        return assign_speakers(segments, turns)

    def _hand_over(self, audio: Samples, windows: int) -> None:
        self._owed.append(self._submit(audio, DiarizationRequest(windows)))
        while len(self._owed) > _IN_FLIGHT:
            self._settle()

    def _settle(self) -> None:
        self._heard.append(_Packed(self._owed.popleft().result()))

    def _turns(self) -> list[Turn]:
        voices = self._voices()
        if not len(voices):
            return []
        frames = frames_of_voices(self._named_windows(voices), len(voices))
        end = self._samples / SAMPLE_RATE
        raw = [Turn(turn.start, min(turn.end, end), turn.speaker) for turn in turns_of(frames, len(voices))]
        turns = absorb_spurious_turns(merge_touching((turn for turn in raw if turn.start < turn.end), gap=_PAUSE))
        labels = label_speakers(turns, self._names(voices, {turn.speaker for turn in turns}))
        self.voices = {label: voices[int(voice)] for voice, label in labels.items()}
        return [Turn(turn.start, turn.end, labels[turn.speaker]) for turn in turns]

    def _voices(self) -> Vectors:
        """The voices of the recording, shape (voices, dimensions)."""
        parts = [part for part in self._heard if len(part.embeddings)]
        if not parts:
            return np.zeros((0, 0), dtype=np.float32)
        embeddings = np.concatenate([part.embeddings for part in parts])
        seconds = np.concatenate([part.seconds for part in parts])
        first = np.cumsum([0, *map(len, self._heard)])
        window = np.concatenate([part.window + number for part, number in zip(self._heard, first, strict=False)])
        return self._find(embeddings, seconds, window)

    def _find(self, embeddings: Vectors, seconds: npt.NDArray[np.float32], window: npt.NDArray[np.int32]) -> Vectors:
        options = self._options
        least = options.speakers or options.min_speakers or 1
        telling = seconds >= min(_TELLING, float(seconds.max()))
        if telling.sum() < least:
            telling[np.argsort(-seconds, kind="stable")[:least]] = True
        # Each moment of speech is heard by several windows; the weights count it so often.
        repeats = FRAMES / HOP_FRAMES
        total = float(seconds.sum()) / repeats
        wanted = ClusterLimits(
            threshold=self._threshold,
            least=least,
            most=options.speakers or options.max_speakers,
            least_speech=least_speech(total) * repeats,
        )
        return find_voices(embeddings[telling], np.maximum(seconds[telling], 1e-3), window[telling], wanted)

    def _named_windows(self, voices: Vectors) -> Iterator[tuple[npt.NDArray[np.bool_], list[tuple[int, int]]]]:
        for part in self._heard:
            for number, activity in enumerate(part.activity()):
                rows = np.flatnonzero(part.window == number)
                names = name_locals(part.embeddings[rows], voices) if len(rows) else ()
                yield activity, list(zip(part.local[rows].tolist(), names, strict=True))

    def _names(self, voices: Vectors, speaking: set[str]) -> dict[str, str]:
        """Known names of voices that speak; each name is given once, to the voice most like it."""
        spoken = sorted(int(voice) for voice in speaking)
        if not self._known or not spoken:
            return {}
        distance = 1.0 - voices[spoken] @ np.array([known.embedding for known in self._known]).T
        near = np.maximum(self._voice_threshold - distance, 0.0)
        return {str(spoken[row]): self._known[column].name for row, column in best_pairs(near) if near[row, column] > 0}


def least_speech(total: float) -> float:
    """Minimum seconds of speech of a voice in a recording with so much speech; one with less is spurious."""
    return min(_LEAST_SPEECH * max(1.0, math.sqrt(total / _LONG)), _LEAST_SHARE * total)


class _Packed:
    """What a job heard, activity packed to bits."""

    def __init__(self, heard: WindowResults) -> None:
        self._bits = np.packbits(heard.activity, axis=-1)
        self.embeddings, self.seconds = heard.embeddings, heard.seconds
        self.window, self.local = heard.window, heard.local

    def __len__(self) -> int:
        return len(self._bits)

    def activity(self) -> npt.NDArray[np.bool_]:
        """Shape (windows, local speakers, FRAMES)."""
        return np.unpackbits(self._bits, axis=-1, count=FRAMES).astype(bool)
