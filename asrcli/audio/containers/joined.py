"""Files that follow each other in one file or stream.

Decoders stop at the end of the first one, or take the next header for sound. A walk reads the sizes in the headers.
"""

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from asrcli.audio.containers.walks import BROKEN, UNKNOWN, Read, ends, walk_of

#: parts of a file that are walked over at most
_MAX_STEPS = 4_000_000


def joined_files(read: Read, size: int, limit: int) -> tuple[tuple[int, int], ...]:
    """(start, end) of each file; empty where there is only one, or more than `limit`."""
    starts = [0]
    while walk := walk_of(read, starts[-1]):
        end = starts[-1]
        for end in islice(ends(walk, read, starts[-1], live=False), _MAX_STEPS):
            if end >= size:
                break
        if end >= size or len(starts) > limit or walk_of(read, end) is None:
            break
        starts.append(end)
    parts = tuple(zip(starts, [*starts[1:], size], strict=True))
    return parts if 1 < len(parts) <= limit else ()


class JoinedStream:
    """A stream whose files are read one by one: `read1` is empty at the end of each."""

    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        """`head` was read from the stream already."""
        self._stream, self._held = stream, head
        #: positions of what is held, and up to which bytes belong to the current file
        self._position = self._bound = 0
        self._parts: Iterator[int] = iter(())
        #: another file follows here
        self.at_next, self._ended = True, False

    def advance(self) -> bool:
        """Go to the next file, at first to the first one; False where there is none."""
        while not self.at_next and self.read1(1 << 16):
            pass
        walk = walk_of(self._peek, self._position)
        self._bound = self._position if walk else UNKNOWN
        self._parts = ends(walk, self._peek, self._position) if walk else iter(())
        self.at_next = False
        return bool(self._peek(1, self._position))

    @property
    def cut(self) -> bool:
        """The stream ended within a part of a file."""
        return self._ended and not self._held and self._position < self._bound < UNKNOWN

    @property
    def broken(self) -> bool:
        """The parts of this file do not follow each other."""
        return self._bound == BROKEN

    def read1(self, size: int) -> bytes:
        """The next bytes of this file."""
        while self._position >= self._bound and not self.at_next:
            following = next(self._parts, None)
            if following is None:  # another file, or what belongs to this one
                self.at_next = walk_of(self._peek, self._position) is not None
                following = UNKNOWN
            self._bound = following
        if self.at_next:
            return b""
        self._fill(1)
        data = self._held[: min(size, self._bound - self._position)]
        self._held = self._held[len(data) :]
        self._position += len(data)
        return data

    read = read1

    def _peek(self, size: int, position: int) -> bytes:
        ahead = position - self._position
        self._fill(ahead + size)
        return self._held[ahead : ahead + size]

    def _fill(self, size: int) -> None:
        while len(self._held) < size and not self._ended:
            data = b""
            try:
                data = bytes(getattr(self._stream, "read1", self._stream.read)(1 << 16) or b"")
            finally:  # an error is raised once
                self._ended = not data
            self._held += data
