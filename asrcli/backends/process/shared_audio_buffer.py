"""Memory that both processes see: audio crosses to the engine without passing through a pipe."""

import mmap

import numpy as np

from asrcli.audio.types import Samples

_ITEM = 4  # bytes of a float32


class SharedAudioBuffer:
    """A shared float32 buffer with first-fit allocation (positions and lengths in samples).

    Not locked: the host allocates under its own lock, the worker only looks.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self.capacity = size // _ITEM
        self._map = mmap.mmap(descriptor, size)
        self._samples: Samples = np.frombuffer(self._map, dtype=np.float32)
        self._free = [(0, self.capacity)]

    def allocate(self, length: int) -> int | None:
        """Position of `length` free samples, or None while there is no gap that long."""
        for index, (start, size) in enumerate(self._free):
            if size >= length:
                if size == length:
                    del self._free[index]
                else:
                    self._free[index] = (start + length, size - length)
                return start
        return None

    def release(self, start: int, length: int) -> None:
        """Give back what `allocate` gave, joining it with its free neighbours."""
        if not length:
            return
        merged: list[tuple[int, int]] = []
        for gap in sorted([*self._free, (start, length)]):
            if merged and sum(merged[-1]) == gap[0]:
                merged[-1] = (merged[-1][0], merged[-1][1] + gap[1])
            else:
                merged.append(gap)
        self._free = merged

    def view(self, start: int, length: int) -> Samples:
        return self._samples[start : start + length]
