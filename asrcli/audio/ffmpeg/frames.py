"""Decoded frames with their timestamps, as ffmpeg writes them: PCM in a Matroska stream (RFC 9559)."""

from collections.abc import Callable, Iterator

#: (milliseconds, samples as float32 bytes)
Frame = tuple[int, memoryview]

_CONTAINERS = {0x18538067, 0x1F43B675, 0xA0}  # Segment, Cluster, BlockGroup: entered
_TRACKS, _ENTRY, _AUDIO, _CHANNELS = 0x1654AE6B, 0xAE, 0xE1, 0x9F
_TIMESTAMP, _BLOCKS = 0xE7, {0xA3, 0xA1}
#: track number, relative timestamp and flags in front of a block's samples
_BLOCK_HEADER = 4
#: more than any element that ffmpeg writes here
_LONGEST = 64 << 20


class FrameParser:
    """Splits the stream into frames; `channels` is known once `header` has returned."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        """Args:
        read: gives the bytes that are there, at least one; empty at the end.
        """
        self._read = read
        self._data = b""
        self._position = 0
        self._cluster = 0
        self.channels = 0

    def header(self) -> bool:
        """Read up to the description of the track; False where the stream ends before."""
        while not self.channels:
            if not self._more():
                return False
            for _ in self._elements(until_described=True):
                pass
        return True

    def frames(self) -> list[Frame]:
        """The next frames, at least one; empty at the end."""
        found = list(self._elements())
        while not found and self._more():
            found = list(self._elements())
        return found

    def _more(self) -> bool:
        piece = self._read()
        self._data = self._data[self._position :] + piece
        self._position = 0
        return bool(piece)

    def _elements(self, *, until_described: bool = False) -> Iterator[Frame]:
        """The frames that are complete in the buffer."""
        data, position = self._data, self._position
        view, end, cluster = memoryview(data), len(data), self._cluster
        try:
            while position < end:
                name, size, body = ebml_element(data, position)
                if name in _CONTAINERS:
                    position = body
                    continue
                if size > _LONGEST:
                    raise ValueError(f"element of {size} bytes")
                after = body + size
                if after > end:
                    return
                position = after
                if name in _BLOCKS:
                    offset = data[body + 1] << 8 | data[body + 2]
                    yield cluster + (offset - 65536 if offset > 32767 else offset), view[body + _BLOCK_HEADER : after]
                elif name == _TIMESTAMP:
                    cluster = self._cluster = int.from_bytes(data[body:after], "big")
                elif name == _TRACKS:
                    self.channels = _channels(data[body:after])
                    if until_described:
                        return
        except IndexError:  # an element's header is not complete
            return
        finally:
            self._position = position


def ebml_element(data: bytes, position: int) -> tuple[int, int, int]:
    """(ID, size of the body, where the body begins) of an EBML element (RFC 8794). Raises IndexError: `data` ends
    before.
    """
    first = data[position]
    if first & 0x80:
        if (second := data[position + 1]) >> 6 == 1:  # as nearly all blocks
            return first, (second & 0x3F) << 8 | data[position + 2], position + 3
        name, position = first, position + 1
    else:
        width = 9 - first.bit_length()
        name, position = int.from_bytes(data[position : position + width], "big"), position + width
    first = data[position]
    width = 9 - first.bit_length()
    if position + width > len(data):
        raise IndexError
    if width == 1:
        return name, first & 0x7F, position + 1
    size = int.from_bytes(data[position : position + width], "big") & ((1 << 7 * width) - 1)
    return name, size, position + width


def _channels(tracks: bytes) -> int:
    """The number of channels of the first track."""
    position, end = 0, len(tracks)
    while position < end:
        name, size, body = ebml_element(tracks, position)
        if name == _CHANNELS:
            return int.from_bytes(tracks[body : body + size], "big")
        position = body if name in {_ENTRY, _AUDIO} else body + size
    return 1
