"""Regions of speech and the chunks they are packed into. Positions are sample indices at 16 kHz: exact, no rounding."""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import SAMPLE_RATE, Samples

#: samples that one of a chunk's levels speaks for (10 ms)
LEVEL_HOP = SAMPLE_RATE // 100
#: samples a probability of speech speaks for (32 ms), whatever the source
WINDOW = 512
#: windows that a detector is best given at a time, two seconds: more gain nothing and cost memory
BATCH = 64


@dataclass(frozen=True, slots=True)
class Region:
    """A span of speech, padding included: samples [start, end) of the stream."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one decode call gets: the stream from the first region's start to the last region's end, gaps included."""

    start: int
    samples: Samples
    #: in stream positions (not relative to the chunk), ordered, disjoint
    regions: tuple[Region, ...]
    #: loudness in dB relative to full scale, (len(samples) // LEVEL_HOP,): where the pauses are, for who comes later
    levels: Samples = field(default_factory=lambda: np.empty(0, np.float32), repr=False)
    #: probability of speech at each level; empty without VAD
    speech: Samples = field(default_factory=lambda: np.empty(0, np.float32), repr=False)
    #: the most by which the samples were amplified, dB
    gain: float = 0.0
    #: kept by `assemble.pauses.speech_spans` and `assemble.coverage`, which each chunk is asked for several times
    spans: list[tuple[float, float]] = field(default_factory=list, init=False, repr=False, compare=False)
    spoken: list[npt.NDArray[np.bool_]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def end(self) -> int:
        return self.regions[-1].end if self.regions else self.start + len(self.samples)

    @staticmethod
    def measure(samples: Samples) -> Samples:
        """The levels of (n,) samples."""
        frames = samples[: len(samples) // LEVEL_HOP * LEVEL_HOP].reshape(-1, LEVEL_HOP)
        power = np.einsum("ij,ij->i", frames, frames) / LEVEL_HOP
        return np.asarray(10 * np.log10(power + 1e-10), dtype=np.float32)

    def without_samples(self) -> Self:
        """The positions alone, for what comes after recognition."""
        chunk = replace(self, samples=self.samples[:0].copy())
        object.__setattr__(chunk, "spans", self.spans)  # one list: found in one of them, known in both
        object.__setattr__(chunk, "spoken", self.spoken)
        return chunk


class SpeechDetector(Protocol):
    """Speech probabilities of one stream."""

    def probabilities(self, samples: Samples) -> Samples:
        """The probability of speech in each window of the next samples, (WINDOW * n,) -> (n,)."""


class LookingDetector(Protocol):
    """The same, where some of what follows may be known."""

    def probabilities(self, samples: Samples, following: Samples | None = None) -> Samples:
        """The probability of speech in each window of the next samples, (WINDOW * n,) -> (n,). `following`: samples
        behind them, as many as `gain.AHEAD` windows have, fewer only at the stream's end; None in live streams.
        """


class SampleBuffer:
    """Holds blocks as they came, so that nothing is copied until a chunk is cut."""

    def __init__(self) -> None:
        self._blocks: deque[Samples] = deque()
        self._start = 0
        self._end = 0

    @property
    def end(self) -> int:
        """Position behind the last sample."""
        return self._end

    def append(self, samples: Samples) -> None:
        """Take the next (n,) samples; the array must not be written to afterwards."""
        if len(samples):
            self._blocks.append(samples)
            self._end += len(samples)

    def read(self, start: int, end: int) -> Samples:
        """A copy of the samples [start, end); they must not have been forgotten, nor lie ahead."""
        if start < self._start or end > self._end:
            raise IndexError(f"samples {start} to {end} are not among those held, {self._start} to {self._end}")
        out = np.empty(max(end - start, 0), np.float32)
        position = self._start
        for block in self._blocks:
            if position >= end:
                break
            low, high = max(start - position, 0), min(end - position, len(block))
            if low < high:
                out[position + low - start : position + high - start] = block[low:high]
            position += len(block)
        return out

    def forget(self, before: int) -> None:
        """Let go of blocks that end at or before a position."""
        while self._blocks and self._start + len(self._blocks[0]) <= before:
            self._start += len(self._blocks.popleft())
