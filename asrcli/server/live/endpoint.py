"""A live stream to sentences: where somebody begins to speak, and where the sentence ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.options import VadOptions
from asrcli.vad.buffer import SampleBuffer
from asrcli.vad.detector import new_detector
from asrcli.vad.regions import HysteresisTracker
from asrcli.vad.types import LEVEL_HOP, WINDOW, Chunk, Region, SpeechDetector

#: a sentence that may go on for no more than this many seconds ends at the first short pause, and how short that is
_RIPE, _DIP = 8.0, 0.25
#: where none comes, it is cut at the least likely speech among its last so many seconds
_CUT_SEARCH = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """When a sentence begins and ends. Seconds, except the threshold (a probability)."""

    #: a pause this long ends a sentence (Aliyun's `max_sentence_silence`, FunASR's `vad_tail_sil`)
    silence: float = 0.8
    #: the longest sentence (FunASR's `vad_max_len`)
    longest: float = 20.0
    threshold: float = 0.5
    #: shorter sounds are no speech
    shortest: float = 0.2
    #: kept around a sentence, so that onsets and releases are not clipped
    pad_before: float = 0.3
    pad_after: float = 0.3


#: why a sentence ended: a pause, its length, or the end of the stream; None: it goes on
Reason = Literal["pause", "length", "stop"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence so far, or the whole of it; positions in samples of the stream."""

    #: where speech began, without padding
    onset: int
    #: the audio, padding included
    chunk: Chunk
    reason: Reason | None = None
    #: whether the speaker pauses: this is all there is to it unless they go on
    pausing: bool = False

    def since(self, position: int) -> Chunk:
        """Its audio from a position of the stream on."""
        if position <= self.chunk.start:
            return self.chunk
        skipped = position - self.chunk.start
        return part_of(self.chunk, skipped, len(self.chunk.samples))


def part_of(chunk: Chunk, low: int, high: int) -> Chunk:
    """The samples [low, high) of a chunk as one of its own."""
    samples = chunk.samples[low:high]
    levels = slice(low // LEVEL_HOP, low // LEVEL_HOP + len(samples) // LEVEL_HOP)
    region = Region(chunk.start + low, chunk.start + max(low, high))
    return Chunk(region.start, samples, (region,), Chunk.measure(samples), chunk.speech[levels])


class Endpointer:
    """Follows one stream. Memory is bounded by the longest sentence."""

    def __init__(self, options: EndpointOptions, *, detector: SpeechDetector | None = None) -> None:
        """Begin a stream.

        Args:
            options: when sentences begin and end.
            detector: where speech probabilities come from; None: the embedded Silero.

        Raises:
            MissingExtraError: there is no VAD on this machine.
        """
        self._options = options
        self._detector = detector or new_detector(VadOptions())
        self._tracker = HysteresisTracker(
            VadOptions(threshold=options.threshold, min_silence=max(options.silence, 0.1), min_speech=options.shortest),
            WINDOW,
        )
        self._before = round(options.pad_before * SAMPLE_RATE)
        self._after = round(options.pad_after * SAMPLE_RATE)
        self._longest = round(options.longest * SAMPLE_RATE)
        self._audio = SampleBuffer()
        self._probabilities = SampleBuffer()
        self._heard = 0
        #: end of what earlier sentences hold: none holds a sample twice
        self._given = 0

    @property
    def position(self) -> int:
        """Samples of the stream so far."""
        return self._audio.end

    @property
    def span(self) -> tuple[int, int] | None:
        """Where the sentence at hand begins and how far it goes, padding included; None in silence."""
        stretch = self._tracker.stretch
        return None if stretch is None else (self._start_of(stretch), self._end_of(stretch))

    @property
    def pausing(self) -> bool:
        """Whether the speaker pauses, so that the sentence at hand is all it will be unless they go on."""
        stretch = self._tracker.stretch
        return stretch is not None and stretch.end + self._after <= self._audio.end

    def growing(self) -> Sentence | None:
        """The sentence at hand as far as it goes; None in silence."""
        stretch = self._tracker.stretch
        if stretch is None:
            return None
        chunk = self._chunk(self._start_of(stretch), self._end_of(stretch))
        return Sentence(stretch.start, chunk, pausing=self.pausing)

    def push(self, samples: Samples) -> list[Sentence]:
        """Hear the next (n,) samples; the sentences that have ended."""
        self._audio.append(np.array(samples, dtype=np.float32))
        whole = (self._audio.end - self._heard) // WINDOW * WINDOW
        ended = self._hear(self._audio.read(self._heard, self._heard + whole)) if whole else []
        self._forget()
        return ended

    def finish(self) -> list[Sentence]:
        """The stream has ended: so has the sentence at hand."""
        rest = self._audio.read(self._heard, self._audio.end)
        ended = self._hear(np.pad(rest, (0, -len(rest) % WINDOW))) if len(rest) else []
        return ended + self._close(self._tracker.close(), "stop")

    def _hear(self, samples: Samples) -> list[Sentence]:
        ended: list[Sentence] = []
        probabilities = self._detector.probabilities(samples)
        self._probabilities.append(probabilities)
        for probability in probabilities.tolist():
            self._heard += WINDOW
            ended += self._close(self._tracker.step(probability), "pause")
            stretch = self._tracker.stretch
            if stretch is None:
                continue
            quiet, left = self._heard - stretch.end, self._longest - (stretch.end - stretch.start)
            if left <= 0:
                ended.append(self._cut(stretch, self._least_likely(stretch)))
            elif left <= _RIPE * SAMPLE_RATE and quiet >= _DIP * SAMPLE_RATE:
                ended.append(self._cut(stretch, stretch.end + quiet // 2))
        return ended

    def _close(self, stretch: Region | None, reason: Reason) -> list[Sentence]:
        if stretch is None:
            return []
        return [self._give(stretch.start, self._start_of(stretch), self._end_of(stretch), reason)]

    def _cut(self, stretch: Region, position: int) -> Sentence:
        """End a sentence that has grown too long; the rest begins the next."""
        sentence = self._give(stretch.start, self._start_of(stretch), position, "length")
        self._tracker.cut(position)
        return sentence

    def _least_likely(self, stretch: Region) -> int:
        """Where speech is least likely at the end of a stretch."""
        last = stretch.end // WINDOW
        first = max(stretch.start // WINDOW + 1, last - round(_CUT_SEARCH * SAMPLE_RATE / WINDOW))
        lowest = int(np.argmin(self._probabilities.read(first, last)[::-1]))
        return min((last - lowest) * WINDOW - WINDOW // 2, stretch.end)

    def _give(self, onset: int, start: int, end: int, reason: Reason) -> Sentence:
        self._given = end
        return Sentence(onset, self._chunk(start, end), reason)

    def _start_of(self, stretch: Region) -> int:
        return max(stretch.start - self._before, self._given, 0)

    def _end_of(self, stretch: Region) -> int:
        return min(stretch.end + self._after, self._audio.end)

    def _chunk(self, start: int, end: int) -> Chunk:
        samples = self._audio.read(start, end)
        return Chunk(start, samples, (Region(start, end),), Chunk.measure(samples), self._speech(start, end))

    def _speech(self, start: int, end: int) -> Samples:
        """The probability of speech at each level of a chunk; none where VAD has not yet been."""
        first = start // WINDOW
        probabilities = self._probabilities.read(first, min(-(-end // WINDOW), self._probabilities.end))
        middles = np.arange((end - start) // LEVEL_HOP) * LEVEL_HOP + LEVEL_HOP // 2 + start
        windows = np.minimum(middles // WINDOW - first, len(probabilities))
        speech: Samples = np.append(probabilities, np.float32(0))[windows]
        return speech

    def _forget(self) -> None:
        onset = self._tracker.onset
        wanted = min(self._heard, onset if onset is not None else self._heard) - self._before
        self._audio.forget(wanted)
        self._probabilities.forget(wanted // WINDOW)
