"""What the frame headers of an MP3 tell: is its length known, and is the file whole?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: layer III, kbit/s by bit_rate_index: MPEG 1 (ISO 11172-3), then MPEG 2 and 2.5 (ISO 13818-3)
_BITRATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
#: what may follow the last frame
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN")
_WINDOW = 1 << 20
#: tags that the byte count of a Xing tag leaves out
_SLACK = 8192
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


@dataclass(frozen=True, slots=True)
class Mp3Summary:
    """An MP3 seen from its head."""

    #: frames that a Xing or Info tag counts, its own left out: with them the length is known exactly
    count: int | None
    #: every frame of the head has the same bit rate: if so throughout, the length follows from the size
    constant: bool
    #: bytes that the tag claims, from its frame on; None where it does not say
    claimed: int | None
    #: where the first frame begins
    offset: int
    #: seconds of a frame
    frame: float


def tag_size(head: bytes) -> int:
    """Bytes of an ID3v2 tag at the start: the sound begins after it."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + size + (10 if head[5] & 0x10 else 0)


def summary(read: Read) -> Mp3Summary | None:
    """Read the frames at the start of a file; None where it holds no MP3."""
    offset = tag_size(read(10, 0))
    head = read(1 << 16, offset)
    first = _frame(head, 0)
    if first is None:
        return None
    size, side, _ = first
    count, claimed = None, None
    if head[side : side + 4] in {b"Xing", b"Info"}:
        flags = int.from_bytes(head[side + 4 : side + 8], "big")
        at = side + 8
        if flags & 1:
            count = int.from_bytes(head[at : at + 4], "big")
            at += 4
        if flags & 2:
            claimed = int.from_bytes(head[at : at + 4], "big") or None
    rates, position = set(), size
    while (frame := _frame(head, position)) is not None:
        rates.add(frame[2])
        position += frame[0]
    return Mp3Summary(count, len(rates) == 1, claimed, offset, _seconds(head))


def fits(found: Mp3Summary, size: int) -> bool:
    """Whether a file of `size` bytes has as many as its tag claims; if not, it was cut or joined from several."""
    there = size - found.offset
    return found.claimed is None or abs(there - found.claimed) <= max(_SLACK, there // 100)


@dataclass(frozen=True, slots=True)
class Mp3Frames:
    """What a walk over all frames finds."""

    #: frame follows upon frame to the end, or to what may follow them
    unbroken: bool
    #: the last frame is all there
    ended: bool
    #: all frames, with that of a Xing tag
    count: int
    #: one bit rate throughout
    constant: bool

    def told_by(self, found: Mp3Summary) -> bool:
        """Whether the length follows from the head: libsndfile reads no further than that, and guesses where it must.

        Guessing from the bit rate of the first frames is right only where there is one.
        """
        return self.constant if found.count is None else self.count <= found.count + 2


def walk(read: Read, found: Mp3Summary) -> Mp3Frames:
    """Go from frame to frame to the end of the file. Looks at headers only: some 20,000 x real time."""
    sizes: dict[bytes, tuple[int, int]] = {}
    rates: set[int] = set()
    position, count, at = found.offset, 0, 0
    while window := read(_WINDOW, position):
        at = 0
        while at + 4 <= len(window):
            word = window[at : at + 4]
            step = sizes.get(word)
            if step is None:
                frame = _frame(window, at)
                if frame is None:
                    ended = window.startswith(_TAGS, at)
                    return Mp3Frames(unbroken=ended, ended=ended, count=count, constant=len(rates) == 1)
                step = sizes[word] = frame[0], frame[2]
            rates.add(step[1])
            at += step[0]
            count += 1
        position += at
        if len(window) < _WINDOW:
            break
    ended = len(read(2, position - 1)) == 1 if position else False
    return Mp3Frames(unbroken=True, ended=ended, count=count, constant=len(rates) == 1)


def _seconds(word: bytes) -> float:
    version = word[1] >> 3 & 3
    return (1152 if version == 3 else 576) / _RATES[version][word[2] >> 2 & 3]


def _frame(head: bytes, position: int) -> tuple[int, int, int] | None:
    """(size in bytes, position of a Xing tag, bit rate index) of the layer III frame at `position`."""
    word = head[position : position + 4]
    if len(word) < 4 or word[0] != 0xFF or word[1] & 0xE6 != 0xE2:
        return None
    version, mono = word[1] >> 3 & 3, word[3] >> 6 == 3
    index, rate_index, padding = word[2] >> 4, word[2] >> 2 & 3, word[2] >> 1 & 1
    if version == 1 or rate_index == 3 or not 0 < index < 15:
        return None
    long = version == 3
    bitrate, rate = _BITRATES[3 if long else 2][index], _RATES[version][rate_index]
    size = (144 if long else 72) * bitrate * 1000 // rate + padding
    side = (17 if mono else 32) if long else (9 if mono else 17)
    return size, position + 4 + side, index
