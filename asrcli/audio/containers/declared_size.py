"""What a container's header claims to hold, against what is there.

libsndfile clips its length to the file's end, and ffmpeg estimates anew where sizes do not agree; neither reports
it. The header has the size of the sound: the missing part of it is the missing part of the recording.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from asrcli.audio.containers.sized_sound import LONGEST_64, MAX_CHUNKS, DeclaredSize, SizeField, size_known

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

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
#: forms of plain samples, in Wave64 and in CAF
_PLAIN_W64 = {b"\1\0", b"\3\0", b"\6\0", b"\7\0"}
_PLAIN_CAF = {b"lpcm", b"ulaw", b"alaw"}
#: bytes of a sample by AU's encodings and by IRCAM's
_AU_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}
_IRCAM_WIDTHS = {1: 1, 2: 2, 3: 3, 4: 4, 8: 8, 0x40004: 4, 0x10001: 1, 0x20001: 1}
_IRCAM_HEADER = 1024
#: little and big endian, of each machine (VAX, Sun, MIPS, NeXT)
IRCAM_MAGICS = (
    *(bytes((0x64, 0xA3, machine, 0)) for machine in range(1, 5)),
    *(bytes((0, machine, 0xA3, 0x64)) for machine in range(1, 5)),
)
#: bytes by which AU's samples lie elsewhere than their offset at most
_SHIFTED, _AU_HEADER = 256, 24
#: the size of a header of NIST sphere is a multiple of this
_SPHERE_UNIT, _LONGEST_SPHERE_HEADER = 1024, 1 << 16
#: the GUID of Wave64's "data", and those of an ASF file's header and of its File Properties
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def pad(size: int, following: bytes) -> int:
    """Bytes between a chunk of `size` bytes and the next one; `following` are the bytes behind it."""
    return size % 2 if following[:4] not in _UNPADDED else 0


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
    for _ in range(MAX_CHUNKS):
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
    position, frame = 40, 1
    for _ in range(MAX_CHUNKS):
        header = read(24, position)
        size = int.from_bytes(header[16:], "little")  # with the header's own
        if header[:4] == b"fmt " and read(2, position + 24) in _PLAIN_W64:
            frame = max(1, int.from_bytes(read(2, position + 36), "little"))
        if header[:16] == _W64_DATA:
            sizes = (SizeField(16, 8, "little", 0), SizeField(position + 16, 8, "little", -position))
            return DeclaredSize(position + 24, size - 24 if 24 < size < LONGEST_64 else 0, "guid", sizes, frame)
        if len(header) < 24 or size < 24:
            return None
        position += size + -size % 8
    return None


@dataclass(frozen=True, slots=True)
class _AiffSound:
    """What the COMM and SSND chunks of an AIFF file hold."""

    #: position of the count of frames, 0 without a COMM chunk; frames; bytes and frames of a block of the coding
    counted_at: int
    frames: int
    block: int
    times: int
    #: body and size of the chunk with the samples, which follow two numbers that align them
    body: int
    size: int


def _aiff_sound(read: Read) -> _AiffSound | None:
    counted_at, frames, block, times = 0, 0, 1, 1
    for name, body, size in _chunks(read, 12, "big"):
        if name == b"COMM":
            channels, frames, bits = (int.from_bytes(read(n, body + at), "big") for n, at in ((2, 0), (4, 2), (2, 6)))
            coding = read(4, body + 18) if size >= 22 else b"NONE"
            unit, times = _AIFF_CODINGS.get(coding, (bits + 7 >> 3, 1))
            counted_at, block = body + 2, max(1, channels * unit)
        if name == b"SSND":
            return _AiffSound(counted_at, frames, block, times, body, size)
    return None


def _aiff(read: Read) -> DeclaredSize | None:
    sound = _aiff_sound(read)
    if sound is None:
        return None
    start, known = sound.body + 8, sound.size > 8 and size_known(sound.size)
    fields = [SizeField(4, 4, "big", -8), SizeField(sound.body - 4, 4, "big", -sound.body)]
    if sound.counted_at:
        fields.append(SizeField(sound.counted_at, 4, "big", -start, sound.block, sound.times))
    frame = sound.block if sound.times == 1 else 1
    return DeclaredSize(start, sound.size - 8 if known else 0, "big", tuple(fields), frame)


def _au(read: Read) -> DeclaredSize | None:
    header = read(24, 0)
    offset, size, encoding, _, channels = (int.from_bytes(header[at : at + 4], "big") for at in range(4, 24, 4))
    frame = max(1, _AU_WIDTHS.get(encoding, 1) * channels)
    known = size if size_known(size) else 0
    return DeclaredSize(offset, known, None, (SizeField(8, 4, "big", -offset),), frame)


def right_offset(read: Read, file_size: int) -> tuple[int, bytes] | None:
    """(position, bytes) of the field with the place of the samples, as it should be, where it is certainly wrong: what
    is read from there is noise.
    """
    head = read(12, 0)
    if head[:4] == b".snd":
        return _right_au_offset(read, file_size)
    if head[:7] == b"NIST_1A":
        end = read(_LONGEST_SPHERE_HEADER, 0).find(b"end_head") + len(b"end_head")
        right = -(-end // _SPHERE_UNIT) * _SPHERE_UNIT
        claimed = read(8, 8).strip()
        wrong = not claimed.isdigit() or int(claimed) % _SPHERE_UNIT
        return (8, b"%7d\n" % right) if wrong and end >= len(b"NIST_1A\n   1024\nend_head") else None
    return _right_aiff_offset(read) if head[8:] in {b"AIFF", b"AIFC"} else None


def _right_au_offset(read: Read, file_size: int) -> tuple[int, bytes] | None:
    """Writers begin the samples at a multiple of 4, and the size in the header fits the file then."""
    claim = _au(read)
    right = file_size - claim.size if claim and claim.size else 0
    if claim is None or right < _AU_HEADER or right % 4 or abs(right - claim.offset) > _SHIFTED:
        return None
    return (4, right.to_bytes(4, "big")) if claim.offset % 4 else None


def _right_aiff_offset(read: Read) -> tuple[int, bytes] | None:
    """Where the chunk holds as many samples as are counted, nothing can come before them."""
    sound = _aiff_sound(read)
    if sound is None or not any(read(4, sound.body)):
        return None
    full = sound.frames * sound.block == (sound.size - 8) * sound.times > 0
    return (sound.body, bytes(4)) if full else None


def _ircam(read: Read) -> DeclaredSize | None:
    """Without a size: the samples end with the file."""
    order: Literal["little", "big"] = "little" if read(1, 0) == b"\x64" else "big"
    channels, form = (int.from_bytes(read(4, at), order) for at in (8, 12))
    return DeclaredSize(_IRCAM_HEADER, 0, frame=max(1, channels * _IRCAM_WIDTHS.get(form, 1)))


def _sox(read: Read) -> DeclaredSize | None:
    """SoX's own format: samples of 32 bits, which the header counts where it could be completed."""
    order: Literal["little", "big"] = "little" if read(4, 0) == b".SoX" else "big"
    header, count, channels = (int.from_bytes(read(size, at), order) for size, at in ((4, 4), (8, 8), (4, 24)))
    size = 4 * count
    return DeclaredSize(4 + header, size if size < LONGEST_64 else 0, frame=max(1, 4 * channels))


def _caf(read: Read) -> DeclaredSize | None:
    frame = 1
    for name, body, size in _chunks(read, 8, "big", width=8):
        if name == b"desc":
            frame = int.from_bytes(read(4, body + 16), "big") if read(4, body + 8) in _PLAIN_CAF else 1
        if name == b"data":  # the sound follows the number of its edits
            known = size - 4 if 4 < size < LONGEST_64 else 0
            return DeclaredSize(body + 4, known, "caf", (SizeField(body - 8, 8, "big", -body),), max(1, frame))
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
        found = _known(int(read(8, 8)), count * width * channels)
        return found and replace(found, frame=max(1, width * channels))
    except (KeyError, IndexError, ValueError):
        return None


def _avi(read: Read) -> DeclaredSize | None:
    """All bytes: long films are several RIFF pieces in a row."""
    end = 0
    for _ in range(MAX_CHUNKS):
        header = read(8, end)
        size = int.from_bytes(header[4:], "little")
        if header[:4] != b"RIFF" or not size_known(size):
            break
        end += 8 + size + size % 2
    return DeclaredSize(0, end)


def _asf(read: Read) -> DeclaredSize | None:
    """All bytes, which the File Properties count unless the file was broadcast."""
    position = 30
    for _ in range(MAX_CHUNKS):
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
    return DeclaredSize(offset, size) if 0 < size < LONGEST_64 else None


_CONTAINERS: tuple[tuple[int, bytes, Callable[[Read], DeclaredSize | None]], ...] = (
    (8, b"WAVE", _wav),
    (0, b"riff\x2e\x91\xcf\x11", _w64),
    (8, b"AIFF", _aiff),
    (8, b"AIFC", _aiff),
    (0, b".snd", _au),
    (0, b"caff", _caf),
    (0, b"NIST_1A", _sphere),
    *((0, magic, _ircam) for magic in IRCAM_MAGICS),
    (0, b".SoX", _sox),
    (0, b"XoS.", _sox),
    (8, b"AVI ", _avi),
    (0, _ASF_HEADER, _asf),
)
