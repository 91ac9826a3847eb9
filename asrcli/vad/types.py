"""Regions of speech and the chunks they are packed into. Positions are sample indices at 16 kHz: exact, no rounding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples

#: samples that one of a chunk's levels speaks for (10 ms)
LEVEL_HOP = SAMPLE_RATE // 100
#: samples a probability of speech speaks for (32 ms), whatever the source
WINDOW = 512


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

    @property
    def end(self) -> int:
        return self.regions[-1].end if self.regions else self.start + len(self.samples)

    @staticmethod
    def measure(samples: Samples) -> Samples:
        """The levels of (n,) samples."""
        frames = samples[: len(samples) // LEVEL_HOP * LEVEL_HOP].reshape(-1, LEVEL_HOP)
        power = np.einsum("ij,ij->i", frames, frames) / LEVEL_HOP
        return np.asarray(10 * np.log10(power + 1e-10), dtype=np.float32)

    def without_samples(self) -> Chunk:
        """The positions alone, for what comes after recognition."""
        return replace(self, samples=self.samples[:0].copy())


class SpeechDetector(Protocol):
    """Speech probabilities of one stream."""

    def probabilities(self, samples: Samples) -> Samples:
        """The probability of speech in each window of the next samples, (WINDOW * n,) -> (n,)."""
