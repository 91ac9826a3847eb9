"""Samples as decoded to samples as models expect them: within full scale, without an offset, channels mixed.

Everything is decided for windows of 50 ms by what lies around them, half a second ahead at most, and weights change
linearly from window to window. The output does not depend on how the stream is divided into blocks.

* **Scale.** Float recordings may exceed full scale, or hold integers that were never scaled. From the first sample
  above 1 on, everything is divided by the peak so far; samples above 8 are taken for integers of 16, 24 or 32 bits.
* **Offset.** The mean of the second around each window (DC) is subtracted.
* **Mix.** Channels are weighted by the positions of their loudspeakers, as ffmpeg mixes them (ITU-R BS.775). Where the
  mix has lost most of the energy of its channels (one is inverted, or nearly), the best channel takes its place.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from asrcli.audio.layouts import default_layout, mix_weights
from asrcli.audio.types import Samples

_Floats = npt.NDArray[np.float64]

#: windows a second
_WINDOWS = 20
#: windows on each side of one whose mean is its offset, and one more for the next window's
_REACH = 10
_CONTEXT = _REACH + 1
#: windows on each side of one that decide with it how it is mixed
_NEAR = 2
#: energy of the mix as a share of its channels' energies: 1 where they are unrelated, 0 where they cancel. Above the
#: second figure the mix is used as it is, below the first not at all.
_CANCELLED, _KEPT = 0.3, 0.6
#: another channel becomes the best one where it has this many times the energy
_BETTER = 4.0
#: seconds of cancelled sound that are reported, and the mean square of a sample below which there is none
_REPORTED, _SILENCE = 0.5, 1e-10
#: samples above this are integers; below it, float samples over full scale
_INTEGERS = 8.0
_FULL_SCALES = (2.0**15, 2.0**23, 2.0**31)
#: samples above `_INTEGERS` are stray values, as damaged files hold them, if the window has no more than this share
#: of them and of samples above full scale
_STRAY = 0.002
#: part of all samples at full scale from which a recording is called clipped (a full-scale sine has 3 %)
_CLIPPED, _FULL_SCALE = 0.05, 0.999
#: an LFE channel whose mean frequency is above this, Hz, carries more than bass and is mixed like the others
_BASS = 250.0


class Conditioner:
    """Conditions one stream of blocks, shape (samples, channels), at the recording's rate."""

    def __init__(self, rate: int, channels: int, choice: Literal["mix", "split"] | int, layout: str = "") -> None:
        """`rate` in Hz, `channels` as in the blocks; `choice`: mix all, keep each, or one by number; `layout`: their
        positions (`layouts`).
        """
        self._rate, self._length = rate, max(1, rate // _WINDOWS)
        # A decoder may have chosen already.
        self._choice = choice if isinstance(choice, int) and channels > 1 else None
        count = channels if self._choice is None else 1
        self._mixing = choice == "mix" and count > 1
        self.lanes = 1 if self._mixing else count
        fits = layout if len(layout) == channels else default_layout("", channels)
        self._weights, self._with_bass = map(np.array, mix_weights(fits))
        self._pending = np.empty((count, 0), np.float32)
        #: windows not yet returned, (channels, windows, length)
        self._windows = np.empty((count, 0, self._length), np.float32)
        # Of each of these windows and of `_CONTEXT` before them: sums since the start of the stream (the number of
        # samples, each channel's samples, their squares, those of the mix), weights in a mix, and scale.
        self._totals = np.zeros((_CONTEXT + 1, 1 + count + (count + 1 if self._mixing else 0)))
        self._bases = np.zeros((_CONTEXT, count))
        self._scales = np.ones(_CONTEXT)
        self._scale, self._best = 1.0, 0
        self._last: _Floats | None = None
        self._peak, self._stray, self._cancelled = 0.0, 0, 0.0
        self._clipped, self._samples = 0, 0

    def push(self, block: Samples) -> Samples:
        """Take a block (samples, channels); returns what is ready, (samples, lanes)."""
        chosen = block if self._choice is None else block[:, self._choice : self._choice + 1]
        held = self._pending.shape[1]
        # In C order whatever the block's: the order of sums, and with it their rounding, depends on it.
        pending = np.empty((len(self._pending), held + len(block)), np.float32)
        pending[:, :held], pending[:, held:] = self._pending, chosen.T
        whole = pending.shape[1] // self._length
        self._pending = pending[:, whole * self._length :].copy()
        if whole:
            windows = pending[:, : whole * self._length].reshape(-1, whole, self._length)
            self._measure(windows, self._length)
        return self._release(self._windows.shape[1] - _CONTEXT)

    def finish(self) -> Samples:
        """Returns the rest, (samples, lanes)."""
        left = self._pending.shape[1]
        if left:
            padded = np.pad(self._pending, ((0, 0), (0, self._length - left)))
            self._measure(padded[:, None, :], left)
        count = self._windows.shape[1]
        self._totals = np.pad(self._totals, ((0, _CONTEXT), (0, 0)), "edge")
        self._scales = np.append(self._scales, np.full(_CONTEXT, self._scale))
        return self._release(count)[: count * self._length - (self._length - left if left else 0)]

    def warnings(self) -> list[str]:
        """What was found in the whole stream."""
        found = []
        if self._peak > 2.0:
            found.append(f"scaled: samples reach {self._peak:,.0f} times full scale; the recording was scaled down")
        if self._stray:
            found.append(f"damaged: {self._stray} single samples far above full scale were cut off")
        if self._cancelled >= _REPORTED:
            found.append(
                f"channels: one channel is inverted for {self._cancelled:.1f} s, where a mix would cancel the sound; "
                "one channel was used there"
            )
        if self._clipped > _CLIPPED * self._samples:
            share = 100 * self._clipped / self._samples
            found.append(f"clipped: {share:.0f} % of the samples are at full scale")
        return found

    def _measure(self, windows: Samples, size: int) -> None:
        """Take windows of `size` samples, (channels, n, length), and note what later decides on them."""
        windows = self._follow_peak(windows)
        self._windows = np.concatenate([self._windows, windows], axis=1)
        sums = windows.sum(axis=2).T.astype(np.float64)
        numbers = [np.full((len(sums), 1), float(size)), sums]
        if self._mixing:
            energies = np.stack([_energy(channel) for channel in windows], axis=1)
            base = np.where(self._carries_more_than_bass(windows, energies)[:, None], self._with_bass, self._weights)
            mixed = np.zeros(windows.shape[1:], np.float32)
            for channel, share in zip(windows, _float32(base).T, strict=True):
                mixed += channel * share[:, None]
            # Without the mean of each window, which is part of the offset.
            numbers += [energies - sums**2 / size, (_energy(mixed) - (sums * base).sum(axis=1) ** 2 / size)[:, None]]
            self._bases = np.concatenate([self._bases, base])
        # One after the other from the start of the stream: the same sums however it is divided.
        totals = np.cumsum(np.concatenate([self._totals[-1:], np.concatenate(numbers, axis=1)]), axis=0)
        self._totals = np.concatenate([self._totals, totals[1:]])

    def _follow_peak(self, windows: Samples) -> Samples:
        """Lower the scale where samples exceed full scale; returns the windows without stray values."""
        peaks = np.maximum(windows.max(axis=(0, 2)), -windows.min(axis=(0, 2))).astype(np.float64)
        scales = np.full(len(peaks), self._scale)
        self._samples += windows.size
        for index in np.flatnonzero(peaks >= _FULL_SCALE / self._scale).tolist():
            window, peak, full = windows[:, index], float(peaks[index]), 1.0 / self._scale
            if peak < _FULL_SCALE * full:
                continue  # the scale has fallen since
            size = np.abs(window)
            few = (size > full).mean() <= _STRAY
            if peak > _INTEGERS * (full if few else max(full, _FULL_SCALES[-1])):
                windows = windows.copy()
                windows[:, index] = np.clip(window, -full, full)
                self._stray += int((size > _INTEGERS * full).sum())
                peaks[index] = full
                continue
            if peak > full:
                self._scale = min(self._scale, _scale_of(window, peak))
                scales[index:] = self._scale
            self._clipped += int((size >= _FULL_SCALE / self._scale).sum())
        self._peak = max(self._peak, float(peaks.max()))
        self._scales = np.append(self._scales, scales)
        return windows

    def _carries_more_than_bass(self, windows: Samples, energies: _Floats) -> npt.NDArray[np.bool_]:
        """Of each window, whether an LFE channel holds more than bass."""
        more = np.zeros(windows.shape[1], bool)
        for channel in np.flatnonzero((self._weights == 0) & (self._with_bass > 0)).tolist():
            steps = _energy(np.diff(windows[channel], axis=1))
            more |= steps > energies[:, channel] * (2 * math.pi * _BASS / self._rate) ** 2
        return more

    def _release(self, count: int) -> Samples:
        """Condition the first `count` windows held: what decides on them has been measured."""
        if count <= 0:
            return np.empty((0, self.lanes), np.float32)
        offsets = self._offsets(count)
        # The scale falls before the peak is there: each window has that of the last one it depends on.
        scales = self._scales[2 * _CONTEXT : 2 * _CONTEXT + count, None]
        if self._mixing:
            weights = self._mix(count) * scales
            weights = np.concatenate([weights[:1] if self._last is None else self._last, weights])
            self._last = weights[-1:]
            out = self._weighted(count, weights, (weights * offsets).sum(axis=1))[:, None]
        else:
            scales = np.concatenate([scales[:1] if self._last is None else self._last, scales])
            self._last = scales[-1:]
            lanes = [
                self._scaled(channel[:count], scales[:, 0], offsets[:, i]) for i, channel in enumerate(self._windows)
            ]
            out = np.stack(lanes, axis=1)
        self._forget(count)
        return out

    def _forget(self, count: int) -> None:
        self._windows = self._windows[:, count:].copy()
        self._totals, self._bases, self._scales = self._totals[count:], self._bases[count:], self._scales[count:]

    def _offsets(self, count: int) -> _Floats:
        """The offset of each channel at the edges of the first windows, shape (count + 1, channels)."""
        sums = self._around(0, count + 2, _REACH)
        means = sums[:, 1 : 1 + len(self._windows)] / sums[:, :1]
        return np.asarray((means[:-1] + means[1:]) / 2)

    def _mix(self, count: int) -> _Floats:
        """The weight of each channel in the first windows, shape (count, channels)."""
        sums = self._around(_CONTEXT - _NEAR, count, _NEAR)[:, 1 + len(self._windows) :]
        energies, mixed = sums[:, :-1], sums[:, -1]
        bases = self._bases[_CONTEXT : _CONTEXT + count].copy()
        separate = (bases**2 * energies).sum(axis=1)
        kept = np.clip((mixed / np.maximum(separate, 1e-300) - _CANCELLED) / (_KEPT - _CANCELLED), 0.0, 1.0)
        for index in np.flatnonzero((kept < 1.0) & (separate > 0.0)).tolist():
            base, loud = bases[index], bases[index] ** 2 * energies[index]
            if loud.max() > _BETTER * loud[self._best]:
                self._best = int(loud.argmax())
            best = np.zeros(len(base))
            best[self._best] = base.sum()
            bases[index] = kept[index] * base + (1.0 - kept[index]) * best
            if kept[index] < 0.5 and loud.max() > _SILENCE * self._length:
                self._cancelled += self._length / self._rate
        return bases

    def _around(self, first: int, count: int, reach: int) -> _Floats:
        """Sums over 2 * reach + 1 windows, those of the first from `first` on, (count, columns)."""
        after = first + 2 * reach + 1
        return self._totals[after : after + count] - self._totals[first : first + count]

    def _weighted(self, count: int, weights: _Floats, offsets: _Floats) -> Samples:
        """The mix of the first windows, (samples,); weights, (count + 1, channels), and offsets are those at edges."""
        out = np.zeros((count, self._length), np.float32)
        for channel, share in zip(self._windows, weights.T, strict=True):
            out += channel[:count] * self._between(share)
        return (out - self._between(offsets)).reshape(-1)

    def _scaled(self, windows: Samples, scales: _Floats, offsets: _Floats) -> Samples:
        scaled = windows if (scales == 1.0).all() else windows * self._between(scales)
        return (scaled - self._between(offsets * scales)).reshape(-1)

    def _between(self, edges: _Floats) -> Samples:
        """Values at the edges of windows, (n + 1,), to one for each sample, (n, length)."""
        start = _float32(edges[:-1, None])
        if (edges == edges[0]).all():
            return start
        clock = (np.arange(self._length, dtype=np.float32) + np.float32(0.5)) / np.float32(self._length)
        ramp = _float32(edges[1:] - edges[:-1])[:, None] * clock
        ramp += start
        return ramp


def _energy(windows: Samples) -> _Floats:
    """The energy of each window, (n, length) -> (n,)."""
    energy: _Floats = np.square(windows).sum(axis=1, dtype=np.float64)
    return energy


def _float32(values: _Floats) -> Samples:
    return values.astype(np.float32)


def _scale_of(window: Samples, peak: float) -> float:
    """What brings a recording whose highest sample so far is in this window into full scale."""
    if peak > _INTEGERS or (peak >= 2.0 and bool((window == np.rint(window)).all())):
        full = next((full for full in _FULL_SCALES if peak <= _INTEGERS * full), _FULL_SCALES[-1])
        return 1.0 / max(full, peak)
    return 1.0 / peak
