"""Bytes of a live stream, split anywhere, to 16 kHz float samples."""

from __future__ import annotations

import numpy as np

from asrcli.audio.containers.sniff import WavHeader, wav_header
from asrcli.audio.resample import Resampler
from asrcli.audio.types import SAMPLE_RATE, Samples

#: the longest header a WAV stream may begin with; metadata before "data" is skipped within it
_MAX_HEADER = 4096
#: what a header may say of the samples: their type, and what makes full scale 1
_FORMS = {
    "u8": ("u1", 128.0),
    "s16le": ("<i2", 32768.0),
    "s32le": ("<i4", 2147483648.0),
    "f32le": ("<f4", 1.0),
    "f64le": ("<f8", 1.0),
}
_RATES = range(1000, 192001)
_MOST_CHANNELS = 8


class PcmDecoder:
    """s16le mono at any rate. Keeps the odd byte.

    A RIFF header at the start of the stream is skipped, and believed: clients send files whose rate is not the one that
    they have announced.
    """

    def __init__(self, rate: int = SAMPLE_RATE) -> None:
        self._set_form(rate)
        self._rest = b""
        self._begun = False

    def push(self, data: bytes) -> Samples:
        """The samples, (n,), that the next bytes complete."""
        self._rest += data
        if not self._begun and not self._begin():
            return np.empty(0, np.float32)
        frame = self._dtype.itemsize * self._channels
        whole = len(self._rest) // frame * frame
        samples: Samples = np.frombuffer(self._rest[:whole], self._dtype).astype(np.float32) / self._full
        self._rest = self._rest[whole:]
        if self._dtype == np.uint8:
            samples -= np.float32(1)
        if self._channels > 1:
            samples = samples.reshape(-1, self._channels).mean(axis=1)
        return samples if self._resampler is None else self._resampler.push(samples[:, None])[:, 0]

    def finish(self) -> Samples:
        """What the resampler still holds at the end of the stream, (n,)."""
        if not self._begun:
            self._begun = True
            return np.concatenate([self.push(b""), self.finish()])
        return np.empty(0, np.float32) if self._resampler is None else self._resampler.finish()[:, 0]

    def _set_form(self, rate: int, channels: int = 1, encoding: str = "s16le") -> None:
        self._resampler = Resampler(rate, 1) if rate != SAMPLE_RATE else None
        self._channels = channels
        name, full = _FORMS[encoding]
        self._dtype, self._full = np.dtype(name), np.float32(full)

    def _begin(self) -> bool:
        """Skip a RIFF header; False while it is not whole."""
        if len(self._rest) < 4 and b"RIFF".startswith(self._rest):
            return False
        if self._rest[:4] == b"RIFF":
            header = wav_header(self._rest)
            if header is None and len(self._rest) < _MAX_HEADER:
                return False
            self._skip(header)
        self._begun = True
        return True

    def _skip(self, header: WavHeader | None) -> None:
        if header is None:  # no header that we know
            at = self._rest.find(b"data")
            self._rest = self._rest[at + 8 :] if at >= 0 else self._rest
            return
        self._rest = self._rest[header.offset :]
        if header.encoding in _FORMS and header.rate in _RATES and 0 < header.channels <= _MOST_CHANNELS:
            self._set_form(header.rate, header.channels, header.encoding)
