"""The pages of an Ogg file (RFC 3533): is it one whole recording, and where were several joined?"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

#: bits of a page's type
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_HEADER = 27
#: bytes that are read at once
_WINDOW = 1 << 18
#: bytes of a page at most
_LONGEST_PAGE = _HEADER + 255 + 255 * 255
#: seconds by which a page may be longer than its packets
_SLACK = 0.25
#: seconds of a page of Opus at most (RFC 7845, section 4): so much of the last one may be left out
_PAGE_SECONDS = 1.0
#: bytes with their bits in reverse order
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class OggPages:
    """What a walk over all pages finds."""

    #: undamaged pages of one stream without a gap, in number and in time: libsndfile reads the first of several
    #: streams, leaves out damaged pages, closes gaps, and stops where the time of a page is that of the last one
    plain: bool
    #: the last page is complete, and marked as the last
    ended: bool
    #: (start, end) of each recording that was joined
    parts: tuple[tuple[int, int], ...]
    #: the time of the last page of Opus leaves out sound, as it would the padding of the last packet
    shortened: bool = False


def has_several_tracks(read: Callable[[int, int], bytes]) -> bool:
    """Whether several streams start at the beginning of a file: audio tracks, or pictures."""
    head = read(_LONGEST_PAGE, 0)
    if len(head) <= _HEADER:
        return False
    body = _HEADER + head[26]
    second = head[body + sum(head[_HEADER:body]) :]
    return second[:4] == b"OggS" and bool(second[5:6] and second[5] & _FIRST)


def walk(read: Callable[[int, int], bytes]) -> OggPages:
    """Go from page to page (RFC 3533, section 6); `read` takes (size, position)."""
    position, kind, opening, plain = 0, _FIRST, True, True
    starts: list[int] = [0]
    serials: dict[bytes, int] = {}
    clock = _Clock(b"")
    window, start, shortened = b"", 0, False
    while True:
        if position + _LONGEST_PAGE > start + len(window):
            window, start = read(_WINDOW, position), position
        at = position - start
        if len(window) - at <= _HEADER:
            break
        body = at + _HEADER + window[at + 26]
        length = body - at + sum(window[at + _HEADER : body])
        page = window[at : at + length]
        if page[:4] != b"OggS":
            return OggPages(plain=False, ended=False, parts=((0, position),) if len(starts) == 1 else ())
        kind, serial, number = page[5], page[14:18], int.from_bytes(page[18:22], "little")
        if kind & _FIRST and not opening:
            starts.append(position)
            serials.clear()
        opening = bool(kind & _FIRST)
        if opening:
            clock = _Clock(page[_HEADER + page[26] :])
        plain = clock.follows(page) and plain
        shortened = clock.opus and clock.left_out > _PAGE_SECONDS and bool(kind & _LAST)
        plain = plain and number == serials.get(serial, number - 1 if opening else -2) + 1
        serials[serial] = number
        plain = plain and len(serials) == 1
        plain = plain and (len(page) < length or _is_sound(page))
        position += length
    whole = bool(read(1, position - 1)) if position else False
    parts = tuple(zip(starts, [*starts[1:], position], strict=True))
    return OggPages(
        plain=plain and len(parts) == 1, ended=bool(kind & _LAST) and whole, parts=parts, shortened=shortened
    )


def has_end_mark(read: Callable[[int, int], bytes], size: int) -> bool:
    """Whether the last page is complete and marked as the last; looks at the end only."""
    start = max(0, size - _LONGEST_PAGE)
    tail = read(_LONGEST_PAGE, start)
    at = tail.rfind(b"OggS")
    header = tail[at : at + _HEADER + 255]
    if at < 0 or len(header) <= _HEADER or not header[5] & _LAST:
        return False
    return at + _HEADER + header[26] + sum(header[_HEADER : _HEADER + header[26]]) <= len(tail)


def _is_sound(page: bytes) -> bool:
    """Whether the page's checksum is right (RFC 3533, section 6): CRC-32, highest bit first, not inverted."""
    data = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    return (zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4, "big") == page[22:26].translate(_REVERSED)


class _Clock:
    """Whether the time of each page (its granule position) is that of its packets."""

    def __init__(self, first: bytes) -> None:
        """`first`: the start of the stream's first packet. RFC 7845; Vorbis I, 4.2.2; FLAC to Ogg mapping, RFC 9639."""
        self.opus = first.startswith(b"OpusHead")
        #: samples a second, and of the shortest and the longest packet; 0 where unknown
        self._rate, self._shortest, self._longest = 48000 if self.opus else 0, 0, 0
        if first[:7] == b"\x01vorbis" and len(first) >= 29:
            self._rate = int.from_bytes(first[12:16], "little")
            self._shortest, self._longest = 1 << (first[28] & 15) >> 1, 1 << (first[28] >> 4) >> 1
        elif first[:5] == b"\x7fFLAC" and len(first) >= 30:
            self._rate, self._longest = int.from_bytes(first[27:30], "big") >> 4, int.from_bytes(first[19:21], "big")
        self._end = 0
        #: seconds of sound in the last page beyond its time
        self.left_out = 0.0

    def follows(self, page: bytes) -> bool:
        """Whether the page is as long as its packets. The first one with sound may start late, not early."""
        end = int.from_bytes(page[6:14], "little", signed=True)
        sizes = page[_HEADER : _HEADER + page[26]]
        packets = len(sizes) - sizes.count(255)
        if self.opus and not page[5] & _CONTINUED:
            self._shortest = self._longest = _opus_samples(page[_HEADER + page[26] :]) or self._longest
        if end < 0:
            return not packets  # only a page on which no packet ends has no time
        start, self._end = self._end, end
        slack = _SLACK * self._rate
        self.left_out = (packets * self._shortest - (end - start)) / max(1, self._rate)
        if not start or not self._longest:
            return not end or packets * self._shortest <= end + slack  # no time: the headers
        least: float = packets * self._shortest
        if self.opus or page[5] & _LAST:  # the end of the last packet may be padding
            least = max(min(packets - 1, 1), least - slack, 0)
        return least <= end - start <= packets * self._longest + slack


def _opus_samples(packet: bytes) -> int:
    """Samples of an Opus packet at 48 kHz (RFC 6716, section 3.1); 0 where its first bytes are not there."""
    if len(packet) < 2:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    else:
        frame = (480, 960)[config & 1] if config < 16 else 120 << (config & 3)
    return frame * (packet[1] & 63 if code == 3 else 1 if code == 0 else 2)
