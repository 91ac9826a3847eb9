"""Regions of speech and the chunks they are packed into. Positions are sample indices at 16 kHz: exact, no rounding."""

from __future__ import annotations

from dataclasses import dataclass, replace

from asrcli.audio.types import SAMPLE_RATE, Samples


@dataclass(frozen=True, slots=True)
class Region:
    """A span of speech, padding included: samples [start, end) of the stream."""

    start: int
    end: int

    @property
    def start_s(self) -> float:
        return self.start / SAMPLE_RATE

    @property
    def end_s(self) -> float:
        return self.end / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one decode call gets: the stream from the first region's start to the last region's end, gaps included."""

    start: int
    samples: Samples
    #: in stream positions (not relative to the chunk), ordered, disjoint
    regions: tuple[Region, ...]

    @property
    def end(self) -> int:
        return self.regions[-1].end if self.regions else self.start + len(self.samples)

    def without_samples(self) -> Chunk:
        """The positions alone, for what comes after recognition."""
        return replace(self, samples=self.samples[:0].copy())
