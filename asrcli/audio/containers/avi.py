"""AVI files: how long the sound is, as the header counts it, and headers of chunks that are damaged."""

import re
import struct
from collections.abc import Callable, Iterator
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
#: where dwScale, dwRate and dwLength are in a stream's header
_FIELDS = (28, 32, 40)
#: the longest recording that is believed: seconds
_LONGEST = 1_000_000
#: a length from which on it is what ffmpeg writes to pipes
_PLACEHOLDER = 1 << 30
#: chunks that are followed at most, hours of a film: an upload may consist of empty ones
_MOST_CHUNKS = 1 << 21
_CHUNK = re.compile(rb"\d\d(?:dc|db|wb|pc|tx)|ix\d\d|idx1|JUNK|LIST|RIFF")


def counted_seconds(read: Read) -> float | None:
    """The length of the only audio stream; None where the header has none, several, or a length of 0."""
    if read(4, 0) != b"RIFF" or read(4, 8) != b"AVI ":
        return None
    lengths = _sounds(read)
    return lengths[0][0] if len(lengths) == 1 and 0 < lengths[0][0] < _LONGEST else None


def is_open_ended(read: Read) -> bool:
    """Whether the file was written to a pipe, so that its lengths are placeholders."""
    head = read(12, 0)
    if head[:4] != b"RIFF" or head[8:] != b"AVI " or size_known(int.from_bytes(head[4:8], "little")):
        return False
    return any(count >= _PLACEHOLDER for _, count in _sounds(read))


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


def _sounds(read: Read) -> list[tuple[float, int]]:
    """(length in seconds, in the units of the stream) of each audio stream, as its header has it."""
    head, lengths = read(_HEAD, 0), []
    at = head.find(b"strh")
    while at >= 0:
        if head[at + 8 : at + 12] == b"auds":
            scale, rate, count = (int.from_bytes(head[at + place : at + place + 4], "little") for place in _FIELDS)
            lengths.append((count * scale / max(1, rate), count))
        at = head.find(b"strh", at + 4)
    return lengths


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
