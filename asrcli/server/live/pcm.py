"""Bytes of a live stream, split anywhere, to 16 kHz float samples."""

from __future__ import annotations

import numpy as np

from asrcli.audio.resample import Resampler
from asrcli.audio.types import SAMPLE_RATE, Samples

#: the longest header a WAV stream may begin with; metadata before "data" is skipped within it
_MAX_HEADER = 4096


class PcmDecoder:
    """s16le mono at any rate. Keeps the odd byte; strips one RIFF header at the start of the stream."""

    def __init__(self, rate: int = SAMPLE_RATE) -> None:
        self._resampler = Resampler(rate, 1) if rate != SAMPLE_RATE else None
        self._rest = b""
        self._begun = False

    def push(self, data: bytes) -> Samples:
        """The samples, (n,), that the next bytes complete."""
        self._rest += data
        if not self._begun and not self._begin():
            return np.empty(0, np.float32)
        even = len(self._rest) // 2 * 2
        samples: Samples = np.frombuffer(self._rest[:even], "<i2").astype(np.float32) / np.float32(32768)
        self._rest = self._rest[even:]
        return samples if self._resampler is None else self._resampler.push(samples[:, None])[:, 0]

    def finish(self) -> Samples:
        """What the resampler still holds at the end of the stream, (n,)."""
        if not self._begun:
            self._begun = True
            return np.concatenate([self.push(b""), self.finish()])
        return np.empty(0, np.float32) if self._resampler is None else self._resampler.finish()[:, 0]

    def _begin(self) -> bool:
        """Skip a RIFF header; False while it is not whole."""
        if len(self._rest) < 4 and b"RIFF".startswith(self._rest):
            return False
        if self._rest[:4] == b"RIFF":
            at = self._rest.find(b"data")
            if len(self._rest) < _MAX_HEADER and (at < 0 or len(self._rest) < at + 8):
                return False
            if at >= 0:
                self._rest = self._rest[at + 8 :]
        self._begun = True
        return True
