"""Bytes of a live stream, split anywhere, converted to 16 kHz float samples."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from asrcli.audio.containers.mpeg import summary
from asrcli.audio.containers.sniff import WavHeader, has_signature, is_mpeg_audio, not_audio, wav_header
from asrcli.audio.pcm_reader import pcm_samples, pcm_width
from asrcli.audio.resample import Resampler
from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.errors import AudioDecodeError
from asrcli.server.errors import TooLargeError
from asrcli.server.live.session import LiveSession

#: longest WAV header, with the metadata before its "data" chunk
_MAX_HEADER = 4096
#: bytes of a stream in which formats are recognised, and least bytes of a shorter stream that may be a text
_HEAD, _SHORT = 2048, 64
#: sample rates and channels that streams may have
RATES = range(1000, 192001)
MAX_CHANNELS = 8
#: bytes of a frame converted to samples at a time, on the event loop
_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class PcmForm:
    """How samples are written: Hz, interleaved channels, an encoding of `pcm_samples`."""

    rate: int = SAMPLE_RATE
    channels: int = 1
    encoding: str = "s16le"


_USUAL = PcmForm()


class PcmDecoder:
    """Samples of any form, as mono at 16 kHz.

    A RIFF header at the start of the stream is skipped, and its format overrides the announced one: clients send files
    of other rates than they announce.
    """

    def __init__(self, form: PcmForm = _USUAL) -> None:
        self._set_form(form)
        self._rest = b""
        self._started = False

    @property
    def piece(self) -> int:
        """Bytes to convert at a time: at rates below 16 kHz, few become many samples."""
        return min(_BYTES, _BYTES * self._form.rate // SAMPLE_RATE)

    def push(self, data: bytes) -> Samples:
        """The samples, (n,), that the next bytes complete."""
        self._rest += data
        if not self._started and not self._read_header():
            return np.empty(0, np.float32)
        channels = self._form.channels
        frame = pcm_width(self._form.encoding) * channels
        whole = len(self._rest) // frame * frame
        samples = pcm_samples(self._rest[:whole], self._form.encoding)
        self._rest = self._rest[whole:]
        if channels > 1:
            samples = samples.reshape(-1, channels).mean(axis=1)
        return samples if self._resampler is None else self._resampler.push(samples[:, None])[:, 0]

    def finish(self) -> Samples:
        """The samples, (n,), left in the resampler at the end of the stream."""
        if not self._started:
            self._started = True
            return np.concatenate([self.push(b""), self.finish()])
        return np.empty(0, np.float32) if self._resampler is None else self._resampler.finish()[:, 0]

    def _set_form(self, form: PcmForm) -> None:
        self._resampler = Resampler(form.rate, 1) if form.rate != SAMPLE_RATE else None
        self._form = form

    def _read_header(self) -> bool:
        """Skip a RIFF header; False while it is incomplete."""
        if b"RIFF".startswith(self._rest):
            return False
        if self._rest.startswith(b"RIFF"):
            header = wav_header(self._rest)
            if header is None and len(self._rest) < _MAX_HEADER:
                return False
            self._skip(header)
        self._started = True
        return True

    def _skip(self, header: WavHeader | None) -> None:
        if header is None:  # unknown header
            _, found, data = self._rest.partition(b"data")
            self._rest = data[4:] if found else self._rest
            return
        self._rest = self._rest[header.offset :]
        if header.encoding and header.rate in RATES and 0 < header.channels <= MAX_CHANNELS:
            self._set_form(PcmForm(header.rate, header.channels, header.encoding))


def recording_in(head: bytes, encoding: str = "s16le", *, whole: bool = False) -> str | None:
    """What the first bytes of a stream are if they are not samples; `whole`: there are no more."""
    if has_signature(head) and head[:4] != b"RIFF":
        return "a recording in a container"
    if len(head) < (_SHORT if whole else _HEAD):
        return None
    if is_mpeg_audio(head) and summary(lambda size, at: head[at : at + size]):
        return "MP3"
    kind = not_audio(head)
    return None if kind == "text" and pcm_width(encoding) == 1 else kind  # silence in one byte may be a letter


class PcmStream:
    """Converts bytes of samples for a session."""

    def __init__(self, session: LiveSession, form: PcmForm = _USUAL) -> None:
        self._session = session
        self._encoding = form.encoding
        self._head = b""
        self._decoder = PcmDecoder(form)

    async def feed(self, data: bytes) -> None:
        """Take the next bytes, split anywhere; a frame may hold a whole recording. Raises TooLargeError: the stream is
        longer than allowed; AudioDecodeError: it is not samples.
        """
        if len(self._head) < _HEAD:
            self._head += data[: _HEAD - len(self._head)]
            self._refuse_recordings()
        start = 0
        while start < len(data):
            end = start + self._decoder.piece
            await self._session.feed(self._decoder.push(data[start:end]))
            start = end

    async def finish(self) -> None:
        """Pass on what is left at the end of the stream. Raises AudioDecodeError: as `feed`."""
        if len(self._head) < _HEAD:
            self._refuse_recordings(whole=True)
        with suppress(TooLargeError):  # a few milliseconds
            await self._session.feed(self._decoder.finish())

    def _refuse_recordings(self, *, whole: bool = False) -> None:
        if kind := recording_in(self._head, self._encoding, whole=whole):
            raise AudioDecodeError(f"The stream is not PCM but {kind}.", "Announce its format, or decode it.")
