"""Levels: what the detector and the recogniser get of quiet recordings, and of quiet voices beside loud ones.

Silero misses speech that is 40 dB too low, and most of a voice 30 dB below the one before it. Recognisers that take
samples as they are (Moonshine) lose words from 20 dB on.
"""

from collections.abc import Container, Iterable, Sequence
from itertools import pairwise, repeat
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.vad.types import LEVEL_HOP, WINDOW, Region, SpeechDetector

_Floats = npt.NDArray[np.float64]

# --- for the detector
#: peaks are brought up to this, and the lowest of the last seconds (noise) to no more than that
_TARGET, _NOISE_TARGET = 0.15, 0.03
_MOST, _LEAST_PEAK = 1e8, 1e-10
#: the peak is forgotten by half, and the estimate of noise doubles, in so many seconds
_HALF_LIFE, _DOUBLING = 0.5, 2.0
#: A click or knock is loud for less than four windows. When so many have passed after it, no more than that many times
#: the level of longer sounds counts.
_SETTLED, _MOST_CLICK = 4, 6.0
#: windows ahead that are known where a stream is not live. The level has fallen for good where they are all below this
#: part of the peak so far, and the highest of them is so many times the noise: the peak is forgotten then.
AHEAD, _FALLEN, _ABOVE_NOISE = 31, 1 / 8, 5.0
_DECAY = 0.5 ** (WINDOW / SAMPLE_RATE / _HALF_LIFE)
_GROWTH = 2 ** (WINDOW / SAMPLE_RATE / _DOUBLING)

# --- for the recogniser; dB of full scale, and dB
#: the loud parts of speech (the 90th percentile of 10 ms) are brought up to this; no gain is below 0
_LOUD = -15.0
_MOST_GAIN = 160.0
#: softer stretches of a chunk are brought up to so many dB below the loudest
_TOLERATED = 12.0
#: how far loud parts must be above the floor (the 10th percentile) for any gain, and for all of it: noise has 1 dB
_CONTRAST = (4.0, 10.0)
#: the longest stretch with a gain of its own, and how soon the gain of the next is reached, seconds
_STRETCH, _RAMP = 3.0, 0.1
#: a stretch ends where the loud parts of as many levels before and behind (half a second) differ by so many dB
_AROUND, _CHANGE = 50, 25.0
#: no sample exceeds this
_PEAK = 0.98
#: Power of digital silence, as a share of the chunk's loudest 10 ms. A share of full scale would change the gain of a
#: quiet copy of a chunk (by 0.003 dB at -60 dBFS), which is enough for other words.
_NO_POWER = 1e-20
#: and where all of the chunk is silent
_TINY = 1e-300
#: where the samples of a level lie between its edges
_CLOCK = (np.arange(LEVEL_HOP, dtype=np.float32) + np.float32(0.5)) / np.float32(LEVEL_HOP)


class GainNormalizer:
    """A detector that receives quiet streams amplified."""

    def __init__(self, detector: SpeechDetector) -> None:
        self._detector = detector
        self._peak = 0.0
        self._noise: float | None = None
        #: the same of sounds that last, the last three windows' peaks, and windows since the peak
        self._lasting, self._before, self._since = 0.0, (0.0, 0.0, 0.0), 0

    def probabilities(self, samples: Samples, following: Samples | None = None) -> Samples:
        """The detector's probabilities, (WINDOW * n,) -> (n,); `following`: what the stream has next, if known."""
        windows = samples.reshape(-1, WINDOW)
        if not len(windows):
            return self._detector.probabilities(samples)
        peaks = _peaks(windows)
        ahead = repeat((inf, 0.0)) if following is None else _peaks_ahead(peaks, following)
        followed = np.array(self._follow(peaks.tolist(), ahead))
        gains = (
            (np.array([[_TARGET], [_NOISE_TARGET]]) / np.maximum(followed, _LEAST_PEAK)).min(axis=0).clip(1.0, _MOST)
        )
        if gains.max() > 1.0:
            samples = (windows * gains.astype(np.float32)[:, np.newaxis]).reshape(-1)
        return self._detector.probabilities(samples)

    def _follow(self, peaks: Sequence[float], ahead: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
        """The peak so far, and the lowest of the last seconds, at each window; `ahead`: as of `_peaks_ahead`."""
        highs, lows = [], []
        high, low = self._peak, self._noise
        lasting, before, since = self._lasting, self._before, self._since
        for peak, (coming, least) in zip(peaks, ahead, strict=False):
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
                    low = peak if peak > _LEAST_PEAK else min(low, _LEAST_PEAK)
            if _ABOVE_NOISE * max(low, least) < coming < _FALLEN * high:
                high, lasting = coming, min(lasting, coming)
            highs.append(high)
            lows.append(low)
        self._peak, self._noise = high, low
        self._lasting, self._before, self._since = lasting, before, since
        return highs, lows


def _peaks(windows: Samples) -> Samples:
    """The peak of each window, (n, WINDOW) -> (n,)."""
    peaks: Samples = np.abs(windows).max(axis=1)  # in half the time of the highest and the lowest
    return peaks


def _peaks_ahead(peaks: Samples, following: Samples) -> list[tuple[float, float]]:
    """The highest of each peak and those of the `AHEAD` windows after it, and the lowest of them that is no digital
    silence, (n,) -> n pairs.
    """
    whole = following[: len(following) // WINDOW * WINDOW].reshape(-1, WINDOW)[:AHEAD]
    known = np.concatenate([peaks, _peaks(whole), np.zeros(AHEAD - len(whole))])
    heard = np.where(known > 0, known, inf)
    # Of spans twice as long at each step: a fifth of what sliding windows take.
    reach = 1
    while reach <= AHEAD:
        step = min(reach, AHEAD + 1 - reach)
        known, heard = np.maximum(known[:-step], known[step:]), np.minimum(heard[:-step], heard[step:])
        reach += step
    return list(zip(known.tolist(), heard.tolist(), strict=True))


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
    floor = percentile(levels, 10) if len(levels) else 0.0
    joints = {region.start - start for region in regions} & {region.end - start for region in regions}
    spans = [(region.start - start, region.end - start) for region in regions]
    stretches = [part for span in spans for part in _stretches(levels, *span, floor, joints)]
    if not len(levels) or not stretches:
        return samples, 0.0
    loud = [_loudness(levels, *stretch) for stretch in stretches]
    loudest = max(loud)
    common = _within(_LOUD - offset - loudest, _MOST_GAIN) * _certainty(loudest - floor)
    gains = [common + _within(loudest - each - _TOLERATED, _MOST_GAIN) * _certainty(each - floor) for each in loud]
    ramp = round(_RAMP * SAMPLE_RATE / 2)
    places = [
        at
        for low, high in stretches
        for at in (min(low + ramp, (low + high) // 2), max(high - ramp, (low + high) // 2))
    ]
    middles = np.arange(len(levels)) * LEVEL_HOP + LEVEL_HOP // 2
    curve = 10 ** (np.interp(middles, places, [gain for gain in gains for _ in range(2)]) / 20)
    curve = np.minimum(curve, _PEAK / np.maximum(np.abs(padded).max(axis=1), 1e-9))
    curve = np.maximum(curve, 1.0)  # what is near full scale already stays as it is
    return (padded * _between(curve)).reshape(-1)[: len(samples)], max(gains)


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


def _stretches(levels: _Floats, start: int, end: int, floor: float, joints: Container[int]) -> list[tuple[int, int]]:
    """A span of samples in parts of at most `_STRETCH` seconds without a change of level, equal between two changes.

    A knock is no change, nor is a pause, at the level of the `floor`. `joints`: where speech goes on in another span.
    """
    first, count = start // LEVEL_HOP, end // LEVEL_HOP - start // LEVEL_HOP
    changes = [0, *_changes(levels[first : first + count], floor + _CONTRAST[1]), count]
    rises = {at for at in changes[1:-1] if levels[first + at] > levels[first + at - 1]}
    opens = rises | ({0} if start not in joints else set())
    closes = {*changes[1:-1]} - rises | ({count} if end not in joints else set())
    knocks = [
        pair for pair in pairwise(changes) if pair[1] - pair[0] < _AROUND and pair[0] in opens and pair[1] in closes
    ]
    kept = [first + at for at in changes[1:-1] if not any(at in pair for pair in knocks)]
    parts = []
    for low, high in pairwise([start, *(at * LEVEL_HOP for at in kept), end]):
        count = max(1, -(-(high - low) // round(_STRETCH * SAMPLE_RATE)))
        parts += list(pairwise([low + (high - low) * part // count for part in range(count + 1)]))
    return parts


def _changes(levels: _Floats, least: float) -> list[int]:
    """Where the level rises or falls between two that are above the least, as positions of (n,) levels."""
    if len(levels) < 2 * _AROUND:
        return []
    # What sliding_window_view gives, in a tenth of its time.
    spans = np.ndarray((len(levels) - _AROUND + 1, _AROUND), levels.dtype, levels, 0, levels.strides * 2)
    loud = np.partition(spans, _AROUND - 6, axis=1)[:, _AROUND - 6]
    steps = loud[_AROUND:] - loud[:-_AROUND]
    steps[np.minimum(loud[_AROUND:], loud[:-_AROUND]) < least] = 0.0
    best = int(np.argmax(np.abs(steps)))
    if abs(steps[best]) < _CHANGE:
        return []
    louder = best + np.flatnonzero(levels[best : best + 2 * _AROUND] > (loud[best] + loud[best + _AROUND]) / 2)
    at = int(louder[0]) if steps[best] > 0 else int(louder[-1]) + 1
    at = min(max(at, 1), len(levels) - 1)
    return [*_changes(levels[:at], least), at, *(at + later for later in _changes(levels[at:], least))]


def _loudness(levels: _Floats, low: int, high: int) -> float:
    """How loud the loud parts of a span of samples are, dB."""
    first = min(low // LEVEL_HOP, len(levels) - 1)
    return percentile(levels[first : max(high // LEVEL_HOP, first + 1)], 90)


def _certainty(contrast: float) -> float:
    """How much of a gain is given to what is so many dB above the floor, 0 to 1."""
    return _within((contrast - _CONTRAST[0]) / (_CONTRAST[1] - _CONTRAST[0]), 1.0)


def _within(value: float, most: float) -> float:
    """The nearest value from 0 to the most."""
    return min(max(value, 0.0), most)


def _between(curve: _Floats) -> Samples:
    """A gain for each level to one for each sample, (n, LEVEL_HOP), which nowhere exceeds that of its level."""
    edges = np.empty(len(curve) + 1, np.float32)
    edges[0], edges[-1] = curve[0], curve[-1]
    edges[1:-1] = np.minimum(curve[1:], curve[:-1])
    return edges[:-1, None] + (edges[1:] - edges[:-1])[:, None] * _CLOCK
