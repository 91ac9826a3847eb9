"""Where files end that are followed by others in one file or stream: by the sizes in their headers."""

import re
from collections.abc import Callable, Iterator
from functools import partial

from asrcli.audio.containers import packets, transport
from asrcli.audio.containers.declared_size import declared_size, size_known
from asrcli.audio.containers.flac import STARTS
from asrcli.audio.containers.mp4 import BOXES, is_fragment
from asrcli.audio.containers.mpeg import skip_tags, tag_size
from asrcli.audio.containers.packets import starts_frames, walk_frames, walk_program
from asrcli.audio.containers.sniff import has_signature
from asrcli.audio.ffmpeg.frames import ebml_element

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]
#: The positions after the parts of the file that starts at a position, in order. They end where the file ends, or with
#: `UNKNOWN`.
Walk = Callable[[Read, int], Iterator[int]]

#: after every byte of a file; the same where the file is damaged, and a decoder may stop
UNKNOWN = 1 << 62
BROKEN = UNKNOWN + 1
_MAGIC = 20
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
#: what may follow the header: Data, Simple Index, Index, Media Object Index, Timecode Index
_ASF_OBJECTS = {
    bytes.fromhex(guid)
    for guid in (
        "3626b2758e66cf11a6d900aa0062ce6c", "90080033b1e5cf1189f400a0c90349cb", "d329e2d6da35d111903400a0c90349be",
        "f803b1fead12644c840f2a1d2f7ad48c", "d03fb73c4a0c0348953dedf7b6228f0c",
    )
}  # fmt: skip
_EBML = 0x1A45DFA3
_SEGMENT, _CLUSTER, _VOID, _CRC = 0x18538067, 0x1F43B675, 0xEC, 0xBF
_MATROSKA_IDS = {_EBML, _SEGMENT, _VOID, _CRC}
#: what may be of unknown size
_OPEN_ENDED = {_SEGMENT, _CLUSTER}
#: what is in a Segment and in a Cluster
_MATROSKA_INNER_IDS = {
    *(_CLUSTER, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1043A770, 0x1941A469, 0x1254C367),
    *(0xE7, 0xA0, 0xA3, 0xA7, 0xAB, 0xAF, 0x5854),
}
#: boxes between the start of a fragmented file and its first fragment, and bytes of a fragment that give its time
_HEADER_BOXES, _LONGEST_MOOF = 8, 4096
#: types of FLV tags: sound, pictures, script data
_FLV_TAGS = {8, 9, 18}
#: the highest type of a block of Creative Voice files
_LAST_VOC_BLOCK = 9
#: bytes of a TTA file's table of frames at most
_LONGEST_TABLE = 1 << 22
#: bytes of a stream that are searched for the next header at once
_SEARCHED = 4096
#: what a file starts with, and how much of it
_HEADERS = re.compile(
    rb"RIF[FX]....(?:WAVE|AVI )|RF64....WAVE|riff\x2e\x91\xcf\x11|FORM....(?:AIF[FC]|8SVX|16SV)|\.snd\0\0\0"
    rb"|caff\0\x01\0\0|\0\0\0[\x08-\x40]ftyp|\x30\x26\xb2\x75\x8e\x66\xcf\x11|FLV\x01[\x01\x04\x05]\0\0\0\t"
    rb"|\x1a\x45\xdf\xa3[\x01\x80-\xff]|Creative Voice File\x1a|TTA1|wvpk.{12}\0{4}|OggS\0\x02|fLaC[\0\x80]\0\0\x22"
    rb"|nut/multimedia c|ID3[\x02-\x04]\0|NIST_1A\n {3}|#!AMR(?:-WB)?\n|\.RMF\0\0\0|G@.{186}G@?.{186,187}G",
    re.DOTALL,
)
_LONGEST_HEADER = 400
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


def ends(walk: Walk, read: Read, position: int, *, live: bool = True) -> Iterator[int]:
    """The positions of a walk beyond the start; all bytes are those of a file that is cut in its first part. `live`:
    more bytes may have to be waited for.
    """
    last = position
    for last in (walk if live else _LARGE_STEPS.get(walk, walk))(read, position):
        if last > position:
            yield last
            if last < UNKNOWN and _marked(read, last) not in {None, walk}:
                return
    if last <= position:
        yield UNKNOWN
    elif walk in _SMALL_PARTS and walk_of(read, last) is None:  # damage, or what belongs to this file
        yield from _search(read, last)


def _rest(_: Read, __: int) -> Iterator[int]:
    """Of a form without a walk: all that follows."""
    yield UNKNOWN


def _riff(read: Read, position: int) -> Iterator[int]:
    """WAV, and AVI, which may continue in further RIFF chunks."""
    head = read(12, position)
    order, further = "big" if head[:4] == b"RIFX" else "little", head[8:12] == b"AVI "
    while True:
        size = int.from_bytes(head[4:8], order)  # type: ignore[arg-type]
        if head[:4] in {b"RF64", b"BW64"}:
            size = int.from_bytes(read(8, position + 20), "little")
        if not size_known(size):
            yield UNKNOWN
            return
        position = _padded(read, position + 8, size)
        yield position
        head = read(12, position) if further else b""
        if head[8:12] != b"AVIX":
            return


def _w64(read: Read, position: int) -> Iterator[int]:
    size = int.from_bytes(read(8, position + 16), "little")
    yield position + size + -size % 8


def _iff(read: Read, position: int) -> Iterator[int]:
    size = int.from_bytes(read(4, position + 4), "big")
    yield _padded(read, position + 8, size) if size_known(size) else UNKNOWN


def _padded(read: Read, body: int, size: int) -> int:
    """The end of a chunk; some programs leave out the byte that makes it even."""
    end = body + size
    return end + 1 if size % 2 and walk_of(read, end) is None else end


def _au(read: Read, position: int) -> Iterator[int]:
    head = read(12, position)
    size = int.from_bytes(head[8:], "big")
    yield position + int.from_bytes(head[4:8], "big") + size if size_known(size) else UNKNOWN


def _caf(read: Read, position: int) -> Iterator[int]:
    position += 8
    while len(head := read(12, position)) == 12 and head[:4] != b"caff" and head[:4].isalpha():
        position += 12 + int.from_bytes(head[4:], "big")  # all ones: the last chunk, of unknown size
        yield position


def _mp4(read: Read, position: int) -> Iterator[int]:
    """MP4 and QuickTime; the header of a fragmented file may be repeated within it."""
    seen: set[bytes] = set()
    time = -1
    while len(head := read(16, position)) >= 8:
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if name == b"ftyp" and {b"moov", b"mdat"} <= seen and (time < 0 or _next_time(read, position) <= time):
            return
        size = int.from_bytes(head[8:], "big") if size == 1 else size
        if size < 8 or not name.isalnum():
            if walk_of(read, position) is None:
                yield UNKNOWN if name.isalnum() else BROKEN
            return
        if name == b"moof":
            moof = read(min(size, _LONGEST_MOOF), position)
            if len(moof) == size and not is_fragment(moof[8:]):
                yield BROKEN
                return
            time = max(time, _time(moof))
        seen.add(name)
        position += size
        yield position


def _next_time(read: Read, position: int) -> int:
    """The time of the next fragment after a header, -1 if there is none."""
    for _ in range(_HEADER_BOXES):
        head = read(8, position)
        size = int.from_bytes(head[:4], "big")
        if head[4:] == b"moof":
            return _time(read(min(size, _LONGEST_MOOF), position))
        if size < 8 or head[4:] == b"mdat":
            break
        position += size
    return -1


def _time(moof: bytes) -> int:
    """The time at which a fragment starts, in units of its first track (ISO 14496-12, 8.8.12)."""
    at = moof.find(b"tfdt") + 4
    return int.from_bytes(moof[at + 4 : at + (12 if moof[at : at + 1] == b"\1" else 8)], "big") if at > 3 else 0


def _asf(read: Read, position: int) -> Iterator[int]:
    """WMA, WMV."""
    start = position
    while len(head := read(24, position)) == 24 and (position == start or head[:16] in _ASF_OBJECTS):
        size = int.from_bytes(head[16:], "little")
        position = position + size if size >= 24 else UNKNOWN
        yield position


def _flv(read: Read, position: int) -> Iterator[int]:
    position += int.from_bytes(read(4, position + 5), "big") + 4
    yield position
    while len(head := read(11, position)) == 11 and head[0] & 0x1F in _FLV_TAGS:
        position += 11 + int.from_bytes(head[1:4], "big") + 4
        yield position


def _matroska(read: Read, position: int) -> Iterator[int]:
    """RFC 9559. Segments and clusters of unknown size, as live streams have, end where no part of them follows."""
    start, known = position, _MATROSKA_IDS
    while len(head := read(16, position)) > 12:
        try:
            name, size, body = ebml_element(head, 0)
        except IndexError:  # no element
            return
        if name not in known or (name == _EBML and position > start):
            return
        unknown = size and size.bit_count() % 7 == 0 and not size & (size + 1)  # all ones
        if unknown and name in _OPEN_ENDED:
            size, known = 0, _MATROSKA_IDS | _MATROSKA_INNER_IDS
        elif unknown:
            body = UNKNOWN
        position += body + size
        yield position


def _sphere(read: Read, position: int) -> Iterator[int]:
    claim = declared_size(lambda size, at: read(size, position + at))
    yield position + claim.offset + claim.size if claim and claim.size else UNKNOWN


def _voc(read: Read, position: int) -> Iterator[int]:
    """Creative Voice: blocks, of which the last one has no size."""
    position += int.from_bytes(read(2, position + 20), "little")
    while len(head := read(4, position)) > 0 and head[0] <= _LAST_VOC_BLOCK:
        position += 4 + int.from_bytes(head[1:], "little") if head[0] else 1
        yield position
        if not head[0]:
            return


def _tta(read: Read, position: int) -> Iterator[int]:
    head = read(22, position)
    rate, samples = int.from_bytes(head[10:14], "little"), int.from_bytes(head[14:18], "little")
    table = 4 * -(-samples // max(1, 256 * rate // 245))
    if table > _LONGEST_TABLE:
        yield UNKNOWN
        return
    sizes = read(table, position + 22)
    position += 22 + table + 4
    position += sum(int.from_bytes(sizes[at : at + 4], "little") for at in range(0, table, 4))
    yield position
    yield skip_tags(read, position)[0]


def _wavpack(read: Read, position: int) -> Iterator[int]:
    inside = False
    while len(head := read(32, position)) == 32 and head[:4] == b"wvpk":
        first = not any(head[16:20]) and any(head[20:24])
        if first and inside:
            return
        inside = inside or not first
        position += 8 + int.from_bytes(head[4:8], "little")
        yield position
    yield skip_tags(read, position)[0]


def _ogg(read: Read, position: int) -> Iterator[int]:
    """RFC 3533, section 6. Where pages do not follow each other, the decoder finds the next one."""
    opening = True
    while head := read(27, position):
        if len(head) < 27 or head[:4] != b"OggS":
            yield UNKNOWN
            return
        first = bool(head[5] & 2)
        if first and not opening:
            return
        opening = first
        position += 27 + head[26] + sum(read(head[26], position + 27))
        yield position


def _search(read: Read, position: int) -> Iterator[int]:
    """Positions up to the next header of a form that has a walk."""
    while window := read(_SEARCHED, position):
        for found in _HEADERS.finditer(window):
            if walk_of(read, position + found.start()):
                yield position + found.start()
                return
        position += len(window) - _LONGEST_HEADER if len(window) == _SEARCHED else len(window)
        yield position


def _up_to_header(read: Read, position: int) -> Iterator[int]:
    """Of forms whose parts have no sizes that serve here."""
    return _search(read, position + 1)


_WALKS: tuple[tuple[int, bytes, Walk], ...] = (
    *((8, name, _riff) for name in (b"WAVE", b"AVI ")),
    (0, b"riff\x2e\x91\xcf\x11", _w64),
    *((8, name, _iff) for name in (b"AIFF", b"AIFC", b"8SVX", b"16SV")),
    (0, b".snd", _au),
    (0, b"caff", _caf),
    *((4, name, _mp4) for name in sorted(BOXES)),
    (0, _ASF_HEADER, _asf),
    (0, b"FLV\x01", _flv),
    (0, b"\x1a\x45\xdf\xa3", _matroska),
    (0, b"Creative Voice File\x1a", _voc),
    (0, b"NIST_1A\n", _sphere),
    (0, b"TTA1", _tta),
    (0, b"wvpk", _wavpack),
    (0, b"OggS", _ogg),
    *((0, start, _up_to_header) for start in STARTS),
    *((0, start, _up_to_header) for start in (b"nut/multimedia c", b".RMF\0\0\0")),
    (0, b"\0\0\x01\xba", walk_program),
    *((at, b"\x47\x40", transport.walk) for at in (0, 4)),
)
#: walks over small parts, after which the next header is searched; what follows a large one may be sound
_SMALL_PARTS = {walk_frames, walk_program, _flv, _asf, _wavpack}
#: walks that look at more bytes at once
_LARGE_STEPS: dict[Walk, Walk] = {
    transport.walk: partial(transport.walk, packets=transport.MANY),
    walk_frames: partial(walk_frames, searched=packets.MANY),
    walk_program: partial(walk_program, searched=packets.MANY),
}
