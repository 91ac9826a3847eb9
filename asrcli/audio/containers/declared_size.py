"""What a container's header claims to hold, against what is there.

libsndfile clips its length to the file's end, and ffmpeg estimates anew where sizes do not agree; neither reports
it. The header has the size of the sound: the missing part of it is the missing part of the recording.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: more chunks than any writer makes before the sound: a hostile file shall not keep us
_CHUNKS = 4096
_LONGEST_64 = 1 << 48
#: bytes behind the sound that are not looked at
_SMALL = 256
#: bytes at the end of a file in which chunks behind a sound of unknown size are looked for
_TAIL = 16 << 20
#: names of chunks that programs write behind the sound
_TRAILERS = (
    *(b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"_PMX", b"JUNK", b"cue ", b"smpl", b"fact", b"PEAK", b"axml"),
    *(b"inst", b"afsp", b"DISP", b"NAME", b"AUTH", b"ANNO", b"COMT", b"MARK", b"info", b"uuid", b"free"),
)
#: what some programs write behind a chunk of odd size without the byte that makes it even
_UNPADDED = {b"fmt ", b"data", b"LIST", b"fact", b"bext", b"cue ", b"iXML", b"JUNK", b"PEAK", b"id3 "}
#: (bytes, frames) of a block of AIFF-C's compressed forms, as its COMM chunk counts frames
_AIFF_CODINGS = {
    b"GSM ": (33, 160),
    b"ima4": (34, 1),
    b"ulaw": (1, 1),
    b"alaw": (1, 1),
    b"ULAW": (1, 1),
    b"ALAW": (1, 1),
}
#: the GUID of Wave64's "data", and those of an ASF file's header and of its File Properties
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


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
        for _ in range(_CHUNKS if self.chunks in {"little", "big"} else 0):
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
        for _ in range(_CHUNKS):
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
    return 0 < size < 0x7FFF0000 or 0x80010000 < size < 0xFFFF0000 or 0xFFFFFFFF < size < _LONGEST_64


def pad(size: int, following: bytes) -> int:
    """Bytes between a chunk of `size` bytes and the next one; `following` are the bytes behind it."""
    return size % 2 if following[:4] not in _UNPADDED else 0


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


def declared_size(read: Read) -> DeclaredSize | None:
    """The bytes of sound that the header claims; None where the container has no such field.

    Covers WAV (RIFF, RIFX, RF64, BW64), Wave64, AIFF, AU, CAF, NIST sphere, and the file sizes of AVI and ASF.
    """
    head = read(64, 0)
    for offset, magic, find in _CONTAINERS:
        if head[offset : offset + len(magic)] == magic:
            return find(read)
    return None


def _chunks(
    read: Read, position: int, order: Literal["little", "big"], width: int = 4
) -> Iterator[tuple[bytes, int, int]]:
    """(name, body's position, size) of each chunk of a RIFF-like file."""
    for _ in range(_CHUNKS):
        header = read(4 + width, position)
        if len(header) < 4 + width:
            return
        size = int.from_bytes(header[4:], order)
        position += 4 + width
        yield header[:4], position, size
        position += size + (pad(size, read(4, position + size)) if width == 4 else 0)


def _wav(read: Read) -> DeclaredSize | None:
    order: Literal["little", "big"] = "big" if read(4, 0) == b"RIFX" else "little"
    large = 0
    for name, body, size in _chunks(read, 12, order):
        if name == b"ds64":
            large = int.from_bytes(read(8, body + 8), "little")
        if name == b"data":
            known = large if size == 0xFFFFFFFF else size
            known = known if size_known(known) else 0
            sizes = (SizeField(4, 4, order, -8), SizeField(body - 4, 4, order, -body))
            return DeclaredSize(body, known, order, sizes)
    return None


def _w64(read: Read) -> DeclaredSize | None:
    position = 40
    for _ in range(_CHUNKS):
        header = read(24, position)
        size = int.from_bytes(header[16:], "little")  # with the header's own
        if header[:16] == _W64_DATA:
            sizes = (SizeField(16, 8, "little", 0), SizeField(position + 16, 8, "little", -position))
            return DeclaredSize(position + 24, size - 24 if 24 < size < _LONGEST_64 else 0, "guid", sizes)
        if len(header) < 24 or size < 24:
            return None
        position += size + -size % 8
    return None


def _aiff(read: Read) -> DeclaredSize | None:
    frames: tuple[SizeField, ...] = ()
    for name, body, size in _chunks(read, 12, "big"):
        if name == b"COMM":
            channels, bits = int.from_bytes(read(2, body), "big"), int.from_bytes(read(2, body + 6), "big")
            coding = read(4, body + 18) if size >= 22 else b"NONE"
            unit, times = _AIFF_CODINGS.get(coding, (bits + 7 >> 3, 1))
            frames = (SizeField(body + 2, 4, "big", 0, max(1, channels * unit), times),)
        if name == b"SSND":  # the sound follows two numbers that align it
            fields = [SizeField(4, 4, "big", -8), SizeField(body - 4, 4, "big", -body)]
            fields += [replace(field, shift=-body - 8) for field in frames]
            return DeclaredSize(body + 8, size - 8 if size > 8 and size_known(size) else 0, "big", tuple(fields))
    return None


def _au(read: Read) -> DeclaredSize | None:
    header = read(12, 0)
    offset, size = int.from_bytes(header[4:8], "big"), int.from_bytes(header[8:], "big")
    return DeclaredSize(offset, size if size_known(size) else 0, None, (SizeField(8, 4, "big", -offset),))


def _caf(read: Read) -> DeclaredSize | None:
    for name, body, size in _chunks(read, 8, "big", width=8):
        if name == b"data":  # the sound follows the number of its edits
            known = size - 4 if 4 < size < _LONGEST_64 else 0
            return DeclaredSize(body + 4, known, "caf", (SizeField(body - 8, 8, "big", -body),))
    return None


def _sphere(read: Read) -> DeclaredSize | None:
    fields = {}
    for line in read(1024, 0).decode("ascii", "replace").splitlines()[2:]:
        name, _, value = line.partition(" ")
        if name == "end_head":
            break
        fields[name] = value.split()[-1:]
    if fields.get("sample_coding", ["pcm"]) not in (["pcm"], ["ulaw"], ["alaw"]):
        return None  # compressed: as many samples in fewer bytes
    try:
        count, width, channels = (int(fields[name][0]) for name in ("sample_count", "sample_n_bytes", "channel_count"))
        return _known(int(read(8, 8)), count * width * channels)
    except (KeyError, IndexError, ValueError):
        return None


def _avi(read: Read) -> DeclaredSize | None:
    """All bytes: long films are several RIFF pieces in a row."""
    end = 0
    for _ in range(_CHUNKS):
        header = read(8, end)
        size = int.from_bytes(header[4:], "little")
        if header[:4] != b"RIFF" or not size_known(size):
            break
        end += 8 + size + size % 2
    return DeclaredSize(0, end)


def _asf(read: Read) -> DeclaredSize | None:
    """All bytes, which the File Properties count unless the file was broadcast."""
    position = 30
    for _ in range(_CHUNKS):
        header = read(104, position)
        size = int.from_bytes(header[16:24], "little")
        if header[:16] == _ASF_FILE:
            broadcast = header[88:89] != b"" and header[88] & 1
            return None if broadcast else _known(0, int.from_bytes(header[40:48], "little"))
        if len(header) < 24 or size < 24:
            return None
        position += size
    return None


def _known(offset: int, size: int) -> DeclaredSize | None:
    return DeclaredSize(offset, size) if 0 < size < _LONGEST_64 else None


_CONTAINERS: tuple[tuple[int, bytes, Callable[[Read], DeclaredSize | None]], ...] = (
    (8, b"WAVE", _wav),
    (0, b"riff\x2e\x91\xcf\x11", _w64),
    (8, b"AIFF", _aiff),
    (8, b"AIFC", _aiff),
    (0, b".snd", _au),
    (0, b"caff", _caf),
    (0, b"NIST_1A", _sphere),
    (8, b"AVI ", _avi),
    (0, _ASF_HEADER, _asf),
)
