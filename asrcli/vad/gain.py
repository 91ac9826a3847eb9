"""Levels: what the detector and the recogniser get of quiet recordings, and of quiet voices beside loud ones.

Silero misses speech that is 40 dB too low, and most of a voice 30 dB below the one before it. Recognisers that take
samples as they are (Moonshine) lose words from 20 dB on.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.vad.types import LEVEL_HOP, WINDOW, Region, SpeechDetector

_Floats = npt.NDArray[np.float64]

# --- for the detector
#: peaks are brought up to this, and the lowest of the last seconds (noise) to no more than that
_TARGET, _NOISE_TARGET = 0.15, 0.03
_MOST = 3000.0
#: the peak is forgotten by half, and the estimate of noise doubles, in so many seconds
_HALF_LIFE, _DOUBLING = 0.5, 2.0
#: A click or knock is loud for less than four windows. When so many have passed after it, no more than that many times
#: the level of longer sounds counts.
_SETTLED, _MOST_CLICK = 4, 6.0
_DECAY = 0.5 ** (WINDOW / SAMPLE_RATE / _HALF_LIFE)
_GROWTH = 2 ** (WINDOW / SAMPLE_RATE / _DOUBLING)

# --- for the recogniser; dB of full scale, and dB
#: the loud parts of speech (the 90th percentile of 10 ms) are brought up to this; no gain is below 0
_LOUD = -15.0
_MOST_GAIN, _MOST_EXTRA = 80.0, 30.0
#: softer stretches of a chunk are brought up to so many dB below the loudest
_TOLERATED = 12.0
#: how far loud parts must be above the floor (the 10th percentile) for any gain, and for all of it: noise has 1 dB
_CONTRAST = (4.0, 10.0)
#: the longest stretch with a gain of its own, and how soon the gain of the next is reached, seconds
_STRETCH, _RAMP = 3.0, 0.1
#: no sample exceeds this
_PEAK = 0.98
#: Power of digital silence, as a share of the chunk's loudest 10 ms. A share of full scale would change the gain of a
#: quiet copy of a chunk (by 0.003 dB at -60 dBFS), which is enough for other words.
_NO_POWER = 1e-12
#: and where all of the chunk is silent
_TINY = 1e-300


class GainNormalizer:
    """A detector that receives quiet streams amplified."""

    def __init__(self, detector: SpeechDetector) -> None:
        self._detector = detector
        self._peak = 0.0
        self._noise: float | None = None
        #: the same of sounds that last, the last three windows' peaks, and windows since the peak
        self._lasting, self._before, self._since = 0.0, (0.0, 0.0, 0.0), 0

    def probabilities(self, samples: Samples) -> Samples:
        """The detector's probabilities, (WINDOW * n,) -> (n,)."""
        windows = samples.reshape(-1, WINDOW)
        if not len(windows):
            return self._detector.probabilities(samples)
        peaks = np.maximum(windows.max(axis=1), -windows.min(axis=1)).tolist()
        followed = np.array(self._follow(peaks))
        gains = (np.array([[_TARGET], [_NOISE_TARGET]]) / np.maximum(followed, 1e-9)).min(axis=0).clip(1.0, _MOST)
        if gains.max() > 1.0:
            samples = (windows * gains.astype(np.float32)[:, np.newaxis]).reshape(-1)
        return self._detector.probabilities(samples)

    def _follow(self, peaks: Sequence[float]) -> tuple[list[float], list[float]]:
        """The peak so far, and the lowest of the last seconds, at each window."""
        highs, lows = [], []
        high, low = self._peak, self._noise
        lasting, before, since = self._lasting, self._before, self._since
        for peak in peaks:
            high = max(peak, high * _DECAY)
            lasting = max(min(peak, *before), lasting * _DECAY)
            before = (*before[1:], peak)
            since = 0 if peak >= 0.5 * high else since + 1
            if since >= _SETTLED and high > _MOST_CLICK * lasting:
                high = max(peak, _MOST_CLICK * lasting)
            if low is None:  # the stream may start with speech: its first window is not taken for noise
                low = peak / 10
            else:
                low *= _GROWTH
                if low > peak:
                    low = peak if peak > 1e-9 else min(low, 1e-9)
            highs.append(high)
            lows.append(low)
        self._peak, self._noise = high, low
        self._lasting, self._before, self._since = lasting, before, since
        return highs, lows


def level_speech(
    samples: Samples, regions: Sequence[Region], start: int, *, offset: float = 0.0
) -> tuple[Samples, float]:
    """A chunk's samples at the level of ordinary speech, and the highest gain, dB.

    Each stretch of up to 3 s has a gain of its own, so a voice far from the microphone is brought near to the one
    beside it. The gain changes in pauses or over 0.1 s, and depends on nothing outside the chunk.

    `samples` (n,) are not changed; `regions` are in positions of the stream, `start` is the chunk's own. The level is
    `offset` dB below that of ordinary speech.
    """
    padded = _whole_levels(samples).reshape(-1, LEVEL_HOP)
    power = np.einsum("ij,ij->i", padded, padded, dtype=np.float64) / LEVEL_HOP
    levels = 10 * np.log10(power + _NO_POWER * power.max(initial=0.0) + _TINY)
    stretches = [part for region in regions for part in _stretches(region.start - start, region.end - start)]
    if not len(levels) or not stretches:
        return samples, 0.0
    loud, floor = np.array([_loudness(levels, *stretch) for stretch in stretches]), percentile(levels, 10)
    common = np.clip(_LOUD - offset - loud.max(), 0.0, _MOST_GAIN) * _certainty(loud.max() - floor)
    extra = np.clip(loud.max() - loud - _TOLERATED, 0.0, _MOST_EXTRA) * _certainty(loud - floor)
    gains = common + extra
    ramp = round(_RAMP * SAMPLE_RATE / 2)
    places = [
        at
        for low, high in stretches
        for at in (min(low + ramp, (low + high) // 2), max(high - ramp, (low + high) // 2))
    ]
    middles = np.arange(len(levels)) * LEVEL_HOP + LEVEL_HOP // 2
    curve = 10 ** (np.interp(middles, places, np.repeat(gains, 2)) / 20)
    curve = np.minimum(curve, _PEAK / np.maximum(np.abs(padded).max(axis=1), 1e-9))
    curve = np.maximum(curve, 1.0)  # what is near full scale already stays as it is
    return (padded * _between(curve)).reshape(-1)[: len(samples)], float(gains.max())


def _whole_levels(samples: Samples) -> Samples:
    """Samples up to the end of the last level, which may have less than 10 ms: they are mirrored there."""
    lacking = -len(samples) % LEVEL_HOP
    if lacking > len(samples):
        return np.pad(samples, (0, lacking), "symmetric")
    # A fifth of what np.pad takes.
    return np.concatenate([samples, samples[len(samples) - lacking :][::-1]])


def percentile(values: npt.NDArray[Any], percent: float) -> float:
    """What np.percentile gives for (n,) values, without the modules that it loads, in a tenth of its time."""
    place = (len(values) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(values) - 1)
    ordered = np.partition(values, (low, high))
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def _stretches(start: int, end: int) -> list[tuple[int, int]]:
    """A span of samples in equal parts of at most `_STRETCH` seconds."""
    count = max(1, -(-(end - start) // round(_STRETCH * SAMPLE_RATE)))
    edges = [start + (end - start) * part // count for part in range(count + 1)]
    return list(pairwise(edges))


def _loudness(levels: _Floats, low: int, high: int) -> float:
    """How loud the loud parts of a span of samples are, dB."""
    first = min(low // LEVEL_HOP, len(levels) - 1)
    return percentile(levels[first : max(high // LEVEL_HOP, first + 1)], 90)


def _certainty(contrast: _Floats) -> _Floats:
    """How much of a gain is given to what is so many dB above the floor, 0 to 1."""
    return np.clip((contrast - _CONTRAST[0]) / (_CONTRAST[1] - _CONTRAST[0]), 0.0, 1.0)


def _between(curve: _Floats) -> Samples:
    """A gain for each level to one for each sample, (n, LEVEL_HOP), which nowhere exceeds that of its level."""
    edges = np.minimum(np.append(curve[:1], curve), np.append(curve, curve[-1:])).astype(np.float32)
    clock = (np.arange(LEVEL_HOP, dtype=np.float32) + np.float32(0.5)) / np.float32(LEVEL_HOP)
    return edges[:-1, None] + (edges[1:] - edges[:-1])[:, None] * clock
