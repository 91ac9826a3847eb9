"""What the headers of a file tell before it is decoded: will libsndfile read all of it, and is all of it there?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from asrcli.audio.containers import declared_size, flac, mpeg, ogg, packets
from asrcli.audio.containers.sniff import is_mpeg_audio

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]
#: joined recordings that are decoded one by one; a file of more is decoded in one go
_MAX_PARTS = 1000


@dataclass(frozen=True, slots=True)
class HeaderScan:
    """What is known of a file."""

    #: libsndfile will read all of it. It stops where an MP3 was cut, damaged, joined from several (and its MP3 decoder
    #: complains on our stderr) or longer than its first frames suggest, and reads the first of several Ogg recordings.
    whole: bool = True
    #: libsndfile would read all of it through a pipe
    streams: bool = False
    #: for `SoundReader`
    length: float | Literal["header", "unknown"] = "header"
    #: part of the sound's bytes that the header claims and the file lacks
    lacking: float = 0.0
    #: (start, end) in bytes of recordings that were joined; decoders give up where channels or rate change
    parts: tuple[tuple[int, int], ...] = ()
    #: where the sound ends in the file, where the header's size is missing or wrong
    sound_end: int | None = None
    #: (position, bytes): the header's size fields as they should be
    patches: tuple[tuple[int, bytes], ...] = ()
    #: what the user should know
    warnings: tuple[str, ...] = ()


def scan_headers(read: Read, size: int, *, thorough: bool) -> HeaderScan:
    """Read the headers of a file of `size` bytes; with `thorough` all headers of a compressed file, at some 20,000 x
    real time.
    """
    head = read(4, 0)
    if head == b"OggS":
        return _ogg(read) if thorough else HeaderScan()
    if head == b"fLaC":
        return _flac(read, size) if thorough else HeaderScan()
    found = mpeg.summary(read)
    if found is not None:
        return _mp3(read, size, found, thorough=thorough)
    if claim := declared_size.declared_size(read):
        return _sized(read, size, claim)
    cut = thorough and packets.ends_inside(read, size)
    warnings = ("perhaps truncated: the file ends in the middle of a packet",) if cut else ()
    if head[:3] == b"ID3" or is_mpeg_audio(head):  # layer II, or another format behind a tag
        return HeaderScan(whole=False, streams=True, length="unknown", warnings=warnings)
    return HeaderScan(warnings=warnings)


def _sized(read: Read, size: int, claim: declared_size.DeclaredSize) -> HeaderScan:
    end = claim.end(read, size)
    if claim.size and end <= claim.offset + claim.size:
        return HeaderScan(lacking=claim.lacking(size))
    if parts := _riff_parts(read, size):
        return HeaderScan(whole=False, parts=parts)
    wrong = f"header: the size in the header is wrong: {(end - claim.offset) / max(1, claim.size):.1f} times as much"
    return HeaderScan(
        sound_end=end,
        patches=tuple(patch for field in claim.fields if (patch := field.patch(end))),
        warnings=(f"{wrong} sound is there, and all of it was read",) if claim.size else (),
    )


def _riff_parts(read: Read, size: int) -> tuple[tuple[int, int], ...]:
    """WAV files that follow each other, as their RIFF sizes say; none where that is not so."""
    starts: list[int] = []
    position = 0
    while position < size and len(starts) <= _MAX_PARTS:
        head = read(12, position)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return ()
        starts.append(position)
        length = int.from_bytes(head[4:8], "little")
        position += 8 + length + length % 2
    return _joined(tuple(zip(starts, [*starts[1:], size], strict=True)))


def size_declared_in(head: bytes) -> declared_size.DeclaredSize | None:
    """The bytes that a stream should have, as far as its header shows."""
    read = _within(head)
    found = mpeg.summary(read)
    if found is None:
        claim = declared_size.declared_size(read)
        return claim if claim and claim.size else None
    return declared_size.DeclaredSize(found.offset, found.claimed) if found.claimed else None


def _within(data: bytes) -> Read:
    return lambda size, position: data[position : position + size]


def _ogg(read: Read) -> HeaderScan:
    pages = ogg.walk(read)
    lost = () if pages.ended else ("perhaps truncated: the file lacks its end mark",)
    return HeaderScan(whole=pages.plain, parts=_joined(pages.parts), warnings=lost)


def _flac(read: Read, size: int) -> HeaderScan:
    parts = tuple(flac.parts(read, size))
    return HeaderScan(whole=len(parts) == 1 and flac.counts_all(read, size), parts=_joined(parts))


def _mp3(read: Read, size: int, found: mpeg.Mp3Summary, *, thorough: bool) -> HeaderScan:
    fits = mpeg.fits(found, size)
    if not thorough:
        known = found.count is not None or found.constant
        return HeaderScan(whole=fits, length="header" if known else "unknown")
    if found.free:
        return HeaderScan(whole=False, streams=True, length="unknown")
    frames = mpeg.walk(read, found)
    cut = frames.unbroken and not frames.ended and found.claimed is None  # where a tag counts, the decoder will tell
    known = found.count is not None and len(frames.parts) == 1
    joined = _joined(frames.parts) if frames.unbroken else ()
    whole = fits and found.clean and frames.unbroken and frames.follows(found) and len(frames.parts) == 1
    # ffmpeg takes padding after a tag for damage: it gets the frames only.
    padded = fits and found.offset not in {0, mpeg.tag_size(read(10, 0))}
    return HeaderScan(
        whole=whole,
        streams=True,
        length="header" if known else frames.seconds,
        parts=frames.parts if frames.unbroken and padded and len(frames.parts) == 1 else joined,
        warnings=("perhaps truncated: the file ends in the middle of a frame",) if cut else (),
    )


def _joined(parts: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return parts if 1 < len(parts) <= _MAX_PARTS else ()
