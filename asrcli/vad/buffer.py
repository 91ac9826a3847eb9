"""The part of a stream that may still be wanted."""

from __future__ import annotations

from collections import deque

import numpy as np

from asrcli.audio.types import Samples


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
