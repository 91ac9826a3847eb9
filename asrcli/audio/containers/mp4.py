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
_PIECE = 1 << 20


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
    """The part of a file of `size` bytes behind a damaged box, if it has further fragments: no decoder reads them."""
    position = 0
    for _, body, length in _boxes(read):
        if body + length > size:
            break
        position = body + length
    header = read(8, position)
    length, name = int.from_bytes(header[:4], "big"), header[4:]
    # Undamaged: a box that the end of the file cuts, and the next one where there are too many to follow.
    whole = length == 1 or (length >= 8 and (name == b"moof" or position + length <= size))
    return 0.0 if name == b"mdat" or whole or not _has_fragment(read, position + 8) else 1 - position / size


def _has_fragment(read: Read, position: int) -> bool:
    while piece := read(_PIECE, position):
        if b"moof" in piece:
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
