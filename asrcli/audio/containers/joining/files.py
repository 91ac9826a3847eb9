"""Files that follow each other in one file or stream.

Decoders stop at the end of the first one, or take the next header for sound. A walk reads the sizes in the headers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from asrcli.audio.containers.declared_size import declared_size
from asrcli.audio.containers.joining.forms import BROKEN, UNKNOWN, real
from asrcli.audio.containers.joining.frames import frames_behind, walk_amr, walk_frames
from asrcli.audio.containers.joining.walks import FileParts, Read, walk_of
from asrcli.audio.containers.mpeg import skip_tags
from asrcli.audio.containers.sniff import HEAD, not_audio, wav_header

#: parts of a file that are walked over at most
_MAX_STEPS = 4_000_000
#: bytes of no known form that are not worth a warning, padding not counted
_SMALL = 256
_PADDING = (0x00, 0xFF)
_PIECE = 1 << 16
#: what motion data of Insta360, and pictures and notes of Samsung, end with
_CAMERA_ENDS = (b"8db42d694ccc418790edff439fe026bf", b"SEFT")
_LAST = 32


@dataclass(frozen=True, slots=True)
class JoinedFiles:
    """The files that follow each other in one."""

    #: (start, end) of each; empty where there is only one, or too many
    parts: tuple[tuple[int, int], ...] = ()
    #: the last one ends within a frame
    cut: bool = False
    #: from where on bytes follow a file that are no part of it and start no other
    unknown: tuple[int, ...] = ()


def joined_files(read: Read, size: int, limit: int) -> JoinedFiles:
    """The files in one of `size` bytes, at most `limit`."""
    starts, unknown, cut = [0], [], False
    while walk := walk_of(read, starts[-1]):
        end, parts = starts[-1], FileParts(walk, read, starts[-1], live=False)
        for end in islice(parts, _MAX_STEPS):
            if end >= size:
                break
        if parts.unknown is not None and _is_more(read, parts.unknown, min(end, size)):
            unknown.append(parts.unknown)
        cut = walk in {walk_frames, walk_amr, real} and size < end < UNKNOWN
        if end >= size and parts.samples is not None and _is_plain(read, starts[-1]):
            end = frames_behind(read, parts.samples, size) or end
        if end >= size or len(starts) > limit or walk_of(read, end) is None:
            break
        starts.append(end)
    found = tuple(zip(starts, [*starts[1:], size], strict=True))
    return JoinedFiles(found if 1 < len(found) <= limit else (), cut, tuple(unknown))


def _is_plain(read: Read, position: int) -> bool:
    """Whether the sound of a file with samples is certainly not compressed to frames."""
    head = read(HEAD, position)
    if head[8:12] == b"WAVE":
        header = wav_header(head)
        return header is not None and header.encoding is not None
    if head[:4] in {b"riff", b"caff"}:
        claim = declared_size(lambda size, at: read(size, position + at))
        return claim is not None and claim.frame > 1
    return True


def unknown_bytes(position: int) -> str:
    """A warning. `position`: where bytes begin that are of no known form."""
    return (
        f"damaged: bytes from {position:,} on neither belong to the recording before nor start another one; "
        "any sound in them is missing"
    )


def _is_more(read: Read, start: int, end: int) -> bool:
    """Whether the bytes are more than tags, padding, and what cameras append."""
    if is_no_sound(read(_PIECE, start), read(_LAST, max(start, end - _LAST))):
        return False
    position, count = skip_tags(read, start)[0], 0
    while count < _SMALL and (piece := read(min(_PIECE, end - position), position)):
        count += _sounding(piece)
        position += len(piece)
    return count >= _SMALL


def is_no_sound(first: bytes, last: bytes) -> bool:
    """Whether bytes that start and end so are certainly no sound."""
    return bool(first) and (not_audio(first) is not None or last.endswith(_CAMERA_ENDS))


def _sounding(data: bytes) -> int:
    """Bytes that are no padding."""
    return len(data) - sum(data.count(byte) for byte in _PADDING)


class JoinedStream:
    """A stream whose files are read one by one: `read1` is empty at the end of each."""

    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        """`head` was read from the stream already."""
        self._stream, self._held = stream, head
        #: positions of what is held, and up to which bytes belong to the current file
        self._position = self._bound = 0
        self._parts: FileParts | None = None
        self._ends: Iterator[int] = iter(())
        #: bytes of no known form in the current file, padding not counted
        self._unknown = 0
        #: the first and the last of them
        self._first = self._last = b""
        #: another file follows here
        self.at_next, self._ended = True, False

    def advance(self) -> bool:
        """Go to the next file, at first to the first one; False where there is none."""
        self.skip_rest()
        walk = walk_of(self._peek, self._position)
        self._bound = self._position if walk else UNKNOWN
        self._parts = FileParts(walk, self._peek, self._position) if walk else None
        self._ends = iter(self._parts or ())
        self._unknown, self.at_next = 0, False
        self._first = b""
        return bool(self._peek(1, self._position))

    def skip_rest(self) -> None:
        """Pass over what is left of the current file."""
        while not self.at_next and self.read1(1 << 16):
            pass

    @property
    def cut(self) -> bool:
        """The stream ended within a part of a file."""
        return self._ended and not self._held and self._position < self._bound < UNKNOWN

    @property
    def broken(self) -> bool:
        """The parts of this file do not follow each other."""
        return self._bound == BROKEN

    @property
    def unknown(self) -> int | None:
        """From where on bytes followed this file that are no part of it and start no other; None for few or none."""
        more = self._unknown >= _SMALL and not is_no_sound(self._first, self._last)
        return self._parts.unknown if self._parts and more else None

    def read1(self, size: int) -> bytes:
        """The next bytes of this file."""
        while self._position >= self._bound and not self.at_next:
            following = next(self._ends, None)
            if following is None:  # another file, or what belongs to this one
                self.at_next = walk_of(self._peek, self._position) is not None
                following = UNKNOWN
            self._bound = following
        if self.at_next:
            return b""
        self._fill(1)
        data = self._held[: min(size, self._bound - self._position)]
        self._held = self._held[len(data) :]
        if self._parts and self._parts.unknown is not None and self._position >= self._parts.unknown:
            self._unknown += _sounding(data)
            self._first += data[: _PIECE - len(self._first)]
            self._last = (self._last + data)[-_LAST:]
        self._position += len(data)
        return data

    read = read1

    def _peek(self, size: int, position: int) -> bytes:
        ahead = position - self._position
        self._fill(ahead + size)
        return self._held[ahead : ahead + size]

    def _fill(self, size: int) -> None:
        while len(self._held) < size and not self._ended:
            data = b""
            try:
                data = bytes(getattr(self._stream, "read1", self._stream.read)(1 << 16) or b"")
            finally:  # an error is raised once
                self._ended = not data
            self._held += data
