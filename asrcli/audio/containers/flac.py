"""The frames of a FLAC file (RFC 9639): does its header count all of them, and were several files joined?"""

from collections.abc import Callable

import numpy as np

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

_WINDOW = 1 << 17
#: bytes of a frame at most, where the header does not give that
_LONGEST_FRAME = 1 << 16
#: first bytes: the marker, and the header of a STREAMINFO block (the last metadata block, or not)
STARTS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")

_FIRST_PAIR = np.frombuffer(b"fL", np.uint16)[0]


def parts(read: Read, size: int) -> list[tuple[int, int]]:
    """(start, end) of each FLAC file that was joined to this one, itself first."""
    starts, position = [0], 1
    while window := read(_WINDOW + 7, position):
        starts += [position + at for at in _markers(window)]
        position += _WINDOW
    return list(zip(starts, [*starts[1:], size], strict=True))


def _markers(window: bytes) -> list[int]:
    """Positions of the first bytes of FLAC files."""
    found = []
    for shift in (0, 1):
        # Comparing pairs of bytes is several times as fast as `bytes.find` and regular expressions.
        pairs = np.frombuffer(window[shift:], _FIRST_PAIR.dtype, (len(window) - shift) // 2)
        found += (2 * np.flatnonzero(pairs == _FIRST_PAIR) + shift).tolist()
    return sorted(at for at in found if window[at : at + 8] in STARTS)


def counts_all(read: Read, size: int) -> bool:
    """Whether the total of samples in the header is that of the frames, and nothing follows them. Tags may come before
    the marker.
    """
    head = read(42, 0)
    if head[:8] not in STARTS:
        return False
    longest = int.from_bytes(head[15:18], "big") or _LONGEST_FRAME
    blocks, total = int.from_bytes(head[8:10], "big"), int.from_bytes(head[21:26], "big") & 0xFFFFFFFFF
    start = max(0, size - _WINDOW)
    tail = read(_WINDOW, start)
    at, end, last = tail.rfind(b"\xff"), 0, None
    while at >= 0 and last is None:
        last = _frame_end(tail[at : at + 16], blocks)
        end, at = at, tail.rfind(b"\xff", 0, at)
    return total > 0 and last is not None and last <= total and len(tail) - end <= longest


def _frame_end(header: bytes, block: int) -> int | None:
    """The sample after a frame; None where this is no frame header (section 9.1)."""
    if len(header) < 16 or header[1] & 0xFE != 0xF8 or header[3] & 1:
        return None
    code, rate = header[2] >> 4, header[2] & 15
    number, at = _coded_number(header)
    if not code or rate == 15 or number is None:
        return None
    if code in {6, 7}:
        samples = int.from_bytes(header[at : at + code - 5], "big") + 1
        at += code - 5
    else:
        samples = 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8
    at += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if _crc8(header[:at]) != header[at]:
        return None
    return (number if header[1] & 1 else number * block) + samples


def _coded_number(header: bytes) -> tuple[int | None, int]:
    """(frame or sample number, position after it), coded as UTF-8 codes characters."""
    first = header[4]
    if first < 0x80:
        return first, 5
    length = 8 - (first ^ 0xFF).bit_length()
    if not 2 <= length <= 7:
        return None, 5
    number = first & (1 << 7 - length) - 1
    for byte in header[5 : 4 + length]:
        if byte >> 6 != 2:
            return None, 5
        number = number << 6 | byte & 63
    return number, 4 + length


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 0x07) & 0xFF if value & 0x80 else value << 1
    return value
