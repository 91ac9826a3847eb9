"""The bytes of sound that a header speaks of, and where they end in the file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: more chunks than any writer makes before the sound: a hostile file shall not keep us
MAX_CHUNKS = 4096
LONGEST_64 = 1 << 48
#: bytes behind the sound that are not looked at
_SMALL = 256
#: bytes at the end of a file in which chunks behind a sound of unknown size are looked for
_TAIL = 16 << 20
#: names of chunks that programs write behind the sound
_TRAILERS = (
    *(b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"_PMX", b"JUNK", b"cue ", b"smpl", b"fact", b"PEAK", b"axml"),
    *(b"inst", b"afsp", b"DISP", b"NAME", b"AUTH", b"ANNO", b"COMT", b"MARK", b"info", b"uuid", b"free"),
)


@dataclass(frozen=True, slots=True)
class SizeField:
    """A field of a header that holds a size: (end of the sound + shift) * times / unit."""

    position: int
    width: int
    order: Literal["little", "big"]
    shift: int
    unit: int = 1
    times: int = 1

    def patch(self, end: int) -> tuple[int, bytes] | None:
        """(position, right bytes) for a sound that ends at `end`; None where they do not fit the field."""
        value = (end + self.shift) * self.times // self.unit
        return (self.position, value.to_bytes(self.width, self.order)) if 0 <= value < 1 << 8 * self.width else None


#: how the chunks after the sound are headed
Chunks = Literal["little", "big", "guid", "caf"]


@dataclass(frozen=True, slots=True)
class DeclaredSize:
    """Bytes of sound that a header speaks of."""

    #: where they begin
    offset: int
    #: how many there should be; 0: the header does not say
    size: int
    #: what may follow them; None: nothing
    chunks: Chunks | None = None
    #: the fields that hold the size, or follow from it
    fields: tuple[SizeField, ...] = ()
    #: bytes of one sample of all channels, where they are plain
    frame: int = 1

    def ends_inside(self, end: int) -> bool:
        """Whether a sound that ends at `end`, before its size or without one, ends within a sample."""
        short = not self.size or end < self.offset + self.size
        return short and end > self.offset and (end - self.offset) % self.frame > 0

    def lacking(self, file_size: int) -> float:
        """The part of them that a file of `file_size` bytes lacks, 0 to 1."""
        return max(0.0, 1 - max(0, file_size - self.offset) / self.size) if self.size else 0.0

    def end(self, read: Read, file_size: int) -> int:
        """Where the sound ends in a file of `file_size` bytes: the header's word where what follows bears it out."""
        claimed = self.offset + self.size
        if not self.fields and self.size:
            return min(claimed, file_size)
        if self.size and claimed <= file_size:
            ends = claimed + _SMALL >= file_size
            if ends or any(self._are_chunks(read, claimed + odd, file_size) for odd in (0, claimed % 2)):
                return claimed
        return self._before_chunks(read, file_size)

    def is_divided(self, read: Read, file_size: int) -> bool:
        """Whether further `data` chunks of a WAV file follow the first one, to which the size belongs."""
        position = self.offset + self.size + self.size % 2
        for _ in range(MAX_CHUNKS if self.chunks in {"little", "big"} else 0):
            header = read(8, position)
            length = _chunk_length(header, self.chunks)
            if length is None or position + length > file_size + 1:
                break
            if header[:4] == b"data":
                return True
            position += length
        return False

    def _are_chunks(self, read: Read, position: int, file_size: int) -> bool:
        """Whether chunk follows upon chunk, or a tag, up to the file's end."""
        for _ in range(MAX_CHUNKS):
            header = read(32, position)
            if position >= file_size or (len(header) < 8 and not header.strip(b"\0")):
                return True
            if header[:3] in {b"TAG", b"ID3"} or header[:8] == b"APETAGEX":
                return True
            length = _chunk_length(header, self.chunks)
            if length is None or position + length > file_size + 1:
                return False
            position += length
        return False

    def _before_chunks(self, read: Read, file_size: int) -> int:
        """The end of a sound of unknown size: the first known chunk of those that fill the end of the file."""
        start = max(self.offset, file_size - _TAIL)
        tail = read(_TAIL, start)
        found = [file_size]
        for name in _TRAILERS if self.chunks else ():
            at = tail.find(name)
            while at >= 0:
                if start + at >= self.offset and self._are_chunks(read, start + at, file_size):
                    found.append(start + at)
                    break
                at = tail.find(name, at + 1)
        return min(found)


def size_known(size: int) -> bool:
    """Whether a 32-bit size was written by a program that knew it.

    0, -1, and sizes just below 2 or 4 GiB are what pipes and crashed recorders leave behind, in 64 bits as well.
    """
    return 0 < size < 0x7FFF0000 or 0x80010000 < size < 0xFFFF0000 or 0xFFFFFFFF < size < LONGEST_64


def _chunk_length(header: bytes, chunks: Chunks | None) -> int | None:
    """Bytes of the chunk with this header; None where it is none, or another file that was joined."""
    if header[:4] in {b"RIFF", b"RF64", b"BW64", b"FORM", b"caff", b"riff"}:
        return None
    if chunks == "guid":
        size = int.from_bytes(header[16:24], "little")
        return size + -size % 8 if size >= 24 else None
    if chunks is None or any(byte < 32 or byte > 126 for byte in header[:4]) or len(header) < 8:
        return None
    if chunks == "caf":
        return 12 + int.from_bytes(header[4:12], "big")
    size = int.from_bytes(header[4:8], chunks)
    return 8 + size + size % 2
