"""Any sample rate to 16 kHz, block by block, with no seam between blocks.

A polyphase windowed-sinc filter (Kaiser; Crochiere & Rabiner, Multirate Digital Signal Processing, 1983, ch. 4) whose
inner products are gathered into matrix products: a run of outputs reads one window of the input, so a whole second is a
few BLAS calls, which release the GIL. One second of 44.1 kHz costs about 0.2 ms, which no pure-Python filter reaches,
and the core stays without a resampling library.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, gcd, pi

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples

#: stopband attenuation, dB: below the noise floor of 14-bit audio
_ATTENUATION = 90.0
#: the passband ends at this part of the lower Nyquist frequency; the stopband begins at 1
_PASS_EDGE = 0.9
#: outputs computed by one matrix product: more of them share a window, but the window grows
_GROUP = 32
#: OpenBLAS wakes its threads above 2**18 multiplications, and they then spin on cores that the recogniser needs
_MAX_PRODUCT = 1 << 18


@dataclass(frozen=True, slots=True)
class _Group:
    """Consecutive outputs of a row: the offset of their input window, and its weights, shape (window, outputs)."""

    first: int
    offset: int
    weights: Samples


@dataclass(frozen=True, slots=True)
class _Plan:
    """The filter of one rate: `outputs` samples are made from every `inputs` samples (a row)."""

    inputs: int
    outputs: int
    #: input samples that a row needs before its first and after its last
    before: int
    after: int
    groups: tuple[_Group, ...]


@lru_cache(maxsize=8)
def _plan(rate: int) -> _Plan:
    common = gcd(rate, SAMPLE_RATE)
    up, down = SAMPLE_RATE // common, rate // common
    nyquist = min(rate, SAMPLE_RATE) / 2
    transition = 2 * pi * (1 - _PASS_EDGE) * nyquist / rate
    half = ceil((_ATTENUATION - 8) / (2.285 * transition) / 2)
    cutoff = (1 + _PASS_EDGE) * nyquist / rate  # twice the -6 dB point, in cycles a sample

    window = ceil(_GROUP * down / up) + 2 * half + 1
    # numpy hands overlapping rows to BLAS only where a row's stride is at least its window.
    repeat = ceil(window / down)
    inputs, outputs = down * repeat, up * repeat
    beta = 0.1102 * (_ATTENUATION - 8.7)
    groups = []
    for first in range(0, outputs, _GROUP):
        times = np.arange(first, min(first + _GROUP, outputs)) * (down / up)
        offset = int(times[0]) - half + 1
        distance = times[None, :] - (offset + np.arange(window))[:, None]
        taper = np.i0(beta * np.sqrt(np.maximum(0.0, 1 - (distance / half) ** 2)))
        weights = np.where(np.abs(distance) < half, np.sinc(cutoff * distance) * taper, 0.0)
        weights /= weights.sum(axis=0)  # each phase has unit gain at 0 Hz, so a constant stays one
        groups.append(_Group(first, offset, weights.astype(np.float32)))
    last = groups[-1]
    return _Plan(inputs, outputs, half - 1, max(0, last.offset + window - inputs), tuple(groups))


class Resampler:
    """Converts a stream of blocks of shape (samples, lanes) from `rate` to 16 kHz.

    Output sample n lies at time n / 16000 exactly: the filter's delay is taken out. `n` samples in give
    round(n * 16000 / rate) samples out once `finish` has been called.
    """

    def __init__(self, rate: int, lanes: int) -> None:
        self._rate = rate
        self._lanes = lanes
        self._plan = _plan(rate) if rate != SAMPLE_RATE else None
        # Kept from call to call, since fresh memory costs more than what is done in it; the silence before the start
        # is what the filter's first half sees.
        self._held = np.zeros((lanes, self._plan.before if self._plan else 0), np.float32)
        self._count = self._held.shape[1]
        self._taken = 0
        self._given = 0

    def push(self, block: Samples) -> Samples:
        """Take a block (samples, lanes); give what can be computed already, an array of its own (samples, lanes)."""
        self._taken += len(block)
        if self._plan is None:
            own: Samples = block.copy()
            return own
        self._hold(block.T)
        out = self._rows(self._plan)
        self._given += len(out)
        return out

    def finish(self) -> Samples:
        """Give the tail: what waited for input that will not come, which counts as silence."""
        wanted = round(self._taken * SAMPLE_RATE / self._rate) - self._given
        if self._plan is None or wanted <= 0:
            return np.zeros((0, self._lanes), np.float32)
        rows = ceil(wanted / self._plan.outputs)
        missing = self._plan.before + rows * self._plan.inputs + self._plan.after - self._count
        self._hold(np.zeros((self._lanes, max(0, missing)), np.float32))
        return self._rows(self._plan)[:wanted]

    def _hold(self, samples: Samples) -> None:
        count = self._count + samples.shape[1]
        if count > self._held.shape[1]:
            larger = np.empty((self._lanes, count), np.float32)
            larger[:, : self._count] = self._held[:, : self._count]
            self._held = larger
        self._held[:, self._count : count] = samples
        self._count = count

    def _rows(self, plan: _Plan) -> Samples:
        rows = max(0, (self._count - plan.before - plan.after) // plan.inputs)
        out = np.empty((self._lanes, rows, plan.outputs), np.float32)
        for lane in range(self._lanes):
            _multiply(self._held[lane], plan, out[lane])
        self._count -= rows * plan.inputs
        self._held[:, : self._count] = self._held[:, rows * plan.inputs :][:, : self._count]
        flat: Samples = out.reshape(self._lanes, -1).T
        return flat


def _multiply(held: Samples, plan: _Plan, out: Samples) -> None:
    """Fill `out`, shape (rows, outputs), from the samples that its rows see."""
    sight = plan.before + plan.inputs + plan.after
    # Rows overlap in memory: each begins `inputs` samples after the one before.
    view = np.lib.stride_tricks.as_strided(
        held, (len(out), sight), (plan.inputs * held.itemsize, held.itemsize), writeable=False
    )
    for group in plan.groups:
        window, width = group.weights.shape
        left = plan.before + group.offset
        step = max(1, _MAX_PRODUCT // (window * width))
        for row in range(0, len(out), step):
            seen = view[row : row + step, left : left + window]
            np.matmul(seen, group.weights, out=out[row : row + step, group.first : group.first + width])
