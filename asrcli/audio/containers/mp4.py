"""The audio tracks of an MP4 or QuickTime file, read from its index before decoding."""

from collections.abc import Callable, Iterator

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: first boxes of MP4 and QuickTime
BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
#: sample entries of encrypted sound: Common Encryption (ISO 23001-7), FairPlay, Audible
_ENCRYPTED = {b"enca", b"drms", b"aavd"}
_OPEN = {
    *(b"mp4a", b"alac", b"ac-3", b"ec-3", b"Opus", b"fLaC", b".mp3", b"samr", b"sawb", b"sowt", b"twos", b"lpcm"),
    *(b"in24", b"in32", b"fl32", b"fl64", b"ulaw", b"alaw", b"ima4", b"dtsc", b"mha1", b"mhm1"),
}
#: bytes of an index at most, and top-level boxes
_LONGEST_INDEX = 64 << 20
_MAX_BOXES = 10_000
_PIECE, _HEADER = 1 << 20, 16
_BOXES_OF_SOUND = (b"moof", b"moov", b"ftyp")


def is_encrypted(read: Read) -> bool:
    """Whether all audio tracks are encrypted."""
    entries = set()
    for name, body, size in _boxes(read):
        if name == b"moov":
            index = read(min(size, _LONGEST_INDEX), body)
            at = index.find(b"stsd")
            while at >= 0:
                entries.add(index[at + 16 : at + 20])  # after version, count and the entry's size
                at = index.find(b"stsd", at + 4)
            break
    return bool(entries & _ENCRYPTED) and not entries & _OPEN


def unread_share(read: Read, size: int) -> float:
    """The part of a file of `size` bytes behind a damaged box, if there is more of the recording, or another one: no
    decoder reads that.
    """
    position, fragmented = 0, False
    for name, body, length in _boxes(read):
        if body + length > size:
            break
        position, fragmented = body + length, fragmented or name == b"moof"
    header = read(16, position)
    length, name = int.from_bytes(header[:4], "big"), header[4:8]
    length = int.from_bytes(header[8:], "big") if length == 1 else length
    # Undamaged: a box that the end of the file cuts, and the next one where there are too many to follow.
    whole = length >= 8 and position + length <= size
    whole = whole or (name == b"mdat" and not fragmented)
    return 0.0 if whole or not _goes_on(read, position + 8) else 1 - position / size


def ends_inside(read: Read, size: int) -> bool:
    """Whether a file of `size` bytes in fragments ends within the sound of one."""
    end, last, fragmented = 0, b"", False
    for last, body, length in _boxes(read):
        end, fragmented = body + length, fragmented or last == b"moof"
    return fragmented and last == b"mdat" and size < end < 1 << 48


def is_fragment(moof: bytes) -> bool:
    """Whether the boxes in a fragment's header follow each other up to its end."""
    return _is_filled(moof) and all(_is_filled(traf) for traf in _children(moof, b"traf"))


def damaged_fragments(read: Read) -> int:
    """Fragments whose header is damaged: decoders leave them out."""
    moofs = (read(size, body) for name, body, size in _boxes(read) if name == b"moof" and size <= _LONGEST_INDEX)
    return sum(not is_fragment(moof) for moof in moofs)


def _is_filled(data: bytes) -> bool:
    at = 0
    while at + 8 <= len(data) and (size := int.from_bytes(data[at : at + 4], "big")) >= 8:
        at += size
    return at == len(data)


def fragments_end(read: Read, size: int) -> float | None:
    """Seconds at which the first audio track ends by the last fragment in the file (ISO 14496-12, 8.8)."""
    indexes = (read(min(length, _LONGEST_INDEX), body) for name, body, length in _boxes(read) if name == b"moov")
    track = _audio_track(next(indexes, b""))
    start = max(0, size - _PIECE)
    tail = read(_PIECE, start)
    at = -1 if b"ftyp" in tail[_HEADER:] else tail.rfind(b"moof")  # of another file
    while track and at >= 4:
        fragment = tail[at + 4 : at - 4 + int.from_bytes(tail[at - 4 : at], "big")]
        for traf in _children(fragment, b"traf"):
            if end := _fragment_end(traf, *track):
                return end
        at = tail.rfind(b"moof", 0, at)
    return None


def _audio_track(index: bytes) -> tuple[int, int, int] | None:
    """(number, units a second, units of a sample) of the first audio track."""
    durations = {}
    for extends in _children(index, b"mvex"):
        for default in _children(extends, b"trex"):
            durations[default[4:8]] = int.from_bytes(default[12:16], "big")
    for track in _children(index, b"trak"):
        header, media = _child(track, b"tkhd"), _child(track, b"mdia")
        if _child(media, b"hdlr")[8:12] == b"soun":
            clock = _child(media, b"mdhd")
            number = header[20:24] if header[:1] == b"\1" else header[12:16]
            units = clock[20:24] if clock[:1] == b"\1" else clock[12:16]
            return int.from_bytes(number, "big"), int.from_bytes(units, "big"), durations.get(number, 0)
    return None


def _fragment_end(traf: bytes, number: int, units: int, default: int) -> float | None:
    """Seconds at which a track's part of a fragment ends; None for other tracks."""
    header, time = _child(traf, b"tfhd"), _child(traf, b"tfdt")
    if not units or not time or int.from_bytes(header[4:8], "big") != number:
        return None
    flags = int.from_bytes(header[1:4], "big")
    if flags & 8:
        at = 8 + 8 * (flags & 1) + 4 * (flags >> 1 & 1)
        default = int.from_bytes(header[at : at + 4], "big")
    end = int.from_bytes(time[4:12] if time[:1] == b"\1" else time[4:8], "big")
    for run in _children(traf, b"trun"):
        flags, count = int.from_bytes(run[1:4], "big"), int.from_bytes(run[4:8], "big")
        width = 4 * (flags >> 8 & 15).bit_count()
        at = 8 + 4 * (flags & 1) + 4 * (flags >> 2 & 1)
        own = [int.from_bytes(run[place : place + 4], "big") for place in range(at, len(run), width or 4)]
        end += sum(own[:count]) if flags & 0x100 else count * default
    return end / units


def _children(data: bytes, wanted: bytes) -> Iterator[bytes]:
    """The bodies of the boxes of a name in a box."""
    at = 0
    while at + 8 <= len(data) and (size := int.from_bytes(data[at : at + 4], "big")) >= 8:
        if data[at + 4 : at + 8] == wanted:
            yield data[at + 8 : at + size]
        at += size


def _child(data: bytes, wanted: bytes) -> bytes:
    return next(_children(data, wanted), b"")


def _goes_on(read: Read, position: int) -> bool:
    """Whether boxes with sound follow somewhere."""
    while piece := read(_PIECE, position):
        if any(name in piece for name in _BOXES_OF_SOUND):
            return True
        position += max(1, len(piece) - 3)
    return False


def _boxes(read: Read) -> Iterator[tuple[bytes, int, int]]:
    """(name, body's position, body's size) of each top-level box."""
    position = 0
    for _ in range(_MAX_BOXES):
        header = read(16, position)
        if len(header) < 8:
            return
        size, start = int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, start = int.from_bytes(header[8:16], "big"), 16
        if size and size < start:
            return
        yield header[4:8], position + start, size - start if size else 1 << 48
        if not size:
            return
        position += size
