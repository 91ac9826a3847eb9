"""Where files end that are followed by others in one file or stream: by the sizes in their headers."""

import re
from collections.abc import Callable, Iterator
from functools import partial

from asrcli.audio.containers.declared_size import IRCAM_MAGICS
from asrcli.audio.containers.flac import STARTS
from asrcli.audio.containers.joining import forms, frames, transport
from asrcli.audio.containers.joining.forms import UNCOUNTED, UNKNOWN
from asrcli.audio.containers.joining.frames import starts_frames, walk_amr, walk_frames, walk_program
from asrcli.audio.containers.mp4 import BOXES
from asrcli.audio.containers.mpeg import tag_size
from asrcli.audio.containers.sized_sound import size_known
from asrcli.audio.containers.sniff import has_signature

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]
#: The positions after the parts of the file that starts at a position, in order. They end where the file ends, or with
#: `UNKNOWN`.
Walk = Callable[[Read, int], Iterator[int]]

_MAGIC = 20
#: bytes of a stream that are searched for the next header at once
_SEARCHED = 4096
#: what a file starts with, and how much of it
_HEADERS = re.compile(
    rb"RIF[FX]....(?:WAVE|AVI )|RF64....WAVE|riff\x2e\x91\xcf\x11|FORM....(?:AIF[FC]|8SVX|16SV)|\.snd\0\0\0"
    rb"|caff\0\x01\0\0|\0\0\0[\x08-\x40]ftyp|\x30\x26\xb2\x75\x8e\x66\xcf\x11|FLV\x01[\x01\x04\x05]\0\0\0\t"
    rb"|\x1a\x45\xdf\xa3[\x01\x80-\xff]|Creative Voice File\x1a|wvpk.{12}\0{4}|OggS\0\x02|fLaC[\0\x80]\0\0\x22"
    rb"|TTA1[\1-\3]\0[\1-\x10]\0[\x08-\x20]\0|nut/multimedia c|ID3[\x02-\x04]\0|NIST_1A\n {3}|#!AMR(?:-WB)?\n"
    rb"|\.SoX[\x1c-\xff].\0\0|XoS\.\0\0.[\x1c-\xff]|d\xa3[\x01-\x04]\0.{4}[\x01-\x10]\0{3}"
    rb"|\0[\x01-\x04]\xa3d.{4}\0{3}[\x01-\x10]"
    rb"|\.RMF\0\0\0|\xb7\xd8\0\x20\x37\x49\xda\x11|G@.{186}G@?.{186,187}G",
    re.DOTALL,
)
_LONGEST_HEADER = 1024
#: bytes of a stream, and of a file, that are searched at once for what follows samples, and the longest of `_HEADERS`
_SEARCHED_SAMPLES, _SEARCHED_FILE, _LONGEST_MATCH = 1024, 1 << 16, 384
#: bytes of a part without sound at most
_EMPTY_PART = 50
#: what follows within an AVI file
_AVI_CHUNK = re.compile(rb"\d\d(?:dc|db|wb|pc|tx)|ix\d\d|idx1|JUNK|LIST")
#: bytes that show the form of a file, where there is no walk for it
_LONGEST_MAGIC = 36


def walk_of(read: Read, position: int) -> Walk | None:
    """The walk for a file that starts at a position; None where no such file does. The first one may be a transport
    stream that starts anywhere.
    """
    if walk := _marked(read, position):
        return walk
    if starts_frames(read, position):
        return walk_frames
    if position:
        head = read(_LONGEST_MAGIC, position)
        return _rest if has_signature(head) and not tag_size(head) else None
    return transport.walk if transport.packet_of(read, 0) else None


def _marked(read: Read, position: int) -> Walk | None:
    """The walk for a file that starts with a mark."""
    head = read(_MAGIC, position)
    walk = next((walk for at, magic, walk in _WALKS if head[at : at + len(magic)] == magic), None)
    if walk is transport.walk and not transport.packet_of(read, position):
        return None
    return walk_frames if head[:3] == b"ID3" and starts_frames(read, position) else walk


class FileParts:
    """Iterates over the positions beyond the start up to which the parts of one file reach; all bytes are those of a
    file that is cut in its first part.
    """

    def __init__(self, walk: Walk, read: Read, position: int, *, live: bool = True) -> None:
        """`live`: more bytes may have to be waited for."""
        self._walk, self._read, self._start, self._live = walk, read, position, live
        self._steps: Callable[..., Iterator[int]] = walk if live else _LARGE_STEPS.get(walk, walk)
        if walk is transport.walk:
            packets = transport.FEW if live else transport.MANY
            self._steps = partial(transport.walk, packets=packets, tables=transport.Tables())
        #: where plain samples begin that no header counts
        self.samples: int | None = None
        #: where bytes begin that are neither a part of this file nor another file; decoders skip them, or stop
        self.unknown: int | None = None

    def __iter__(self) -> Iterator[int]:
        start = last = before = self._start
        while True:
            for end in self._all_steps(start):
                before, last = last, end
                if last > self._start:
                    yield last
                    if last < UNKNOWN and _marked(self._read, last) not in {None, self._walk}:
                        return
            if last <= self._start:
                yield UNKNOWN
            if self._walk in _COUNTED or not self._start < last < UNKNOWN or walk_of(self._read, last) is not None:
                return
            uncounted = self._walk in _UNCOUNTED and last - before <= _EMPTY_PART
            self.unknown = None if uncounted else last
            packet = transport.packet_of(self._read, self._start) if self._walk is transport.walk else 0
            for start in _search(self._read, last, packet):
                yield start
            if not packet or transport.packet_of(self._read, start) != packet:
                return
            self.unknown = None  # a hole in this file

    def _all_steps(self, start: int) -> Iterator[int]:
        """Up to the end of the file; of plain samples that no header counts, up to the header of another file."""
        for end in self._steps(self._read, start):
            if end != UNCOUNTED:
                yield end
                continue
            self.samples = start + _MAGIC
            searched = _SEARCHED_SAMPLES if self._live else _SEARCHED_FILE
            yield from _search(self._read, self.samples, searched=searched, overlap=_LONGEST_MATCH)


def _rest(_: Read, __: int) -> Iterator[int]:
    """Of a form without a walk: all that follows."""
    yield UNKNOWN


def _wav(read: Read, position: int) -> Iterator[int]:
    head = read(8, position)
    size = int.from_bytes(head[4:], "big" if head[:4] == b"RIFX" else "little")
    if head[:4] in {b"RF64", b"BW64"}:
        size = int.from_bytes(read(8, position + 20), "little")
    yield _padded(read, position + 8, size) if size_known(size) else UNCOUNTED


def _avi(read: Read, position: int) -> Iterator[int]:
    """AVI may continue in further RIFF chunks."""
    head = read(12, position)
    while True:
        size = int.from_bytes(head[4:8], "little")
        if not size_known(size):
            yield UNKNOWN
            return
        position = _padded(read, position + 8, size)
        yield position
        head = read(12, position)
        if _AVI_CHUNK.match(head):  # more than the size counts
            yield UNKNOWN
        if head[8:] != b"AVIX":
            return


def _aiff(read: Read, position: int) -> Iterator[int]:
    return _svx(read, position)


def _svx(read: Read, position: int) -> Iterator[int]:
    size = int.from_bytes(read(4, position + 4), "big")
    yield _padded(read, position + 8, size) if size_known(size) else UNCOUNTED


def _padded(read: Read, body: int, size: int) -> int:
    """The end of a chunk; some programs leave out the byte that makes it even."""
    end = body + size
    return end + 1 if size % 2 and walk_of(read, end) is None else end


def _search(
    read: Read, position: int, packet: int = 0, *, searched: int = _SEARCHED, overlap: int = _LONGEST_HEADER
) -> Iterator[int]:
    """Positions up to the next header of a form that has a walk, or up to packets of a transport stream of a size."""
    wanted = _HEADERS if not packet else re.compile(_HEADERS.pattern + transport.syncs(packet), re.DOTALL)
    before = 4 if packet == 192 else 0
    while window := read(searched, position):
        for found in wanted.finditer(window):
            at = position + found.start()
            if walk_of(read, at) is not None:
                yield at
                return
            if packet and found.start() >= before and transport.packet_of(read, at - before) == packet:
                yield at - before
                return
        position += len(window) - overlap if len(window) == searched else len(window)
        yield position


def _up_to_header(read: Read, position: int) -> Iterator[int]:
    """Of forms whose parts have no sizes that serve here."""
    return _search(read, position + 1)


_WALKS: tuple[tuple[int, bytes, Walk], ...] = (
    (8, b"WAVE", _wav),
    (8, b"AVI ", _avi),
    (0, b"riff\x2e\x91\xcf\x11", forms.w64),
    *((8, name, _aiff) for name in (b"AIFF", b"AIFC")),
    *((8, name, _svx) for name in (b"8SVX", b"16SV")),
    (0, b".snd", forms.au),
    (0, b"caff", forms.caf),
    *((4, name, forms.mp4) for name in sorted(BOXES)),
    (0, forms.ASF_HEADER, forms.asf),
    (0, b"FLV\x01", forms.flv),
    (0, b"\x1a\x45\xdf\xa3", forms.matroska),
    (0, b"Creative Voice File\x1a", forms.voc),
    (0, b"NIST_1A\n", forms.sphere),
    *((0, magic, forms.ircam) for magic in IRCAM_MAGICS),
    *((0, magic, forms.sox) for magic in (b".SoX", b"XoS.")),
    (0, b"TTA1", forms.tta),
    (0, b"wvpk", forms.wavpack),
    (0, b"OggS", forms.ogg),
    *((0, start, _up_to_header) for start in STARTS),
    (0, b"nut/multimedia c", _up_to_header),
    (0, b".RMF\0\0\0", forms.real),
    (0, b"#!AMR", walk_amr),
    (0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11", forms.wtv),
    (0, b"\0\0\x01\xba", walk_program),
    *((at, b"\x47\x40", transport.walk) for at in (0, 4)),
)
#: walks of forms whose size is compared with what follows: that may be sound (`declared_size`); and searches
_COUNTED = {
    _wav,
    forms.w64,
    _aiff,
    forms.au,
    forms.caf,
    forms.sphere,
    forms.sox,
    forms.ircam,
    forms.voc,
    _rest,
    _up_to_header,
}
#: walks of forms of which live streams have no size of the sound: all that follows their empty last part may be sound
_UNCOUNTED = {forms.asf, forms.real}
#: walks that look at more bytes at once
_LARGE_STEPS: dict[Walk, Walk] = {
    walk: partial(walk, searched=frames.MANY) for walk in (walk_frames, walk_amr, walk_program)
}
