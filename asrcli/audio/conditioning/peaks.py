"""The peak of a recording: its scale, stray values, and samples that are no numbers or at full scale."""

import math

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import Samples

#: samples above this are integers; below it, float samples over full scale
_INTEGERS = 8.0
_FULL_SCALES = (2.0**15, 2.0**23, 2.0**31)
#: samples above `_INTEGERS` are stray values, as damaged files hold them, if the window has no more than this share
#: of them and of samples above full scale
_STRAY = 0.002
#: part of all samples at full scale from which a recording is called clipped (a full-scale sine has 3 %)
_CLIPPED, _FULL_SCALE = 0.05, 0.999


class PeakFollower:
    """Follows the peak of a stream of windows."""

    def __init__(self) -> None:
        #: what samples are multiplied by, from here on
        self.scale = 1.0
        #: the highest sample so far
        self.peak = 0.0
        #: samples that are no numbers
        self.odd = 0
        self._stray = self._clipped = self._samples = 0

    def follow(self, windows: Samples) -> tuple[Samples, npt.NDArray[np.float64] | float]:
        """The range of each channel's windows, (channels, n), and the scale of windows; cuts off stray values."""
        highs, lows = np.maximum.reduce(windows, axis=2), np.minimum.reduce(windows, axis=2)
        self._samples += windows.size
        limit = _FULL_SCALE / self.scale
        high, low = float(np.maximum.reduce(highs, axis=None)), float(np.minimum.reduce(lows, axis=None))
        if -limit < low and high < limit:
            self.peak = max(self.peak, high, -low)
            return highs - lows, self.scale
        if not (math.isfinite(high) and math.isfinite(low)):
            odd = ~np.isfinite(windows)
            self.odd += int(odd.sum())
            windows[odd] = 0
            highs, lows = np.maximum.reduce(windows, axis=2), np.minimum.reduce(windows, axis=2)
        peaks = np.maximum(highs, -lows).max(axis=0).astype(np.float64)
        scales = np.full(len(peaks), self.scale)
        for index in np.flatnonzero(peaks >= limit).tolist():
            window, peak, full = windows[:, index], float(peaks[index]), 1.0 / self.scale
            if peak < _FULL_SCALE * full:
                continue  # the scale has fallen since
            size = np.abs(window)
            few = (size > full).mean() <= _STRAY
            if peak > _INTEGERS * (full if few else max(full, _FULL_SCALES[-1])):
                self._stray += int((size > _INTEGERS * full).sum())
                np.clip(window, -full, full, out=window)
                highs[:, index], lows[:, index] = window.max(axis=1), window.min(axis=1)
                peaks[index] = full
                continue
            if peak > full:
                self.scale = min(self.scale, _scale_of(window, peak))
                scales[index:] = self.scale
            self._clipped += int((size >= _FULL_SCALE / self.scale).sum())
        self.peak = max(self.peak, float(peaks.max()))
        return highs - lows, scales

    def warnings(self) -> list[str]:
        """What was found in the whole stream."""
        found = []
        if self.peak > 2.0:
            found.append(f"scaled: samples reach {self.peak:,.0f} times full scale; the recording was scaled down")
        if self._stray:
            found.append(f"damaged: {self._stray} single samples far above full scale were cut off")
        return found

    def clipping(self) -> list[str]:
        """A warning where many samples are at full scale."""
        if self._clipped <= _CLIPPED * self._samples:
            return []
        return [f"clipped: {100 * self._clipped / self._samples:.0f} % of the samples are at full scale"]


def _scale_of(window: Samples, peak: float) -> float:
    """What brings a recording whose highest sample so far is in this window into full scale."""
    if peak > _INTEGERS or (peak >= 2.0 and bool((window == np.rint(window)).all())):
        full = next((full for full in _FULL_SCALES if peak <= _INTEGERS * full), _FULL_SCALES[-1])
        return 1.0 / max(full, peak)
    return 1.0 / peak
