"""The frames of a FLAC file (RFC 9639): does its header count all of them, and were several files joined?"""

from collections.abc import Callable

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

_WINDOW = 1 << 17
#: first bytes: the marker, and the header of a STREAMINFO block (the last metadata block, or not)
STARTS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")


def parts(read: Read, size: int) -> list[tuple[int, int]]:
    """(start, end) of each FLAC file that was joined to this one, itself first."""
    starts, position = [0], 1
    while window := read(_WINDOW + 8, position):
        at = window.find(b"fLaC")
        while 0 <= at < _WINDOW:
            if window[at : at + 8] in STARTS:
                starts.append(position + at)
            at = window.find(b"fLaC", at + 1)
        position += _WINDOW
    return list(zip(starts, [*starts[1:], size], strict=True))


def counts_all(read: Read, size: int) -> bool:
    """Whether the total of samples in the header is that of the frames. Tags may come before the marker."""
    head = read(42, 0)
    if head[:8] not in STARTS:
        return False
    blocks, total = int.from_bytes(head[8:10], "big"), int.from_bytes(head[21:26], "big") & 0xFFFFFFFFF
    start = max(0, size - _WINDOW)
    tail = read(_WINDOW, start)
    at, last = tail.rfind(b"\xff"), None
    while at >= 0 and last is None:
        last = _frame_end(tail[at : at + 16], blocks)
        at = tail.rfind(b"\xff", 0, at)
    return total > 0 and (last is None or last <= total)


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
