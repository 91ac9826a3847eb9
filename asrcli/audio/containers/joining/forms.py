"""The parts of files of each form, by the sizes in their headers."""

from collections.abc import Callable, Iterator

from asrcli.audio.containers.declared_size import declared_size
from asrcli.audio.containers.mp4 import is_fragment
from asrcli.audio.containers.mpeg import skip_tags
from asrcli.audio.containers.sized_sound import LONGEST_64, size_known
from asrcli.audio.containers.wavpack import block_at
from asrcli.audio.ffmpeg.frames import ebml_element

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: after every byte of a file; the same where the file is damaged, and a decoder may stop
UNKNOWN = 1 << 62
BROKEN = UNKNOWN + 1
#: the end of plain samples that the header does not count: another file may follow them
UNCOUNTED = BROKEN + 1
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
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
#: bytes of a box at most: more than any disk holds
_LONGEST_BOX = 1 << 48
#: types of FLV tags: sound, pictures, script data
_FLV_TAGS = {8, 9, 18}
#: the highest type of a block of Creative Voice files
_LAST_VOC_BLOCK = 9
#: chunks of RealMedia behind the first one, and bytes that ffmpeg counts too many for those with sound
_REAL_CHUNKS = {b"PROP", b"CONT", b"MDPR", b"DATA", b"INDX", b"RMMD", b"RMJE", b"RMMX"}
_REAL_SURPLUS = 10
#: bytes of the chunk with sound where nothing counts it, and of a packet's header
_REAL_EMPTY, _REAL_PACKET = 18, 12
#: bytes of a TTA file's table of frames at most
_LONGEST_TABLE = 1 << 22


def w64(read: Read, position: int) -> Iterator[int]:
    size = int.from_bytes(read(8, position + 16), "little")
    yield position + size + -size % 8 if 0 < size < LONGEST_64 else UNCOUNTED


def au(read: Read, position: int) -> Iterator[int]:
    head = read(12, position)
    size = int.from_bytes(head[8:], "big")
    yield position + int.from_bytes(head[4:8], "big") + size if size_known(size) else UNCOUNTED


def caf(read: Read, position: int) -> Iterator[int]:
    position += 8
    while len(head := read(12, position)) == 12 and head[:4] != b"caff" and head[:4].isalpha():
        size = int.from_bytes(head[4:], "big")  # all ones: the last chunk, of unknown size
        position += 12 + size
        yield position if size < LONGEST_64 else UNCOUNTED


def mp4(read: Read, position: int) -> Iterator[int]:
    """MP4 and QuickTime; the header of a fragmented file may be repeated within it."""
    seen: set[bytes] = set()
    time = -1
    while len(head := read(16, position)) >= 8:
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if name == b"ftyp" and {b"moov", b"mdat"} <= seen and (time < 0 or _next_time(read, position) <= time):
            return
        size = int.from_bytes(head[8:], "big") if size == 1 else size
        if not _is_name(name):
            return
        if not 8 <= size < _LONGEST_BOX:
            # 0: up to the end of the file, but fragments have sizes.
            yield BROKEN if size or b"moof" in seen else UNKNOWN
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


def asf(read: Read, position: int) -> Iterator[int]:
    """WMA, WMV."""
    start = position
    while len(head := read(24, position)) == 24 and (position == start or head[:16] in _ASF_OBJECTS):
        size = int.from_bytes(head[16:], "little")
        position = position + size if size >= 24 else UNKNOWN
        yield position


def flv(read: Read, position: int) -> Iterator[int]:
    position += int.from_bytes(read(4, position + 5), "big") + 4
    yield position
    while len(head := read(11, position)) == 11 and head[0] & 0x1F in _FLV_TAGS:
        position += 11 + int.from_bytes(head[1:4], "big") + 4
        yield position


def matroska(read: Read, position: int) -> Iterator[int]:
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


def sox(read: Read, position: int) -> Iterator[int]:
    return sphere(read, position)


def sphere(read: Read, position: int) -> Iterator[int]:
    claim = declared_size(lambda size, at: read(size, position + at))
    yield position + claim.offset + claim.size if claim and claim.size else UNCOUNTED


def ircam(_: Read, __: int) -> Iterator[int]:
    """Of a form whose header never has a size."""
    yield UNCOUNTED


def voc(read: Read, position: int) -> Iterator[int]:
    """Creative Voice: blocks, of which the last one has no size."""
    position += int.from_bytes(read(2, position + 20), "little")
    while len(head := read(4, position)) > 0 and head[0] <= _LAST_VOC_BLOCK:
        position += 4 + int.from_bytes(head[1:], "little") if head[0] else 1
        yield position
        if not head[0]:
            return


def tta(read: Read, position: int) -> Iterator[int]:
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


def wavpack(read: Read, position: int) -> Iterator[int]:
    before = None
    while block := block_at(read, position):
        if block.starts_file(before):
            return
        before = block if block.samples else before
        position += block.size
        yield position
    yield skip_tags(read, position)[0]


def ogg(read: Read, position: int) -> Iterator[int]:
    """RFC 3533, section 6. Where pages do not follow each other, the decoder finds the next one."""
    opening = True
    while (head := read(27, position))[:4] == b"OggS":
        if len(head) < 27:  # cut
            yield UNKNOWN
            return
        first = bool(head[5] & 2)
        if first and not opening:
            return
        opening = first
        position += 27 + head[26] + sum(read(head[26], position + 27))
        yield position


def real(read: Read, position: int) -> Iterator[int]:
    """RealMedia: chunks, of which that of a live stream's sound has no size."""
    position += int.from_bytes(read(4, position + 4), "big")
    yield position
    while len(head := read(8, position)) == 8 and head[:4] in _REAL_CHUNKS:
        size = int.from_bytes(head[4:], "big")
        position = position + size if size_known(size) else UNKNOWN
        if head[:4] == b"DATA" and size == _REAL_EMPTY:
            yield position
            yield from _real_packets(read, position)
            return
        yield position - _REAL_SURPLUS if head[:4] == b"DATA" and position < UNKNOWN else position


def _real_packets(read: Read, position: int) -> Iterator[int]:
    while len(head := read(4, position)) == 4 and head[:2] in {b"\0\0", b"\0\1"}:
        size = int.from_bytes(head[2:], "big")
        if size < _REAL_PACKET:
            break
        position += size
        yield position


def wtv(read: Read, position: int) -> Iterator[int]:
    """Sectors of 4 KiB, which the header counts."""
    sectors = int.from_bytes(read(4, position + 0x5C), "little")
    yield position + (sectors << 12) if sectors else UNKNOWN


def _is_name(name: bytes) -> bool:
    """Whether this can be the name of a box: some programs use spaces, QuickTime the sign of copyright."""
    name = name.removeprefix(b"\xa9").replace(b" ", b"x")
    return len(name) in {3, 4} and name.isascii() and name.isalnum()
