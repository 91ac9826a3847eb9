"""How long the sound of an AVI file is, as its header counts it."""

from collections.abc import Callable

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

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
