"""What the headers of a file tell before it is decoded: will libsndfile read all of it, and is all of it there?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from asrcli.audio.containers import declared_size, mpeg, ogg

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]


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
    #: what the user should know
    warnings: tuple[str, ...] = ()


def scan_headers(read: Read, size: int, *, thorough: bool) -> HeaderScan:
    """Look at the headers.

    Args:
        read: see above.
        size: bytes of the file.
        thorough: look at all headers of a compressed file, not only at the first: some 20,000 x real time.
    """
    if read(4, 0) == b"OggS":
        return _ogg(read) if thorough else HeaderScan()
    found = mpeg.summary(read)
    if found is not None:
        return _mp3(read, size, found, thorough=thorough)
    claim = declared_size.declared_size(read)
    return HeaderScan(lacking=claim.lacking(size) if claim else 0.0)


def size_declared_in(head: bytes) -> declared_size.DeclaredSize | None:
    """The bytes that a stream should have, as far as its head tells."""
    read = _within(head)
    found = mpeg.summary(read)
    if found is None:
        return declared_size.declared_size(read)
    return declared_size.DeclaredSize(found.offset, found.claimed) if found.claimed else None


def _within(data: bytes) -> Read:
    return lambda size, position: data[position : position + size]


def _ogg(read: Read) -> HeaderScan:
    pages = ogg.walk(read)
    lost = () if pages.ended else ("perhaps truncated: the file lacks its end mark",)
    return HeaderScan(whole=pages.single, warnings=lost)


def _mp3(read: Read, size: int, found: mpeg.Mp3Summary, *, thorough: bool) -> HeaderScan:
    fits = mpeg.fits(found, size)
    if not thorough:
        known = found.count is not None or found.constant
        return HeaderScan(whole=fits, length="header" if known else "unknown")
    frames = mpeg.walk(read, found)
    cut = frames.unbroken and not frames.ended and found.claimed is None  # where a tag counts, the decoder will tell
    return HeaderScan(
        whole=fits and frames.unbroken and frames.told_by(found),
        streams=True,
        length="header" if found.count is not None else frames.count * found.frame,
        warnings=("perhaps truncated: the file ends in the middle of a frame",) if cut else (),
    )
