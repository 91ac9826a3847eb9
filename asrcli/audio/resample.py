"""Any sample rate to 16 kHz, block by block, with no seam between blocks: libsoxr at its high quality.

Measured against a polyphase filter of our own at 8 to 96 kHz: stopband below -130 dB (ours -95 dB), half the time at
48 and 96 kHz and the same at 44.1 kHz; and its cost does not grow with the ratio (767,999 Hz took our filter 24 s).
"""

import numpy as np
import soxr

from asrcli.audio.types import SAMPLE_RATE, Samples


class Resampler:
    """Converts a stream of blocks of shape (samples, channels) from `rate` to 16 kHz.

    Output sample n lies at time n / 16000 exactly: the filter's delay is compensated. `n` samples in give
    round(n * 16000 / rate) samples out once `finish` has been called. The output does not depend on the block sizes.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self._rate = rate
        self._channels = channels
        self._soxr = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, channels, quality="HQ")
        self._received = 0
        self._returned = 0

    def push(self, block: Samples) -> Samples:
        """Take a block (samples, channels); give what can be computed, in the same shape: at 16 kHz the block."""
        self._received += len(block)
        if self._soxr is None:
            return block
        out = self._convert(block)
        self._returned += len(out)
        return out

    def finish(self) -> Samples:
        """Give the tail: what waited for input that will not come, which counts as silence."""
        expected = round(self._received * SAMPLE_RATE / self._rate) - self._returned
        if self._soxr is None or expected <= 0:
            return np.zeros((0, self._channels), np.float32)
        tail = self._convert(np.zeros((0, self._channels), np.float32), last=True)[:expected]
        return np.pad(tail, ((0, expected - len(tail)), (0, 0)))

    def _convert(self, block: Samples, *, last: bool = False) -> Samples:
        assert self._soxr is not None
        out: Samples = self._soxr.resample_chunk(np.ascontiguousarray(block, np.float32), last=last)
        return out.reshape(-1, self._channels)
