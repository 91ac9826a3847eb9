"""What the headers of a file tell before it is decoded: will libsndfile read all of it, and is all of it there?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from asrcli.audio.containers import avi, declared_size, flac, mp4, mpeg, ogg, packets, wavpack
from asrcli.audio.containers.joining.files import JoinedFiles, joined_files, unknown_bytes
from asrcli.audio.containers.sized_sound import DeclaredSize
from asrcli.audio.containers.sniff import is_mpeg_audio

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]
INSIDE_PACKET = "perhaps truncated: the recording ends in the middle of a packet"
NO_END_MARK = "perhaps truncated: the recording lacks its end mark"
WRONG_OFFSET = "header: the samples begin elsewhere than the header has it; they were read from there"
_WHOLE_FRAME = "with a complete frame, as a part that was copied without decoding does"
_UNTIMED = "for which the file has no time; times may be too early by so much"
SHORTENED = "perhaps truncated: the time of the last page is before the end of the sound, which decoders leave out"
#: joined recordings that are decoded one by one; a file of more is decoded in one go
_MAX_PARTS = 1000
#: bytes behind the sound, and seconds of it, that are not worth a warning
_SMALL, _LEAST_LACKING = 256, 0.25
#: where the header of RealMedia has the number of packets and their duration
_REAL_HEAD, _REAL_COUNTS = 52, slice(44, 52)


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
    #: seconds of sound that the header counts, where ffmpeg does not rely on it
    counted: float | None = None
    #: seconds of silence before the sound that decoders do not count
    lead: float = 0.0
    #: the lengths in the header are placeholders
    uncounted: bool = False
    #: part of the sound's bytes that the header claims and the file lacks
    lacking: float = 0.0
    #: (start, end) in bytes of recordings that were joined; decoders give up where channels or rate change
    parts: tuple[tuple[int, int], ...] = ()
    #: the length in the header of the first of them is that of all
    counts_parts: bool = False
    #: where the sound ends in the file, where the header's size is missing or wrong
    sound_end: int | None = None
    #: further chunks of samples follow the first one
    divided: bool = False
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
        return _ogg(read, size) if thorough else HeaderScan(whole=not ogg.has_several_tracks(read))
    if head == b"fLaC":
        return _flac(read, size) if thorough else HeaderScan()
    found = mpeg.summary(read)
    if found is not None:
        return _mp3(read, size, found, thorough=thorough)
    joined = joined_files(read, size, _MAX_PARTS) if thorough else JoinedFiles()
    unknown = tuple(map(unknown_bytes, joined.unknown)) + (INSIDE_PACKET,) * joined.cut
    if joined.parts:
        lacking = wavpack.missing_behind(read, joined.parts)
        if lacking is not None and lacking > _LEAST_LACKING:
            unknown += (
                f"truncated: {lacking:.1f} s that the first header counts are missing after the last recording",
            )
        patches = tuple(_part_patches(read, joined.parts))
        return HeaderScan(
            whole=False, parts=joined.parts, counts_parts=lacking is not None, patches=patches, warnings=unknown
        )
    if thorough and has_placeholders(read):
        cut = avi.ends_inside(read, size) or joined.cut
        seen = HeaderScan(uncounted=True, lead=avi.lead(read).empty, warnings=(INSIDE_PACKET,) * cut)
    elif (patch := declared_size.right_offset(read, size)) is not None:
        seen = HeaderScan(sound_end=size, patches=(patch,), warnings=(WRONG_OFFSET,))
    elif claim := declared_size.declared_size(read):
        is_avi = thorough and claim.size and read(4, 8) == b"AVI "
        seen = _avi(read, size, claim) if is_avi else _sized(read, size, claim)
    else:
        seen = _uncounted(read, size, thorough=thorough)
    return seen if seen.lacking or seen.warnings else replace(seen, warnings=unknown)


def _part_patches(read: Read, parts: tuple[tuple[int, int], ...]) -> Iterator[tuple[int, bytes]]:
    """Of joined files, the size fields of those that have no size."""
    for start, end in parts:
        claim = declared_size.declared_size(_from(read, start))
        if claim and not claim.size:
            yield from ((start + at, right) for at, right in _patches(claim, end - start))


def _from(read: Read, start: int) -> Read:
    return lambda size, position: read(size, start + position)


def has_placeholders(read: Read) -> bool:
    """Whether the lengths in a header are placeholders: of AVI and RealMedia that were written to a pipe."""
    head = read(_REAL_HEAD, 0)
    real = head[:4] == b".RMF" and head[18:22] == b"PROP" and not any(head[_REAL_COUNTS])
    return real or avi.is_open_ended(read)


def _uncounted(read: Read, size: int, *, thorough: bool) -> HeaderScan:
    """Of a form whose header has no size."""
    head = read(8, 0)
    if thorough and head[4:] in mp4.BOXES:
        lacking, damaged = mp4.unread_share(read, size), mp4.damaged_fragments(read)
        return HeaderScan(
            lacking=lacking,
            counted=mp4.fragments_end(read, size) if lacking else None,
            warnings=(f"damaged: {damaged} parts of the file cannot be read; sound is missing there",) * bool(damaged)
            + (INSIDE_PACKET,) * mp4.ends_inside(read, size),
        )
    warnings: tuple[str, ...] = (INSIDE_PACKET,) if thorough and packets.ends_inside(read, size) else ()
    if thorough:
        warnings += warnings_of_breaks(packets.breaks(read))
        if read(19, 0) == b"Creative Voice File":
            end, more = packets.voc_end(read)
            if end >= size:
                return HeaderScan(lacking=1 - size / end, warnings=(NO_END_MARK,))
            if more:
                warnings += ("damaged: the blocks of sound end before the file does; what follows was not read",)
    if head[:3] == b"ID3" or is_mpeg_audio(head):  # layer II, or another format behind a tag
        return HeaderScan(whole=False, streams=True, length="unknown", warnings=warnings)
    return HeaderScan(warnings=warnings)


def _sized(read: Read, size: int, claim: DeclaredSize) -> HeaderScan:
    end = claim.end(read, size)
    seen = _at_end(read, size, claim, end)
    inside = claim.ends_inside(end)
    return replace(seen, warnings=(*seen.warnings, INSIDE_PACKET)) if inside else seen


def _at_end(read: Read, size: int, claim: DeclaredSize, end: int) -> HeaderScan:
    if claim.size and end <= claim.offset + claim.size:
        if claim.is_divided(read, size):
            return HeaderScan(divided=True, sound_end=end, patches=_patches(claim, end))
        if end < size and read(4, 0) == b"NIST":
            return _sphere(read, size, claim, end)
        if end < size < claim.offset + claim.size:
            return HeaderScan(lacking=claim.lacking(end), sound_end=end, patches=_patches(claim, end))
        # libsndfile reads what follows the sound of Wave64 up to the end of the file.
        behind = end < size and claim.chunks == "guid"
        return HeaderScan(lacking=claim.lacking(size), sound_end=end if behind else None)
    return HeaderScan(
        sound_end=end,
        patches=_patches(claim, end),
        warnings=(_more_than_claimed(claim, end),) if claim.size else (),
    )


def _sphere(read: Read, size: int, claim: DeclaredSize, end: int) -> HeaderScan:
    """Of a file with more bytes than samples."""
    if size - end <= _SMALL or mpeg.tag_size(read(32, end)):
        return HeaderScan(sound_end=end)
    return HeaderScan(warnings=(_more_than_claimed(claim, size),))


def _more_than_claimed(claim: DeclaredSize, end: int) -> str:
    times = (end - claim.offset) / max(1, claim.size)
    return f"header: the size in the header is wrong: {times:.1f} times as much sound is there, and all of it was read"


def _avi(read: Read, size: int, claim: DeclaredSize) -> HeaderScan:
    lost, lead = tuple(avi.lost_headers(read)), avi.lead(read)
    warnings: tuple[str, ...] = ()
    if lost:
        warnings += (f"damaged: {len(lost)} parts of the file cannot be read; sound may be missing there",)
    if lead.pictures:
        warnings += (f"timestamps: {lead.pictures:.1f} s of pictures come before the first sound, {_UNTIMED}",)
    return HeaderScan(
        lacking=claim.lacking(size),
        lead=lead.empty,
        counted=avi.counted_seconds(read),
        sound_end=size,
        patches=lost,
        warnings=warnings,
    )


def _patches(claim: DeclaredSize, end: int) -> tuple[tuple[int, bytes], ...]:
    return tuple(patch for field in claim.fields if (patch := field.patch(end)))


def warnings_at_end(read: Read, size: int) -> tuple[str, ...]:
    """Of a stream, all of which was read; `read` gives its first and its last bytes."""
    if read(4, 0) == b"OggS":
        return () if ogg.has_end_mark(read, size) else (NO_END_MARK,)
    if part := flac.copied_part(read, size):
        return (_of_part(part),)
    claim = declared_size.declared_size(read)
    inside = claim is not None and not claim.fields and claim.ends_inside(size)
    return (INSIDE_PACKET,) if inside or packets.ends_inside(read, size) else ()


def warnings_of_breaks(count: int) -> tuple[str, ...]:
    """`count`: places where frames do not follow each other."""
    if not count:
        return ()
    return (f"damaged: frames do not follow each other (places: {count}); sound may be missing there",)


def size_declared_in(head: bytes) -> DeclaredSize | None:
    """The bytes that a stream should have, as far as its header shows."""
    read = _within(head)
    found = mpeg.summary(read)
    if found is None:
        claim = declared_size.declared_size(read)
        return claim if claim and claim.size else None
    return DeclaredSize(found.offset, found.claimed) if found.claimed else None


def _within(data: bytes) -> Read:
    return lambda size, position: data[position : position + size]


def _ogg(read: Read, size: int) -> HeaderScan:
    pages = ogg.walk(read)
    if pages.ended:
        return HeaderScan(whole=pages.plain, parts=_joined(pages.parts), warnings=(SHORTENED,) * pages.shortened)
    joined = joined_files(read, size, _MAX_PARTS)
    lost = tuple(map(unknown_bytes, joined.unknown))
    if joined.parts:
        cut = read(4, joined.parts[-1][0]) == b"OggS" and not ogg.has_end_mark(read, size)
        return HeaderScan(whole=False, parts=joined.parts, warnings=lost + (NO_END_MARK,) * cut)
    if not lost or not ogg.has_end_mark(read, size):
        lost += (NO_END_MARK,)
    return HeaderScan(whole=pages.plain, parts=_joined(pages.parts), warnings=lost)


def _flac(read: Read, size: int) -> HeaderScan:
    if part := flac.copied_part(read, size):
        return HeaderScan(whole=False, length="unknown", uncounted=True, warnings=(_of_part(part),))
    if flac.counts_all(read, size):
        return HeaderScan()
    return HeaderScan(whole=False, parts=joined_files(read, size, _MAX_PARTS).parts)  # Ogg may hold FLAC, too


def is_copied_part(read: Read, size: int) -> bool:
    """Whether a FLAC stream, so far, is a part of the recording whose length its header has."""
    return flac.copied_part(read, size) is not None


def _of_part(part: flac.FlacPart) -> str:
    start, end, total = part.seconds()
    if part.start:
        return f"header: the file is a part of a recording of {total:.1f} s, from {start:.1f} s to {end:.1f} s"
    return f"perhaps truncated: the header counts {total:.1f} s, the file ends at {end:.1f} s {_WHOLE_FRAME}"


def _mp3(read: Read, size: int, found: mpeg.Mp3Summary, *, thorough: bool) -> HeaderScan:
    fits = mpeg.fits(found, size)
    if not thorough:
        known = found.count is not None or found.constant
        return HeaderScan(whole=fits, length="header" if known else "unknown")
    if found.free:
        return HeaderScan(whole=False, streams=True, length="unknown")
    frames = mpeg.walk(read, found)
    broken = JoinedFiles() if frames.unbroken else joined_files(read, size, _MAX_PARTS)
    unknown = tuple(map(unknown_bytes, broken.unknown))
    if broken.parts:
        return HeaderScan(whole=False, parts=broken.parts, warnings=unknown)
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
        warnings=("perhaps truncated: the file ends in the middle of a frame",) if cut else unknown,
    )


def _joined(parts: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return parts if 1 < len(parts) <= _MAX_PARTS else ()
