"""Open an input, whatever it is, with the decoder that suits it.

libsndfile, in this process, reads wav, flac, ogg, opus, mp3 and their kin, and needs nothing installed. ffmpeg, in a
process of its own, reads the rest, and whatever libsndfile refuses. A stream is decoded as it comes wherever its
container allows: WAV and raw PCM here, the rest by ffmpeg from its stdin. It is kept in a temporary file first
where the container wants seeking (MP4 with its index at the end), or where there is no ffmpeg (libsndfile wants
a file). Of a guarded source, one that a stranger has sent, nothing but WAV is read in this process.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from asrcli.audio.channels import channels_of
from asrcli.audio.containers.header_scan import HeaderScan, scan_headers, size_declared_in
from asrcli.audio.containers.joining.files import JoinedStream
from asrcli.audio.containers.sniff import HEAD, decoder_for, has_index, index_at_end, wav_header
from asrcli.audio.containers.wavpack import first_sample
from asrcli.audio.ffmpeg.process import file_url, find_ffmpeg
from asrcli.audio.ffmpeg.reader import FfmpegReader, NoTrackError, probe_ffmpeg
from asrcli.audio.file_parts import open_part
from asrcli.audio.files import check_content, open_file, reader_of, with_raw_form
from asrcli.audio.pcm_reader import PcmReader
from asrcli.audio.readers import MAX_CHANNELS, RATES, JoinedReader, PatchedFile, Reader, SilentReader, SoundReader
from asrcli.audio.stream import ClosableStream, FileSnapshot, Stream
from asrcli.audio.stream_parts import STREAM_HEAD, StreamParts, plain_wav
from asrcli.audio.stream_pump import StreamPump, read_head, spool
from asrcli.audio.track_streams import TrackStreams
from asrcli.audio.types import AudioInfo, AudioStream, Source
from asrcli.errors import AudioDecodeError, FfmpegMissingError, InputError, UsageError
from asrcli.options import AudioOptions, RawFormat


def open_audio(source: Source, options: AudioOptions) -> AudioStream:
    """Open an input for decoding.

    The streams of `source` stay open; files are closed with the stream that is returned.

    Raises UsageError: the span or the raw form is impossible; InputError: the input cannot be opened, is empty, is no
    audio, or lacks the track or channel asked for; FfmpegMissingError: only ffmpeg reads this input, and there is none;
    DiskFullError: a stream that must be kept on disk does not fit.
    """
    _check(options)
    try:
        if options.track == "all":
            return _open_tracks(source, options)
        if source.path is not None:
            return _open_file(source.path, options, untrusted=source.untrusted)
        if source.stream is not None:
            return _open_stream(source.stream, options, live=source.live, untrusted=source.untrusted)
    except NoTrackError as none:
        return Stream(SilentReader(none.info, str(none)), options)
    raise UsageError(f"{source.name} names neither a file nor a stream.")


def probe(source: Source, options: AudioOptions) -> AudioInfo:
    """Tell an input's form from its header.

    A stream is looked at no further than it lets itself be without losing bytes: rate and channels are 0 where unknown.

    Raises UsageError: as `open_audio`; InputError: as `open_audio`, as far as the header shows it; FfmpegMissingError:
    as `open_audio`.
    """
    _check(options)
    if source.path is None:
        form = options.raw
        if form:
            return AudioInfo(None, form.rate, form.channels, f"raw/pcm_{form.encoding}")
        return AudioInfo(None, 0, 0, "stream")
    options = with_raw_form(source.path, options)
    descriptor, status, head = open_file(source.path, raw=bool(options.raw))
    by_ffmpeg = partial(probe_ffmpeg, source.path, options)
    try:
        reader = _in_process(
            descriptor, head, options, scan_headers(reader_of(descriptor, head), status.st_size, thorough=False)
        )
    except AudioDecodeError as refused:
        return _otherwise(by_ffmpeg, refused)
    if reader is None:
        try:
            return by_ffmpeg()
        except NoTrackError as none:
            return none.info
    reader.close()
    return reader.info


def _check(options: AudioOptions) -> None:
    if options.start < 0 or (options.end is not None and options.end <= options.start):
        raise UsageError(
            f"The span from {options.start:g} s to {options.end} s is empty.", "Let --end lie after --start."
        )
    if isinstance(options.track, int) and options.track < 0:
        raise UsageError(f"Audio track {options.track} does not exist.", "Tracks count from 0.")
    form = options.raw
    if form and (form.rate not in RATES or not 0 < form.channels <= MAX_CHANNELS):
        raise UsageError(
            f"Raw samples cannot have {form.rate} Hz and {form.channels} channels.", "Check --rate and --channels."
        )


def _open_file(path: Path, options: AudioOptions, *, untrusted: bool = False) -> AudioStream:
    options = with_raw_form(path, options)
    descriptor, status, head = open_file(path, raw=bool(options.raw))
    watch = FileSnapshot(path, status)
    read = reader_of(descriptor, head)
    seen = HeaderScan() if options.raw else scan_headers(read, status.st_size, thorough=True)
    first_samples = [first_sample(read, start) for start, _ in seen.parts or ((0, 0),)]
    if seen.divided and plain_wav(head, options):
        file = os.fdopen(descriptor, "rb")
        stream = _open_stream(file, options, live=False, untrusted=untrusted)
        assert isinstance(stream, Stream)
        stream.also_close(file)
        return stream

    def by_ffmpeg(at: float) -> Reader:
        if seen.patches and seen.sound_end is not None:
            patched = cast(BinaryIO, PatchedFile(os.open(path, os.O_RDONLY), seen.sound_end, seen.patches, owned=True))
            if head[8:12] == b"AVI ":  # in which a decoder need not seek
                pump = StreamPump(b"", patched, owned=True)
                return FfmpegReader(
                    "pipe:0",
                    options,
                    feeder=pump,
                    lacking=lambda: seen.lacking,
                    counted=lambda: seen.counted,
                    lead=seen.lead,
                )
            with patched as file:
                kept = spool(b"", file)
            with kept:  # ffmpeg has opened it by the time it is deleted
                return FfmpegReader(file_url(Path(kept.name)), options)
        seek = at if has_index(head) else 0.0
        return FfmpegReader(
            file_url(path),
            options,
            seek=seek,
            lacking=lambda: seen.lacking,
            counted=lambda: seen.counted,
            uncounted=lambda: seen.uncounted,
            lead=seen.lead,
            first_sample=first_samples[0],
        )

    try:
        reader = _in_process(descriptor, head, options, seen, untrusted=untrusted)
        if reader is None and seen.parts:
            reader = JoinedReader(
                [partial(open_part, path, options, seen, *part) for part in zip(seen.parts, first_samples, strict=True)]
            )
    except AudioDecodeError as refused:
        reader = _otherwise(partial(by_ffmpeg, options.start), _cut_off(refused, seen.lacking))
    reader = reader or by_ffmpeg(options.start)
    reader.warnings += seen.warnings
    if seen.divided:
        reader.warnings.append("truncated: the first of several chunks of sound was read")
    if seen.parts and not seen.streams and isinstance(reader, PcmReader | SoundReader):
        reader.warnings.append(
            f"truncated: the first of {len(seen.parts)} recordings in this file was read; the others need ffmpeg"
        )
    rescue = by_ffmpeg if isinstance(reader, SoundReader) else None
    # Where the length is known, it need not be estimated from the missing bytes.
    lacking = 0.0 if seen.counted else seen.lacking
    return _stream(reader, options, watch=watch, rescue=rescue, lacking=lambda: lacking)


def _open_tracks(source: Source, options: AudioOptions) -> AudioStream:
    """Every audio track as a channel of its own."""
    default = replace(options, track=None)
    if source.path is None:
        if options.raw or source.stream is None:
            return open_audio(source, default)
        kept = spool(b"", source.stream)
        try:
            tracks = _open_tracks(Source(source.name, Path(kept.name), untrusted=source.untrusted), options)
        except BaseException:
            kept.close()
            raise
        assert isinstance(tracks, ClosableStream)
        tracks.also_close(kept)
        return tracks
    count = probe(source, default).tracks
    if count < 2:
        return open_audio(source, default)
    opened: dict[int, AudioStream] = {}
    refused: dict[int, InputError] = {}
    for number in range(count):
        try:
            opened[number] = open_audio(source, replace(options, track=number))
        except InputError as error:
            refused[number] = error
    if not opened:
        raise refused[0]
    notices = [f"tracks: audio track {number} was not read ({error.message})" for number, error in refused.items()]
    return TrackStreams(opened, notices)


def _cut_off(refused: AudioDecodeError, lacking: float) -> AudioDecodeError:
    """The reason why a file cannot be read, where its end is known to be missing."""
    if not 0 < lacking < 1:
        return refused
    return AudioDecodeError(
        f"The file is cut off: {100 * lacking:.0f} % of it is missing, and the rest cannot be decoded without that.",
        "Copy or download it whole.",
    )


def _open_stream(stream: BinaryIO, options: AudioOptions, *, live: bool, untrusted: bool) -> AudioStream:
    if options.raw:
        return _stream(_raw(stream, b"", options.raw, size=None, live=live), options, live=live)
    head = read_head(stream, STREAM_HEAD)
    check_content(head)
    if head[8:12] == b"WAVE" and wav_header(head) is None:
        head += read_head(stream, HEAD)
    plain = plain_wav(head, options)
    if not plain and decoder_for(head) == "ffmpeg":
        find_ffmpeg()  # fail before anything is copied
    claim = size_declared_in(head)
    # A size that can be wrong is checked against what follows the sound; live streams have none.
    # ffmpeg seeks in CAF, WTV, W64 and AIFF of unknown size, and to the tag at the end of WavPack; of a compressed WAV
    # it takes the chunks behind a sound of unknown size for sound, as what follows NIST's, and RIFX for little-endian.
    # The blocks of a VOC are followed in a file. Of a damaged NUT or AVI only the index at its end shows what the
    # decoder left out.
    seeks = (
        index_at_end(head)
        or head[:4] in {b"caff", b"riff", b"FORM", b"wvpk", b"RIFX", b"Crea", b"nut/", b"NIST", b"\xb7\xd8\0\x20"}
        or head[8:12] in {b"WAVE", b"AVI "}
        or not _have_ffmpeg()
        or bool(claim and claim.fields)
    )
    if seeks and not plain:
        return _open_spooled(head, stream, options, untrusted=untrusted)
    parts = StreamParts(JoinedStream(stream, head), options, live=live)
    return _stream(JoinedReader(parts.openers()), options, lacking=parts.lacking, live=live)


def _open_spooled(head: bytes, stream: BinaryIO, options: AudioOptions, *, untrusted: bool) -> AudioStream:
    kept = spool(head, stream)
    try:
        opened = _open_file(Path(kept.name), options, untrusted=untrusted)
    except BaseException:
        kept.close()
        raise
    assert isinstance(opened, Stream)
    opened.also_close(kept)
    return opened


def _in_process(
    descriptor: int, head: bytes, options: AudioOptions, scan_headers: HeaderScan, *, untrusted: bool = False
) -> Reader | None:
    """A reader in this process, which owns the descriptor from now on; None (and closed) where ffmpeg shall read it."""
    if options.raw:
        size = os.fstat(descriptor).st_size
        return _raw(os.fdopen(descriptor, "rb"), b"", options.raw, size=size, owned=True)
    header = wav_header(head)
    if header and header.tag == 3 and not header.encoding:
        os.close(descriptor)
        message = f"The WAV has floating-point samples of {header.bits} bits, which no decoder here reads."
        raise AudioDecodeError(message, "Export it with 32-bit float or 16-bit integer samples.")
    # Decoders of compressed sound have had holes; plain samples need none. ffmpeg takes RIFX for little-endian.
    plain = (header and header.encoding) or (head[:4] == b"RIFX" and head[20:22] in {b"\0\1", b"\0\3"})
    apart = untrusted and not plain and _have_ffmpeg()
    if options.track or apart or decoder_for(head) == "ffmpeg":
        os.close(descriptor)
        return None
    if not scan_headers.whole:
        if _have_ffmpeg():
            os.close(descriptor)
            return None
        if scan_headers.streams:
            # From a pipe libsndfile reads to the end, whatever length it makes of the head.
            return SoundReader(_piped(os.fdopen(descriptor, "rb")), length=scan_headers.length)
    end = scan_headers.sound_end
    if scan_headers.parts and end is None:
        end = scan_headers.parts[0][1]
    if header and header.encoding:
        os.lseek(descriptor, header.offset, os.SEEK_SET)
        form = (header.encoding, header.rate, header.channels)
        left = header.size if end is None else end - header.offset
        file = os.fdopen(descriptor, "rb")
        return PcmReader(file, b"", *form, size=left, name="wav", owned=True, layout=header.layout)
    return SoundReader(descriptor, length=scan_headers.length, end=end, patches=scan_headers.patches)


def _piped(file: BinaryIO) -> int:
    """The end to read from of a pipe through which a file's bytes come."""
    reading, writing = os.pipe()
    pump = StreamPump(b"", file, owned=True)
    pump.start(os.fdopen(writing, "wb"))
    pump.release()
    return reading


def _raw(
    stream: BinaryIO, head: bytes, form: RawFormat, *, size: int | None, owned: bool = False, live: bool = False
) -> PcmReader:
    return PcmReader(
        stream, head, form.encoding, form.rate, form.channels, size=size, name="raw", owned=owned, live=live
    )


def _have_ffmpeg() -> bool:
    try:
        find_ffmpeg()
    except FfmpegMissingError:
        return False
    return True


_Result = TypeVar("_Result")


def _otherwise(attempt: Callable[[], _Result], refused: AudioDecodeError) -> _Result:
    """Try ffmpeg on what libsndfile has refused; if that fails too, libsndfile's error counts."""
    try:
        return attempt()
    except FfmpegMissingError:
        raise AudioDecodeError(refused.message, f"{refused.hint} Or install ffmpeg, which reads more.") from None
    except AudioDecodeError:
        raise refused from None


def _stream(
    reader: Reader,
    options: AudioOptions,
    *,
    watch: FileSnapshot | None = None,
    rescue: Callable[[float], Reader] | None = None,
    lacking: Callable[[], float] = lambda: 0.0,
    live: bool = False,
) -> Stream:
    try:
        if not isinstance(reader, FfmpegReader | JoinedReader):
            channels_of(reader.channels, options.channels)
        return Stream(reader, options, watch=watch, rescue=rescue, lacking=lacking, live=live)
    except BaseException:
        reader.close()
        raise
