"""The recordings that follow each other in a stream, each decoded as it comes."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, cast

import numpy as np

from asrcli.audio.containers.avi import counted_seconds
from asrcli.audio.containers.header_scan import (
    INSIDE_PACKET,
    has_placeholders,
    is_copied_part,
    size_declared_in,
    warnings_at_end,
    warnings_of_breaks,
)
from asrcli.audio.containers.joining.files import JoinedStream, unknown_bytes
from asrcli.audio.containers.mpeg import added_at_end, ends_with_tags
from asrcli.audio.containers.packets import FrameChain
from asrcli.audio.containers.sized_sound import DeclaredSize
from asrcli.audio.containers.sniff import HEAD, WavHeader, wav_header
from asrcli.audio.containers.wav_stream import WavSound
from asrcli.audio.containers.wavpack import first_sample
from asrcli.audio.ffmpeg.reader import FfmpegReader
from asrcli.audio.pcm_reader import PcmReader
from asrcli.audio.readers import Reader
from asrcli.audio.stream_pump import StreamPump, read_head
from asrcli.audio.types import Samples
from asrcli.options import AudioOptions

#: bytes of a stream that are waited for before it is decoded: a live one shall not wait long
STREAM_HEAD = 4096
#: bytes that a stream may lack before it is called truncated
_SLACK = 8192


def plain_wav(head: bytes, options: AudioOptions) -> WavHeader | None:
    """The header of a WAV file whose samples need no decoder; None for other forms, and where a track is chosen."""
    header = wav_header(head)
    return header if header and header.encoding and not options.track else None


class EndTrimmed:
    """A recording without what its encoder added at the end: decoders leave that out of files only."""

    def __init__(self, reader: FfmpegReader, seconds: float, whole: Callable[[], bool]) -> None:
        """Holds `seconds` back, and drops them at the end if the recording is `whole` then."""
        self._reader, self._whole = reader, whole
        self._length = round(seconds * reader.rate)
        self._held = np.empty((0, reader.channels), np.float32)
        self.info, self.rate, self.channels, self.layout = reader.info, reader.rate, reader.channels, reader.layout
        self.warnings = reader.warnings

    @property
    def claimed(self) -> float | None:
        return self._reader.claimed

    def skip(self, seconds: float) -> float:
        return self._reader.skip(seconds)

    def read(self) -> Samples:
        while len(block := self._reader.read()):
            known = np.concatenate([self._held, block])
            self._held = known[max(0, len(known) - self._length) :]
            if len(known) > self._length:
                return known[: -self._length]
        rest, self._held = self._held, self._held[:0]
        return rest[:0] if self._whole() else rest

    def close(self) -> None:
        self._reader.close()


class StreamParts:
    """The recordings of a stream, which are opened one after the other."""

    def __init__(self, stream: JoinedStream, options: AudioOptions, *, live: bool) -> None:
        self._stream, self._options, self._live = stream, options, live
        self._pump: StreamPump | None = None
        self._claim: DeclaredSize | None = None
        self._count = 0
        #: the last recording that a decoder was started for
        self._reader: FfmpegReader | None = None

    def openers(self) -> Iterator[Callable[[], Reader]]:
        """A way to open each of them, valid until the next one is requested."""
        part = cast(BinaryIO, self._stream)
        while self._advance():
            self._count += 1
            head = read_head(part, STREAM_HEAD)
            if head[8:12] == b"WAVE" and wav_header(head) is None:  # a long chunk of metadata comes first
                head += read_head(part, HEAD)
            if header := plain_wav(head, self._options):
                yield partial(self._wav, WavSound(part, head[header.offset :], header.size), header)
                continue
            chain = FrameChain()
            self._claim, self._pump = size_declared_in(head), StreamPump(head, part, watch=chain.push)
            yield partial(self._decoder, self._pump, chain)
            self._pump.join()

    def _advance(self) -> bool:
        """Go to the next recording. A decoder may end before the bytes of its own do."""
        reader, self._reader = self._reader, None
        if reader:
            self._stream.skip_rest()
            if self._stream.unknown is not None and not any(w.startswith("damaged: ") for w in reader.warnings):
                reader.warnings.append(unknown_bytes(self._stream.unknown))
        return self._stream.advance()

    def lacking(self) -> float:
        """The part of the only recording's announced bytes that is missing."""
        claim, pump = self._claim, self._pump
        # Less than a few kilobytes may be a tag that the sound's size leaves out.
        if self._count > 1 or not claim or not pump or claim.offset + claim.size - pump.count <= _SLACK:
            return 0.0
        return claim.lacking(pump.count)

    def _wav(self, sound: WavSound, header: WavHeader) -> PcmReader:
        form = (header.encoding or "", header.rate, header.channels)
        return PcmReader(sound, b"", *form, size=header.size, name="wav", live=self._live, layout=header.layout)

    def _decoder(self, pump: StreamPump, chain: FrameChain) -> Reader:
        def at_end() -> tuple[str, ...]:
            if self._stream.broken:
                return ("damaged: the boxes of the file do not follow each other; what comes after may be missing",)
            found = (INSIDE_PACKET,) if self._stream.cut else warnings_at_end(pump.reread, pump.count)
            # The first tables of a transport stream that follows are at the end of this one.
            found = () if self._stream.at_next and found == (INSIDE_PACKET,) else found
            return found + warnings_of_breaks(chain.breaks)

        self._reader = FfmpegReader(
            "pipe:0",
            self._options,
            feeder=pump,
            lacking=self.lacking,
            at_end=at_end,
            live=self._live,
            counted=lambda: counted_seconds(pump.reread),
            first_sample=first_sample(pump.reread),
            uncounted=lambda: has_placeholders(pump.reread) or is_copied_part(pump.reread, pump.count),
        )
        added, end = added_at_end(pump.reread)
        if not round(added * self._reader.rate):
            return self._reader
        return EndTrimmed(self._reader, added, lambda: ends_with_tags(pump.reread, end, pump.count))
