"""The frames of an MP3 file, counted by their headers: how long it is, and where recordings were joined."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: layer III, kbit/s by bit_rate_index: MPEG 1 (ISO 11172-3), then MPEG 2 and 2.5 (ISO 13818-3)
_BITRATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_WINDOW = 1 << 17
#: what a frame without sound starts with, after its side information; it ends this far behind the frame's start
_XING = {b"Xing", b"Info"}
_TAG_END = 40
#: encoders whose part of the tag decoders trust, and where it has the samples that were added
_ENCODERS, _ADDED = {b"LAME", b"Lavf", b"Lavc"}, 21
#: samples that a decoder is late
_DECODER_DELAY = 529
#: tags that the byte count of a Xing tag leaves out
_SLACK = 8192
#: more tags in a row than any writer makes
_MAX_TAGS = 64
#: bytes of a free-format frame at most, of the head that is looked at, and of what gives the size of a tag
_FREE_LIMIT = 4096
_HEAD, _TAG_HEAD = 1 << 16, 32


@dataclass(frozen=True, slots=True)
class Frame:
    """The header of one layer III frame."""

    #: bytes; 0: free format, where only the distance to the next header gives it
    size: int
    #: MPEG version, sample rate and whether there is one channel: a decoder starts anew where they change
    form: tuple[int, int, bool]
    bitrate: int
    #: where a Xing tag would be, from the frame's start
    tag: int
    seconds: float


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
    #: only one ID3v2 tag, if any, comes before it: decoders skip that, and trip over more
    clean: bool
    #: the frames have no bit rate of their own, and all the same size
    free: bool = False


@dataclass(frozen=True, slots=True)
class Mp3Walk:
    """What a walk over all frames finds."""

    #: frame follows upon frame to the end, or to the tags that may follow them
    unbroken: bool
    #: the last frame is all there
    ended: bool
    #: all frames, with that of a Xing tag
    count: int
    #: one bit rate throughout
    constant: bool
    #: seconds of all frames, without those of Xing tags
    seconds: float
    #: (start, end) of each recording; more than one where channels or rate change, or tags lie between
    parts: tuple[tuple[int, int], ...]

    def follows(self, found: Mp3Summary) -> bool:
        """Whether the length follows from the head: libsndfile reads no further than that, and guesses where it must.

        Guessing from the bit rate of the first frames is right only where there is one.
        """
        return self.constant if found.count is None else self.count <= found.count + 2


def tag_size(head: bytes) -> int:
    """Bytes of an ID3v2, ID3v1 or APEv2 tag at the start of `head`; 0 where there is none."""
    if head[:3] == b"ID3" and len(head) >= 10:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:8] == b"APETAGEX" and len(head) >= 32:
        size, flags = int.from_bytes(head[12:16], "little"), int.from_bytes(head[20:24], "little")
        return 32 + (size if flags & 0x20000000 else 0)  # else it is a footer
    return 128 if head[:3] == b"TAG" else 0


def skip_tags(read: Read, position: int) -> tuple[int, int]:
    """(where the sound begins after tags and their padding, number of tags and paddings).

    Zeros elsewhere are lost sound.
    """
    start = position
    for count in range(_MAX_TAGS):
        head = read(_TAG_HEAD, position)  # a live stream shall not wait for more
        if size := tag_size(head):
            position += size
        elif (count or not start) and head[:4] == bytes(4):
            head = read(_HEAD, position)
            position += len(head) - len(head.lstrip(b"\0"))
        elif head[:11] == b"LYRICSBEGIN" and (end := read(_HEAD, position).find(b"LYRICS200")) > 0:
            position += end + 9
        else:
            return position, count
    return position, _MAX_TAGS


def summary(read: Read) -> Mp3Summary | None:
    """Read the frames at the start of a file; None where it holds no MP3."""
    offset, tags = skip_tags(read, 0)
    head = read(_HEAD, offset)
    first = _frame(head, 0)
    if first is None:
        return None
    if not first.size:
        free = free_size(head) is not None
        return Mp3Summary(None, False, None, offset, first.seconds, tags < 2, free=True) if free else None
    count, claimed = _xing(head, first)
    rates, position = set(), first.size
    while (frame := _frame(head, position)) is not None and frame.size:
        rates.add(frame.bitrate)
        position += frame.size
    if position == first.size and position < len(head) and not tag_size(head[position:]):
        return None  # a header by chance
    return Mp3Summary(count, len(rates) == 1, claimed, offset, first.seconds, tags < 2)


def fits(found: Mp3Summary, size: int) -> bool:
    """Whether a file of `size` bytes has as many as its tag claims; if not, it was cut or joined from several."""
    there = size - found.offset
    return found.claimed is None or abs(there - found.claimed) <= max(_SLACK, there // 100)


def added_at_end(read: Read) -> tuple[float, int]:
    """(seconds that an encoder added behind the sound of an MP3, bytes up to the end of its frames), by its tag ("Mp3
    Info Tag rev. 1" of LAME's authors); zeros where it does not say.
    """
    offset, _ = skip_tags(read, 0)
    head = read(_HEAD, offset)
    first = _frame(head, 0)
    if first is None or head[first.tag : first.tag + 4] not in _XING:
        return 0.0, 0
    _, claimed = _xing(head, first)
    flags = int.from_bytes(head[first.tag + 4 : first.tag + 8], "big")
    at = first.tag + 8 + sum(length for bit, length in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    added = head[at + _ADDED + 1 : at + _ADDED + 3]
    if head[at : at + 4] not in _ENCODERS or not claimed:
        return 0.0, 0
    samples = max(0, (int.from_bytes(added, "big") & 0xFFF) - _DECODER_DELAY)
    return samples / _RATES[first.form[0]][head[2] >> 2 & 3], offset + claimed


def ends_with_tags(read: Read, end: int, size: int) -> bool:
    """Whether a stream of `size` bytes ends where its frames do, or has only tags behind them."""
    return end == size or (end < size < end + _SLACK and skip_tags(read, end)[0] >= size)


def walk(read: Read, found: Mp3Summary) -> Mp3Walk:
    """Go from frame to frame to the end of the file. Looks at headers only: some 20,000 x real time."""
    return _Walk(read, found.offset).run()


class _Walk:
    """The state of a walk."""

    def __init__(self, read: Read, offset: int) -> None:
        self._read = read
        self._position = self._start = offset
        self._bitrates: set[int] = set()
        self._count = self._tags = 0
        self._seconds = 0.0
        self._form: tuple[int, int, bool] | None = None
        # Of frames of this form: header -> bytes, where a Xing tag would be, seconds.
        self._sizes: dict[bytes, int] = {}
        self._tag, self._frame = 0, 0.0
        self._parts: list[tuple[int, int]] = []

    def run(self) -> Mp3Walk:
        unbroken, stopped = True, False
        while window := self._read(_WINDOW, self._position):
            at, stopped = self._frames(window)
            self._position += at
            if stopped:
                after, tags = skip_tags(self._read, self._position)
                self._close()
                if not tags or _frame(self._read(4, after), 0) is None:
                    unbroken = not self._read(1, after)
                    break
                self._position = self._start = after
            elif len(window) < _WINDOW:
                break
        self._close()
        return Mp3Walk(
            unbroken=unbroken,
            ended=stopped or len(self._read(2, self._position - 1)) == 1,
            count=self._count,
            constant=len(self._bitrates) == 1,
            seconds=self._seconds,
            parts=tuple(self._parts),
        )

    def _frames(self, window: bytes) -> tuple[int, bool]:
        """(bytes that are frames of the same form, whether something else follows within the window)."""
        # The last frame of a window is read with the next one: its Xing tag may not be there yet.
        at, end = 0, len(window) - (_TAG_END if len(window) == _WINDOW else 4)
        sizes, tag, count, uncounted = self._sizes, self._tag, self._count, self._count
        stopped = False
        while at <= end:
            word = window[at : at + 4]
            size = sizes.get(word)
            if size is None or window[at + tag : at + tag + 4] in _XING:
                frame = _header(word)
                stopped = frame is None or not frame.size
                if frame is None or stopped:
                    break
                self._seconds += (count - uncounted) * self._frame
                uncounted = count + self._start_of(frame, self._position + at, window[at:])
                sizes, tag, size = self._sizes, self._tag, frame.size
            at += size
            count += 1
        self._seconds += (count - uncounted) * self._frame
        self._count = count
        return at, stopped

    def _start_of(self, frame: Frame, position: int, data: bytes) -> bool:
        """Take a frame with a new header, or with a tag; whether it is one that holds no sound."""
        tagged = data[frame.tag : frame.tag + 4] in _XING
        if frame.form != self._form or tagged:
            if self._form is not None and position > self._start:
                self._parts.append((self._start, position))
                self._start = position
            self._form, self._tag, self._frame, self._sizes = frame.form, frame.tag, frame.seconds, {}
        self._sizes[data[:4]] = frame.size
        self._bitrates.add(frame.bitrate)
        return tagged

    def _close(self) -> None:
        if self._position > self._start:
            self._parts.append((self._start, self._position))
            self._start = self._position
        self._form, self._sizes = None, {}


def layer3_frame(data: bytes, at: int) -> int:
    """Bytes of the frame at a position; 0 where none is, or only their distance gives it."""
    frame = _frame(data, at)
    return frame.size if frame else 0


def starts_file(data: bytes, at: int) -> bool:
    """Whether the frame at a position holds an encoder's tag (Xing, Info), as the first one of a file does."""
    frame = _frame(data, at)
    return frame is not None and data[at + frame.tag : at + frame.tag + 4] in _XING


def _xing(head: bytes, first: Frame) -> tuple[int | None, int | None]:
    """(frames, bytes) that a Xing or Info tag claims."""
    count, claimed, at = None, None, first.tag
    if head[at : at + 4] in _XING:
        flags = int.from_bytes(head[at + 4 : at + 8], "big")
        at += 8
        if flags & 1:
            count = int.from_bytes(head[at : at + 4], "big")
            at += 4
        if flags & 2:
            claimed = int.from_bytes(head[at : at + 4], "big") or None
    return count, claimed


def free_size(head: bytes) -> int | None:
    """Bytes of a free-format frame without padding: the distance of headers that are alike."""
    for size in range(24, _FREE_LIMIT):
        marks = [head[size * number + shift : size * number + shift + 2] for number, shift in ((1, 0), (2, 0), (3, 0))]
        if all(mark == head[:2] for mark in marks):
            return size
    return None


def _frame(head: bytes, position: int) -> Frame | None:
    """The header of the layer III frame at `position`, free format with size 0."""
    return _header(head[position : position + 4])


@lru_cache(4096)
def _header(word: bytes) -> Frame | None:
    if len(word) < 4 or word[0] != 0xFF or word[1] & 0xE6 != 0xE2:
        return None
    version, mono = word[1] >> 3 & 3, word[3] >> 6 == 3
    index, rate_index, padding = word[2] >> 4, word[2] >> 2 & 3, word[2] >> 1 & 1
    if version == 1 or rate_index == 3 or index == 15:
        return None
    long = version == 3
    bitrate, rate = _BITRATES[3 if long else 2][index], _RATES[version][rate_index]
    size = (144 if long else 72) * bitrate * 1000 // rate + padding if index else 0
    side = (17 if mono else 32) if long else (9 if mono else 17)
    return Frame(size, (version, rate, mono), index, 4 + side, (1152 if long else 576) / rate)
