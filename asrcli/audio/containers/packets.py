"""Streams of frames or packets that no header counts: where they end, and whether the file ends in the middle of one.

ADTS (ISO 13818-7), MPEG audio layer II (ISO 11172-3), MLP and TrueHD, MPEG transport and
program streams (ISO 13818-1).
"""

from collections.abc import Callable

from asrcli.audio.containers.mpeg import tag_size

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: bytes of the frame at a position of a window, 0 where there is none: (window, position)
Sizer = Callable[[bytes, int], int]

#: bytes at the end of a file in which frames are followed, and frames that must follow each other
_TAIL, _CHAIN = 1 << 17, 4
#: bytes of a frame at most, and of what gives the size of a tag
_LONGEST_FRAME, _LONGEST_TAG_HEADER = 1 << 13, 32
_LAYER2 = {
    3: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000)}
#: bytes of packets of a transport stream: plain, with a time code, with error correction
_TS_PACKETS = (188, 192, 204)
#: sync bytes at their distance that make a transport stream
_SYNCS = 5
#: types of blocks of Creative Voice files, but the one that ends them
_VOC_BLOCKS = range(1, 10)
_PACK = b"\0\0\x01\xba"
#: the sync of MLP and TrueHD, and where it is in an access unit
_MLP_SYNC, _MLP_SYNC_AT = b"\xf8\x72\x6f", 4


def ends_inside(read: Read, size: int) -> bool:
    """Whether the last frame or packet is incomplete; False where the file holds none of the streams above.

    Only the end of the file is read.
    """
    head, tail = read(1 << 11, 0), read(_TAIL, max(0, size - _TAIL))
    if head[:4] == _PACK:
        return bool(_is_cut(tail, program_packet, tail.find(_PACK), chain=2))
    if head[4:7] == _MLP_SYNC:
        return _mlp_is_cut(tail)
    if packet := transport_packet(head):
        return _transport_is_cut(tail, packet)
    for frame in (adts_frame, layer2_frame):
        if (tag_size(head) or frame(head, 0)) and (first := _first_frame(tail, frame)) >= 0:
            return bool(_is_cut(tail, frame, first, chain=_CHAIN))
    return False


def breaks(read: Read) -> int:
    """Places where ADTS or layer II frames do not follow each other, between the first and the last one."""
    chain, position = FrameChain(), 0
    while chain.follows and (window := read(_TAIL, position)):
        chain.push(window)
        position += len(window)
    return chain.breaks


def voc_end(read: Read) -> tuple[int, bool]:
    """(where the blocks of a Creative Voice file end, whether more than padding follows them: decoders stop there)."""
    position = int.from_bytes(read(2, 20), "little")
    while (head := read(4, position)) and head[0] in _VOC_BLOCKS:
        position += 4 + int.from_bytes(head[1:], "little")
    at = position
    while head and (rest := read(_TAIL, at)):
        if rest.strip(b"\0\x1a"):  # else padding
            return position, True
        at += len(rest)
    return position, False


class FrameChain:
    """Follows the ADTS or layer II frames in the bytes of a stream, and the tags between them."""

    def __init__(self) -> None:
        #: places where a frame does not follow upon the one before
        self.breaks = 0
        #: the stream holds such frames, as far as was seen
        self.follows = True
        self._frame: Sizer | None = None
        #: bytes that may be the next header, and bytes to skip before
        self._held, self._skip = b"", 0
        #: a tag was the last; the next frame is searched
        self._tagged = self._lost = False

    def push(self, data: bytes) -> None:
        """Take the next bytes."""
        if not self.follows:
            return
        data, at = self._held + data, self._skip
        while at + _LONGEST_TAG_HEADER <= len(data):
            step = self._step(data, at)
            if not step:
                break
            at += step
        at, self._skip = min(at, len(data)), max(0, at - len(data))
        self._held = data[at:]

    def _step(self, data: bytes, at: int) -> int:
        """Bytes of the frame or tag at a position, or up to the next frame; 0 where more must come to find it."""
        self._frame = self._frame or next((sizer for sizer in (adts_frame, layer2_frame) if sizer(data, at)), None)
        if self._frame and not self._lost and (size := self._frame(data, at)):
            self._tagged = False
            return size
        rest = data[at:]
        if not self._lost and (size := tag_size(rest)):
            self._tagged = True
            return size
        if self._tagged and rest[0] == 0:  # padding
            return len(rest) - len(rest.lstrip(b"\0"))
        if self._frame is None:
            self.follows = False
            return 0
        found = _next_frame(rest, self._frame)
        self._lost = found < 0
        if self._lost:
            return max(0, len(rest) - _CHAIN * _LONGEST_FRAME)
        self.breaks += 1
        return found or self._frame(rest, 0)


def _next_frame(window: bytes, frame: Sizer) -> int:
    """Where frame follows upon frame again; -1 where nowhere."""
    at = window.find(b"\xff")
    while at >= 0 and not _follow(window, frame, at, chain=_CHAIN):
        at = window.find(b"\xff", at + 1)
    return at


def _follow(window: bytes, frame: Sizer, at: int, *, chain: int) -> bool:
    """Whether as many frames follow each other from a position on."""
    for _ in range(chain):
        size = frame(window, at)
        if not size:
            return False
        at += size
    return True


def transport_packet(head: bytes) -> int:
    """Bytes of the packets of a transport stream, which may start inside one; 0 where `head` holds none."""
    for packet in _TS_PACKETS:
        if any(head[at : at + _SYNCS * packet : packet] == b"\x47" * _SYNCS for at in range(packet)):
            return packet
    return 0


def _first_frame(tail: bytes, frame: Sizer) -> int:
    """Where frame follows upon frame; -1 where nowhere."""
    at = tail.find(b"\xff")
    while at >= 0:
        if _is_cut(tail, frame, at, chain=_CHAIN) is not None:
            return at
        at = tail.find(b"\xff", at + 1)
    return -1


def _is_cut(tail: bytes, frame: Sizer, at: int, *, chain: int) -> bool | None:
    """Follow frames to the end: True if the last one is incomplete; None if fewer than `chain` follow each other."""
    count = 0
    while 0 <= at < len(tail):
        size = frame(tail, at)
        if not size:
            rest = tail[at:]
            if count >= chain and len(rest) < 7 and rest.strip(b"\0"):
                return True
            return False if count >= chain and (tag_size(rest) or not rest.strip(b"\0")) else None
        at += size
        count += 1
    return at > len(tail) if count >= chain else None


def adts_frame(data: bytes, at: int) -> int:
    head = data[at : at + 7]
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size >= 7 else 0


def layer2_frame(data: bytes, at: int) -> int:
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xF6 != 0xF4:
        return 0
    version, rate_index = head[1] >> 3 & 3, head[2] >> 2 & 3
    if version not in _RATES or rate_index == 3:
        return 0
    return 144_000 * _LAYER2[version][head[2] >> 4] // _RATES[version][rate_index] + (head[2] >> 1 & 1)


def program_packet(data: bytes, at: int) -> int:
    head = data[at : at + 14]
    if len(head) < 6 or head[:3] != b"\0\0\x01" or head[3] < 0xB9:
        return 0
    if head[3] == 0xB9:  # end of the program
        return len(data) - at
    if head[3] == 0xBA:
        return 12 if head[4] >> 6 != 1 else 14 + (head[13] & 7 if len(head) > 13 else 0)
    return 6 + int.from_bytes(head[4:6], "big")


def _mlp_is_cut(tail: bytes) -> bool:
    """Follow the access units of MLP or TrueHD from one with a sync; each starts with its number of 16-bit words."""
    at = tail.find(_MLP_SYNC, _MLP_SYNC_AT) - _MLP_SYNC_AT
    while 0 <= at < len(tail) - 1 and (size := 2 * (int.from_bytes(tail[at : at + 2], "big") & 0xFFF)):
        at += size
    return at == len(tail) - 1 or at > len(tail)


def _transport_is_cut(tail: bytes, packet: int) -> bool:
    for first in range(min(packet, len(tail))):
        syncs = tail[first::packet]
        if len(syncs) >= _SYNCS and not syncs.strip(b"\x47"):
            last = first + (len(syncs) - 1) * packet
            # The time code of 4 bytes comes before the sync byte.
            return len(tail) - last < min(packet, 188) or _misses_payload(tail, range(first, last + 1, packet))
    return False


def _is_stuffed(adaptation: bytes) -> bool:
    """Whether an adaptation field is longer than the two clocks that it may hold."""
    length, flags = adaptation[0], adaptation[1] if adaptation[0] else 0
    return length != 1 + (6 if flags & 0x10 else 0) + (6 if flags & 0x08 else 0)


def _misses_payload(tail: bytes, packets: range) -> bool:
    """Whether a program's packet (PES) lacks its end.

    One of known length is counted. That of a picture may have no length: its last part is stuffed, but by chance.
    Tables are sent for the packets that follow them.
    """
    missing: dict[int, int] = {}
    unstuffed: dict[int, bool] = {}
    table = False
    for at in packets:
        stream = (tail[at + 1] & 0x1F) << 8 | tail[at + 2]
        control = tail[at + 3] >> 4 & 3
        start = at + 4 + (1 + tail[at + 4] if control & 2 else 0)
        payload = tail[start : at + 188] if control & 1 else b""
        table = bool(tail[at + 1] & 0x40 and payload) and payload[:3] != b"\0\0\x01"
        if tail[at + 1] & 0x40:
            known = payload[:3] == b"\0\0\x01" and len(payload) >= 6
            length = int.from_bytes(payload[4:6], "big") if known else 0
            missing[stream] = 6 + length if length else 0
            unstuffed.pop(stream, None)
            if known and not length:
                unstuffed[stream] = True
        missing[stream] = missing.get(stream, 0) - len(payload)
        if stream in unstuffed:
            unstuffed[stream] = not (control & 2 and _is_stuffed(tail[at + 4 : at + 6]))
    return table or any(count > 0 for count in missing.values()) or any(unstuffed.values())
