"""The samples of a WAV stream that cannot be seeked: where they end, whatever the header claims."""

import re
from typing import BinaryIO

#: chunks that programs write behind the samples
_TRAILER = re.compile(rb"LIST....(?:INFO|adtl)|id3 |ID3 |bext|iXML|_PMX|cue |smpl", re.DOTALL)
_PATTERN = 12
_NAME = re.compile(rb"[\w ]{4}|ID3|TAG")
_PIECE = 1 << 16
#: bytes that may turn out to be a chunk: they are held back until the stream goes on after it, or ends
_LONGEST_CHUNK = 1 << 20


class WavSound:
    """Gives the samples' bytes; a stand-in for the stream."""

    def __init__(self, stream: BinaryIO, head: bytes, size: int | None) -> None:
        """`stream` follows `head`, the first bytes of the samples; `size`: bytes of samples that the header
        announces.
        """
        self._stream, self._held, self._size = stream, head, size
        self._given = 0
        self._ended = False
        #: bytes held in which no chunk begins
        self._clear = 0
        #: bytes that came beyond the header's size
        self.surplus = 0

    def read1(self, size: int) -> bytes:
        """At most `size` bytes, what is there; empty at the end of the samples."""
        if self._size is not None and self._given < self._size:
            data = self._guarded(min(size, self._size - self._given))  # the size may be too large
        elif self._size is not None and not self.surplus and self._at_chunk():
            return self.read1(size) if self._next_samples() else b""
        else:
            data = self._guarded(size)
            self.surplus += len(data) if self._size is not None else 0
        self._given += len(data)
        return data

    def close(self) -> None:
        """The stream is its owner's to close."""

    def _pull(self, size: int) -> bytes:
        self._fill(1)
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _fill(self, size: int) -> None:
        while len(self._held) < size and not self._ended:
            data = bytes(getattr(self._stream, "read1", self._stream.read)(_PIECE) or b"")
            self._ended = not data
            self._held += data

    def _at_chunk(self) -> bool:
        """Whether the claimed samples are followed by a chunk, or by nothing."""
        self._fill(9)
        pad = (self._size or 0) % 2
        return not self._held or any(_NAME.match(self._held, at) for at in {0, pad})

    def _next_samples(self) -> bool:
        """Go to the next `data` chunk, if there is one."""
        position = (self._size or 0) % 2
        while position < _LONGEST_CHUNK:
            self._fill(position + 8)
            if not _NAME.match(self._held, position):
                return False
            name, length = self._held[position : position + 4], self._held[position + 4 : position + 8]
            position += 8
            if name == b"data":
                self._held, self._clear = self._held[position:], 0
                self._size = self._given + int.from_bytes(length, "little")
                return True
            position += int.from_bytes(length, "little") + length[0] % 2
        return False

    def _guarded(self, size: int) -> bytes:
        """Bytes that are no chunk at the end of the stream."""
        if not self._clear:
            self._fill(_PATTERN)
            found = _TRAILER.search(self._held)
            if found is None:
                self._clear = len(self._held) if self._ended else len(self._held) - _PATTERN + 1
            elif found.start():
                self._clear = found.start()
            elif self._chunks_to_end():
                return b""
            else:
                self._clear = 4
        data = self._pull(min(size, self._clear))
        self._clear -= len(data)
        return data

    def _chunks_to_end(self) -> bool:
        """Whether chunk follows upon chunk up to the end of the stream."""
        position = 0
        while position < _LONGEST_CHUNK:
            self._fill(position + 10)
            if len(self._held) <= position + 1:
                return True
            if not _NAME.match(self._held, position):
                return False
            length = int.from_bytes(self._held[position + 4 : position + 8], "little")
            position += 8 + length + length % 2
        return False
