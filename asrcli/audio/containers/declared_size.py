"""What a container's header claims to hold, against what is there.

libsndfile clips its length to the file's end, and ffmpeg estimates anew where sizes do not agree; neither says so. The
sound's size is in the header all the same: the part of it that is missing is the part of the recording that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: more chunks than any writer makes before the sound: a hostile file shall not keep us
_CHUNKS = 4096
#: 0, -1, and sizes near 2 or 4 GiB are what pipes and crashed recorders leave behind
_LONGEST_32 = 0x7FFF0000
_LONGEST_64 = 1 << 48
#: the GUID of Wave64's "data", and those of an ASF file's header and of its File Properties
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


@dataclass(frozen=True, slots=True)
class DeclaredSize:
    """Bytes that a header speaks of."""

    #: where they begin
    offset: int
    #: how many there should be
    size: int

    def lacking(self, file_size: int) -> float:
        """The part of them that a file of `file_size` bytes lacks, 0 to 1."""
        return max(0.0, 1 - max(0, file_size - self.offset) / self.size)


def declared_size(read: Read) -> DeclaredSize | None:
    """The bytes of sound that the header claims; None where it does not say, or says what cannot be.

    Knows WAV (RIFF, RIFX, RF64, BW64), Wave64, AIFF, AU, CAF, NIST sphere, and the file sizes of AVI and ASF.
    """
    head = read(64, 0)
    for offset, magic, find in _CONTAINERS:
        if head[offset : offset + len(magic)] == magic:
            found = find(read)
            plausible = found is not None and found.size > 0
            return found if plausible else None
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
        position += size + (size % 2 if width == 4 else 0)


def _wav(read: Read) -> DeclaredSize | None:
    order: Literal["little", "big"] = "big" if read(4, 0) == b"RIFX" else "little"
    large = 0
    for name, body, size in _chunks(read, 12, order):
        if name == b"ds64":
            large = int.from_bytes(read(8, body + 8), "little")
        if name == b"data":
            return _known(body, large) if size == 0xFFFFFFFF else _known(body, size, _LONGEST_32)
    return None


def _w64(read: Read) -> DeclaredSize | None:
    position = 40
    for _ in range(_CHUNKS):
        header = read(24, position)
        size = int.from_bytes(header[16:], "little")  # with the header's own
        if header[:16] == _W64_DATA:
            return _known(position + 24, size - 24)
        if len(header) < 24 or size < 24:
            return None
        position += size + -size % 8
    return None


def _aiff(read: Read) -> DeclaredSize | None:
    for name, body, size in _chunks(read, 12, "big"):
        if name == b"SSND":  # the sound follows two numbers that align it
            return _known(body + 8, size - 8, _LONGEST_32)
    return None


def _au(read: Read) -> DeclaredSize | None:
    header = read(12, 0)
    return _known(int.from_bytes(header[4:8], "big"), int.from_bytes(header[8:], "big"), _LONGEST_32)


def _caf(read: Read) -> DeclaredSize | None:
    for name, body, size in _chunks(read, 8, "big", width=8):
        if name == b"data":  # the sound follows the number of its edits
            return _known(body + 4, size - 4)
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
        if header[:4] != b"RIFF" or not 0 < size < _LONGEST_32:
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


def _known(offset: int, size: int, longest: int = _LONGEST_64) -> DeclaredSize | None:
    return DeclaredSize(offset, size) if 0 < size < longest else None


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
