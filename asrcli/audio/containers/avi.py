"""AVI files: how long the sound is, as the header counts it, and headers of chunks that are damaged."""

import struct
from collections.abc import Callable, Iterator
from itertools import islice

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


def counted_seconds(read: Read) -> float | None:
    """The length of the only audio stream; None where the header has none, several, or a length of 0."""
    if read(4, 0) != b"RIFF" or read(4, 8) != b"AVI ":
        return None
    head, lengths = read(_HEAD, 0), []
    at = head.find(b"strh")
    while at >= 0:
        if head[at + 8 : at + 12] == b"auds":
            scale, rate, count = (int.from_bytes(head[at + place : at + place + 4], "little") for place in _FIELDS)
            lengths.append(count * scale / max(1, rate))
        at = head.find(b"strh", at + 4)
    return lengths[0] if len(lengths) == 1 and 0 < lengths[0] < _LONGEST else None


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
