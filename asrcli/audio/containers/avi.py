"""AVI files: how long the sound is, as the header counts it, and headers of chunks that are damaged."""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from asrcli.audio.containers.sized_sound import size_known

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: chunks of the file that are looked at for its index, bytes of the index at most, and headers that are replaced
_CHUNKS, _INDEX, _MOST_LOST = 64, 64 << 20, 1 << 18
#: an entry of the index: name, flags, offset and size of a chunk
_ENTRY = struct.Struct("<4s4sI4s")
#: entries of the index that decide where its offsets count from
_TRIED = 32
#: bytes in which the headers of the streams are looked for
_HEAD = 1 << 16
#: where dwScale, dwRate, dwStart and dwLength are in a stream's header
_FIELDS = (28, 32, 36, 40)
#: chunks before the first sound that are looked at
_MOST_BEFORE = 1 << 14
#: the longest recording that is believed: seconds
_LONGEST = 1_000_000
#: seconds by which sound may be before or behind the pictures in a file
_SKEW = 1.5
#: a length from which on it is what ffmpeg writes to pipes
_PLACEHOLDER = 1 << 30
#: chunks that are followed at most, hours of a film: an upload may consist of empty ones
_MOST_CHUNKS = 1 << 21
_CHUNK = re.compile(rb"\d\d(?:dc|db|wb|pc|tx)|ix\d\d|idx1|JUNK|LIST|RIFF")


@dataclass(frozen=True, slots=True)
class _AviStream:
    """A stream as its header has it."""

    number: int
    is_sound: bool
    #: seconds of one unit, and the units before the stream starts and of the stream
    unit: float
    start: int
    count: int

    @property
    def seconds(self) -> float:
        return self.count * self.unit


@dataclass(frozen=True, slots=True)
class Lead:
    """What comes before the first sound, in seconds."""

    #: chunks of the sound without bytes, which stand for silence
    empty: float = 0.0
    #: pictures beyond them, where the sound may start with the last one of them
    pictures: float = 0.0


def counted_seconds(read: Read) -> float | None:
    """The length of the only audio stream; None where the header has none, several, or a length of 0."""
    if read(4, 0) != b"RIFF" or read(4, 8) != b"AVI ":
        return None
    lengths = [stream.seconds for stream in _streams(read) if stream.is_sound]
    return lengths[0] if len(lengths) == 1 and 0 < lengths[0] < _LONGEST else None


def lead(read: Read) -> Lead:
    """What comes before the first sound of the only audio stream.

    Decoders do not count empty chunks; ffmpeg writes them behind the first chunk of sound. Writers leave them out where
    the sound is plain samples: then only the order of the chunks shows a late start, unless all pictures come before
    all sound.
    """
    streams = _streams(read)
    sounds = [stream for stream in streams if stream.is_sound]
    position = _lists(read).get(b"movi", (0, 0))[0] + 4
    if len(sounds) != 1 or position <= 4:
        return Lead()
    sound, counts, heard = sounds[0], dict.fromkeys((stream.number for stream in streams), 0), 0
    for _ in range(_MOST_BEFORE):
        head = read(12, position)
        if len(head) < 8 or not _CHUNK.match(head):
            break
        number, size = int(head[:2]) if head[:2].isdigit() else -1, int.from_bytes(head[4:8], "little")
        heard += number == sound.number and size > 0
        if heard > 1:
            break
        if number in counts:
            counts[number] += number != sound.number or not size
        position += 12 if head[8:12] == b"rec " else 8 + size + size % 2
    else:
        return Lead()
    empty = counts[sound.number] * sound.unit
    shown, whole = max(
        ((counts[stream.number] * stream.unit, stream.seconds) for stream in streams if not stream.is_sound),
        default=(0.0, 0.0),
    )
    before = shown - empty - sound.start * sound.unit
    interleaved = shown + sound.seconds <= whole + _SKEW
    return Lead(min(empty, _LONGEST), before if before > _SKEW and interleaved else 0.0)


def is_open_ended(read: Read) -> bool:
    """Whether the file was written to a pipe, so that its lengths are placeholders."""
    head = read(12, 0)
    if head[:4] != b"RIFF" or head[8:] != b"AVI " or size_known(int.from_bytes(head[4:8], "little")):
        return False
    return any(stream.count >= _PLACEHOLDER for stream in _streams(read) if stream.is_sound)


def ends_inside(read: Read, size: int) -> bool:
    """Whether an open-ended file of `size` bytes ends within a chunk; False where its chunks cannot be followed."""
    position = 12
    for _ in range(_MOST_CHUNKS):
        if position >= size:
            return position > size + 1
        head = read(12, position)
        if not _CHUNK.match(head):
            return False
        length = int.from_bytes(head[4:8], "little")
        opens = head[:4] == b"RIFF" or head[8:] in {b"movi", b"rec "}
        position += 12 if opens else 8 + length + length % 2
    return False


def _streams(read: Read) -> list[_AviStream]:
    """The streams, in the order of their numbers."""
    head = read(_HEAD, 0)
    found: list[_AviStream] = []
    at = head.find(b"strh")
    while at >= 0:
        scale, rate, start, count = (int.from_bytes(head[at + place : at + place + 4], "little") for place in _FIELDS)
        is_sound = head[at + 8 : at + 12] == b"auds"
        found.append(_AviStream(len(found), is_sound, scale / max(1, rate), start, count))
        at = head.find(b"strh", at + 4)
    return found


def lost_headers(read: Read) -> list[tuple[int, bytes]]:
    """(position, bytes) of headers of chunks that the index (idx1) has and the file has not.

    A decoder that skips what is damaged counts less sound than there was: what follows comes too early.
    """
    lists = _lists(read)
    movie, (index, size) = lists.get(b"movi", (0, 0))[0], lists.get(b"idx1", (0, 0))
    table = read(min(size, _INDEX), index)
    table = table[: len(table) // _ENTRY.size * _ENTRY.size]

    def headers(step: int = 1) -> Iterator[tuple[int, bytes]]:
        for name, _, at, length in islice(_ENTRY.iter_unpack(table), 0, None, step):
            if name != b"rec ":  # a list of chunks
                yield at, name + length

    # Offsets count from the list or from the start of the file.
    some = list(headers(max(1, len(table) // _ENTRY.size // _TRIED)))
    bases = {base: sum(read(8, base + at) == header for at, header in some) for base in (movie, 0)}
    base = max(bases, key=bases.__getitem__)
    if not movie or not bases[base]:
        return []
    lost = ((base + at, header) for at, header in headers() if read(8, base + at) != header)
    return list(islice(lost, _MOST_LOST))


def _lists(read: Read) -> dict[bytes, tuple[int, int]]:
    """(position, size) of the lists and chunks in the file's first part."""
    found, position = {}, 12
    for _ in range(_CHUNKS):
        head = read(12, position)
        if len(head) < 8:
            break
        size = int.from_bytes(head[4:8], "little")
        found[head[8:12] if head[:4] == b"LIST" else head[:4]] = (position + 8, size)
        position += 8 + size + size % 2
    return found
