"""Endpointing: where sentences of a live stream start and end."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.options import VadOptions
from asrcli.vad.detector import new_detector
from asrcli.vad.regions import HysteresisTracker
from asrcli.vad.types import LEVEL_HOP, WINDOW, Chunk, Region, SampleBuffer, SpeechDetector

#: seconds before the length limit from which a sentence ends at a short pause, and the length of that pause
_RIPE, _DIP = 8.0, 0.25
#: least seconds of a part of a sentence that is decoded on its own
_CONTEXT = 8.0
#: without a pause it is cut where speech is least likely, within its last seconds
_CUT_SEARCH = 2.0
#: samples of a block of the noise gate (240 ms), and the factor of its threshold within a sentence
_GATE_BLOCK, _WHILE_SPEAKING = 3840, 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """When a sentence starts and ends. Seconds; the threshold is a probability."""

    #: pause that ends a sentence (Aliyun's `max_sentence_silence`, FunASR's `vad_tail_sil`)
    silence: float = 0.8
    #: longest sentence (FunASR's `vad_max_len`)
    longest: float = 20.0
    threshold: float = 0.5
    #: shorter sounds are ignored
    shortest: float = 0.2
    #: padding, so that onsets and releases are not clipped
    pad_before: float = 0.3
    pad_after: float = 0.3


#: why a sentence ended: a pause, its length, or the end of the stream; None: it has not ended
Reason = Literal["pause", "length", "stop"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A growing or ended sentence; positions in samples of the stream."""

    #: where speech began, without padding
    onset: int
    #: the audio, padding included
    chunk: Chunk
    reason: Reason | None = None
    #: whether the speaker pauses; the sentence is complete unless they continue
    pausing: bool = False
    #: pauses in it, at which what precedes has enough context to be decoded on its own
    cuts: tuple[int, ...] = ()


def part_of(chunk: Chunk, low: int, high: int) -> Chunk:
    """The samples [low, high) of a chunk as a chunk."""
    samples = chunk.samples[low:high]
    levels = slice(low // LEVEL_HOP, low // LEVEL_HOP + len(samples) // LEVEL_HOP)
    region = Region(chunk.start + low, chunk.start + max(low, high))
    return Chunk(region.start, samples, (region,), Chunk.measure(samples), chunk.speech[levels])


class Endpointer:
    """One a stream. Memory is bounded by the longest sentence."""

    def __init__(self, options: EndpointOptions, *, detector: SpeechDetector | None = None) -> None:
        """Load the VAD model, or use another `detector`. Raises MissingExtraError: a package that VAD needs is not
        installed.
        """
        self._options = options
        self._detector = detector or new_detector(VadOptions())
        self._tracker = HysteresisTracker(
            VadOptions(threshold=options.threshold, min_silence=max(options.silence, 0.1), min_speech=options.shortest),
            WINDOW,
        )
        self._before = round(options.pad_before * SAMPLE_RATE)
        self._after = round(options.pad_after * SAMPLE_RATE)
        #: half of the pause that ends a sentence: most shorter ones do not end it
        self._pause = round(options.silence / 2 * SAMPLE_RATE)
        self._longest = round(options.longest * SAMPLE_RATE)
        self._audio = SampleBuffer()
        self._probabilities = SampleBuffer()
        self._processed = 0
        self._cuts: list[int] = []
        #: end of the earlier sentences: no sample is in two of them
        self._emitted = 0

    @property
    def position(self) -> int:
        """Samples of the stream so far."""
        return self._audio.end

    @property
    def span(self) -> tuple[int, int] | None:
        """Start and end of the growing sentence, padding included; None in silence."""
        stretch = self._tracker.stretch
        return None if stretch is None else (self._start_of(stretch), self._end_of(stretch))

    @property
    def pausing(self) -> bool:
        """Whether the speaker pauses, so that the growing sentence is complete unless they continue."""
        stretch = self._tracker.stretch
        return stretch is not None and stretch.end + max(self._after, self._pause) <= self._processed

    def growing(self) -> Sentence | None:
        """The growing sentence; None in silence."""
        stretch = self._tracker.stretch
        if stretch is None:
            return None
        chunk = self._chunk(self._start_of(stretch), self._end_of(stretch))
        return Sentence(stretch.start, chunk, pausing=self.pausing, cuts=self._cuts_before(chunk.end))

    def push(self, samples: Samples) -> list[Sentence]:
        """Take the next (n,) samples; the sentences that have ended."""
        self._audio.append(np.array(samples, dtype=np.float32))
        whole = (self._audio.end - self._processed) // WINDOW * WINDOW
        ended = self._process(self._audio.read(self._processed, self._processed + whole)) if whole else []
        self._forget()
        return ended

    def finish(self) -> list[Sentence]:
        """End the stream and its growing sentence."""
        rest = self._audio.read(self._processed, self._audio.end)
        ended = self._process(np.pad(rest, (0, -len(rest) % WINDOW))) if len(rest) else []
        return ended + self._close(self._tracker.close(), "stop")

    def _process(self, samples: Samples) -> list[Sentence]:
        ended: list[Sentence] = []
        probabilities = self._detector.probabilities(samples)
        self._probabilities.append(probabilities)
        for probability in probabilities.tolist():
            self._processed += WINDOW
            ended += self._close(self._tracker.step(probability), "pause")
            stretch = self._tracker.stretch
            if stretch is None:
                continue
            self._note_pause(stretch)
            quiet, left = self._processed - stretch.end, self._longest - (stretch.end - stretch.start)
            if left <= 0:
                ended.append(self._cut(stretch, self._least_likely(stretch)))
            elif left <= _RIPE * SAMPLE_RATE and quiet >= _DIP * SAMPLE_RATE:
                ended.append(self._cut(stretch, stretch.end + quiet // 2))
        return ended

    def _note_pause(self, stretch: Region) -> None:
        """Remember the end of a pause's padding, if the speech before it is long enough."""
        last = max(self._cuts[-1:] or [self._start_of(stretch)])
        if self.pausing and stretch.end + self._after - last >= _CONTEXT * SAMPLE_RATE:
            self._cuts.append(stretch.end + self._after)

    def _cuts_before(self, end: int) -> tuple[int, ...]:
        return tuple(cut for cut in self._cuts if cut < end)

    def _close(self, stretch: Region | None, reason: Reason) -> list[Sentence]:
        if stretch is None:
            return []
        return [self._emit(stretch.start, self._start_of(stretch), self._end_of(stretch), reason)]

    def _cut(self, stretch: Region, position: int) -> Sentence:
        """End a sentence that is too long; the rest starts the next."""
        sentence = self._emit(stretch.start, self._start_of(stretch), position, "length")
        self._tracker.cut(position)
        return sentence

    def _least_likely(self, stretch: Region) -> int:
        """The position near the end of a stretch where speech is least likely."""
        last = stretch.end // WINDOW
        first = max(stretch.start // WINDOW + 1, last - round(_CUT_SEARCH * SAMPLE_RATE / WINDOW))
        lowest = int(np.argmin(self._probabilities.read(first, last)[::-1]))
        return min((last - lowest) * WINDOW - WINDOW // 2, stretch.end)

    def _emit(self, onset: int, start: int, end: int, reason: Reason) -> Sentence:
        self._emitted = end
        cuts, self._cuts = self._cuts_before(end), []
        return Sentence(onset, self._chunk(start, end), reason, cuts=cuts)

    def _start_of(self, stretch: Region) -> int:
        return max(stretch.start - self._before, self._emitted, 0)

    def _end_of(self, stretch: Region) -> int:
        # Not beyond the window in process: the end must not depend on how much audio arrived with it.
        return min(stretch.end + self._after, self._processed, self._audio.end)

    def _chunk(self, start: int, end: int) -> Chunk:
        samples = self._audio.read(start, end)
        return Chunk(start, samples, (Region(start, end),), Chunk.measure(samples), self._speech(start, end))

    def _speech(self, start: int, end: int) -> Samples:
        """The probability of speech at each level of a chunk; 0 beyond what VAD has processed."""
        first = start // WINDOW
        probabilities = self._probabilities.read(first, min(-(-end // WINDOW), self._probabilities.end))
        middles = np.arange((end - start) // LEVEL_HOP) * LEVEL_HOP + LEVEL_HOP // 2 + start
        windows = np.minimum(middles // WINDOW - first, len(probabilities))
        speech: Samples = np.append(probabilities, np.float32(0))[windows]
        return speech

    def _forget(self) -> None:
        onset = self._tracker.onset
        wanted = min(self._processed, onset if onset is not None else self._processed) - self._before
        self._audio.forget(wanted)
        self._probabilities.forget(wanted // WINDOW)


class NoiseGate:
    """Replaces quiet blocks by silence, so that background speech is not recognised; times stay. One a stream.

    It drops quiet speakers, too, so it is off by default. Block and levels are those of funasr-api (docs/protocols.md).
    """

    def __init__(self, threshold: float) -> None:
        """Set the threshold, RMS of full scale (0.005 for quiet rooms, 0.015 for noisy ones)."""
        self._threshold = threshold
        self._rest = np.empty(0, np.float32)

    def push(self, samples: Samples, *, speaking: bool) -> Samples:
        """Whole blocks, (m,) samples, that the next (n,) samples complete; `speaking`: a sentence is growing."""
        whole = np.concatenate([self._rest, samples])
        count = len(whole) // _GATE_BLOCK
        self._rest = whole[count * _GATE_BLOCK :]
        return self._apply(whole[: count * _GATE_BLOCK].reshape(-1, _GATE_BLOCK), speaking=speaking)

    def finish(self, *, speaking: bool) -> Samples:
        """The incomplete last block, (m,) samples."""
        rest, self._rest = self._rest, np.empty(0, np.float32)
        return self._apply(rest[None, :], speaking=speaking) if len(rest) else rest

    def _apply(self, blocks: Samples, *, speaking: bool) -> Samples:
        level = np.sqrt(np.mean(blocks**2, axis=1, keepdims=True))
        near = level >= self._threshold * (_WHILE_SPEAKING if speaking else 1.0)
        kept: Samples = (blocks * near).reshape(-1)
        return kept
