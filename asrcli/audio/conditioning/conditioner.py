"""Samples as decoded to samples as models expect them: finite, within full scale, without an offset, channels mixed.

Everything is decided for windows of 50 ms by the second around each, half of it ahead, or by the second before where
the recording is live. Values change linearly from window to window. The output does not depend on how the stream is
divided into blocks. Samples that need no change are passed on as they are.

* **Scale.** Float recordings may exceed full scale, or hold integers that were never scaled. From the first sample
  above 1 on, everything is divided by the peak so far; samples above 8 are taken for integers of 16, 24 or 32 bits.
* **Offset.** A mean (DC) of more than a fiftieth of the samples' range is subtracted.
* **Mix.** Channels are weighted by the positions of their loudspeakers, as ffmpeg mixes them (ITU-R BS.775). Where the
  mix has lost most of the energy of its channels, those of opposite polarity are inverted; where one of two channels
  becomes inverted, or ceases to be, the louder one is taken for a moment.
"""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from asrcli.audio.conditioning.peaks import PeakFollower
from asrcli.audio.conditioning.polarity import GONE, sign_changes
from asrcli.audio.layouts import default_layout, mix_weights
from asrcli.audio.types import Samples

_Floats = npt.NDArray[np.float64]

#: windows a second
_WINDOWS = 20
#: windows that decide on an offset, and those of them that lie ahead; none does in a live recording
_SPAN, _AHEAD = 20, 10
#: windows that decide on a mix, and those of them that lie ahead
_MIX_SPAN, _MIX_AHEAD = 5, 2
#: a mean below this share of the range is no offset
_OFFSET = 0.02
#: energy of the mix as a share of its channels' energies: 1 where they are unrelated, 0 where they cancel. Above the
#: second figure the mix is used as it is, below the first channels are inverted.
_CANCELLED, _KEPT = 0.3, 0.6
#: the same, with a margin for rounding
_WELL_KEPT = 0.61
#: windows before and after a change of the sign between two channels in which one of them is taken
_CHANGING = 2
#: correlation from which on a channel counts as inverted
_INVERTED = -0.3
#: another channel becomes the reference of polarity where it has this many times the energy
_BETTER = 4.0
#: channels that cancel each other are background where they have less than this share of the centre's energy, whose
#: peak is forgotten by this factor a window
_BACKGROUND, _FADING = 0.5, 0.999
#: seconds of cancelled sound that are reported, and the mean square of a sample below which there is none
_REPORTED, _SILENCE = 0.5, 1e-10
#: an LFE channel whose mean frequency is above this, Hz, carries more than bass and is mixed like the others
_BASS = 250.0


class Conditioner:
    """Conditions one stream of blocks, shape (samples, channels), at the recording's rate."""

    def __init__(
        self, rate: int, channels: int, choice: Literal["mix", "split"] | int, layout: str = "", *, live: bool = False
    ) -> None:
        """`rate` in Hz, `channels` as in the blocks; `choice`: mix all, keep each, or one by number; `layout`: their
        positions (`layouts`); `live`: return all complete windows at once.
        """
        self._rate, self._length = rate, max(1, rate // _WINDOWS)
        # A decoder may have chosen already.
        self._choice = choice if isinstance(choice, int) and channels > 1 else None
        self._count = channels if self._choice is None else 1
        self._mixing = choice == "mix" and self._count > 1
        self.channels = 1 if self._mixing else self._count
        self._ahead, self._mix_ahead = (0, 0) if live else (_AHEAD, _MIX_AHEAD)
        self._behind = _SPAN - self._ahead - 1
        fits = layout if len(layout) == channels else default_layout("", channels)
        self._weights, self._with_bass = map(np.array, mix_weights(fits))
        #: all channels have the same weight, whatever they carry
        self._equal = bool((np.array([self._weights, self._with_bass]) == self._weights[0]).all())
        self._centre = fits.find("C") if self._mixing else -1
        self._centre_peak = 0.0
        #: samples not yet returned, a row for each channel and one for their mix
        self._rows = self._count + self._mixing
        self._held = np.empty((self._rows, 0), np.float32)
        #: the memory that holds them
        self._memory = self._held
        # A row for each window not yet returned and those before it that decide with it: sums since the stream's start
        # (the number of samples, each channel's samples, their ranges, their squares, those of the mix), then its
        # scale and the weights of its channels.
        self._sums = 1 + 2 * self._count + (self._count + 1 if self._mixing else 0)
        self._notes = np.zeros((self._behind + 1, self._sums + 1 + self._count))
        self._measured = 0
        self._peaks, self._reference = PeakFollower(), 0
        neutral = self._weights[None] if self._mixing else np.ones((1, 1))
        self._neutral: tuple[_Floats, _Floats] = neutral, np.zeros((1, self._count))
        #: weights or scales, and offsets, at the end of what was returned
        self._last: tuple[_Floats, _Floats] | None = None
        #: what was returned last is within full scale
        self.bounded = False
        #: what was returned last had no offset, and was mixed by the usual weights, if at all
        self._unchanged = True
        self._cancelled = 0.0
        #: positive for the energies of two channels and of their mix where they may cancel each other; whether any did
        self._lost = np.array([*[GONE * self._weights[0] ** 2] * 2, -1.0])
        self._cancels = False

    def push(self, block: Samples) -> Samples:
        """Take a block (samples, channels); returns what is ready, (samples, channels), good until the next call, which
        takes its memory: new memory for each block costs as much time as the work.
        """
        before = self._held.shape[1]
        if block.base is not self._memory:
            chosen = block if self._choice is None else block[:, self._choice : self._choice + 1]
            self._make_room(len(block))
            self._memory[: self._count, before : before + len(block)] = chosen.T
        self._held = self._memory[:, : before + len(block)]
        self._measure(self._held.shape[1] // self._length)
        return self._release(self._measured - self._ahead)

    def room(self, count: int) -> Samples:
        """Memory for the next block, (count, 1), of a recording with one channel: its start is pushed at no cost."""
        assert self._rows == 1
        before = self._held.shape[1]
        self._make_room(count)
        return self._memory[:, before : before + count].T

    def finish(self) -> Samples:
        """Returns the rest, (samples, channels)."""
        length = self._held.shape[1]
        if left := length % self._length:
            self._held = np.pad(self._held, ((0, 0), (0, self._length - left)))
            self._measure(length // self._length)
            self._measure(length // self._length + 1, left)
        self._notes = np.concatenate([self._notes, *[self._notes[-1:]] * self._ahead])
        return self._release(self._measured)[:length]

    def warnings(self) -> list[str]:
        """What was found in the whole stream."""
        found = self._peaks.warnings()
        if self._cancelled >= _REPORTED:
            found.append(
                f"channels: one channel is inverted for {self._cancelled:.1f} s, where a mix would cancel the sound; "
                "its polarity was corrected there"
            )
        found += self._peaks.clipping()
        if self._peaks.odd:
            found.append(f"{self._peaks.odd} samples are no numbers (NaN or infinite) and were taken as silence")
        return found

    def _make_room(self, count: int) -> None:
        """Move what is held to the start of the memory, which then has room for `count` more samples."""
        before = self._held.shape[1]
        memory = self._memory
        if memory.shape[1] < before + count:
            # In C order whatever the block's: the order of sums, and with it their rounding, depends on it.
            room = max(before, (self._ahead + 1) * self._length)
            memory = np.empty((self._rows, room + max(count, self._length)), np.float32)
        memory[:, :before] = self._held
        self._memory, self._held = memory, memory[:, :before]

    def _measure(self, count: int, size: int = 0) -> None:
        """Note what later decides on the windows held, up to the `count`-th; they have `size` samples, or all."""
        first, size = self._measured, size or self._length
        if count <= first:
            return
        held = self._held[:, first * self._length : count * self._length]
        windows = held.reshape(len(held), count - first, self._length)
        channels = windows[: self._count]
        ranges, scales = self._peaks.follow(channels)
        notes = np.empty((count - first + 1, self._notes.shape[1]))
        notes[0] = self._notes[-1]
        sums = notes[1:, 1 : 1 + self._count]
        notes[1:, 0], sums[:] = size, np.einsum("cni->nc", channels)
        notes[1:, 1 + self._count : 1 + 2 * self._count] = ranges.T * size
        notes[1:, self._sums] = scales
        if self._mixing:
            energies = _energy(channels).T
            base = self._weights
            if self._count == 2 and self._equal:
                np.add(channels[0], channels[1], out=windows[-1])
                windows[-1] *= np.float32(0.5)
            elif self._equal:
                np.add.reduce(channels, axis=0, out=windows[-1])
                windows[-1] *= np.float32(self._weights[0])
            else:
                more = self._carries_more_than_bass(windows, energies)
                base = np.where(more[:, None], self._with_bass, self._weights)
                np.einsum("cni,nc->ni", channels, base.astype(np.float32), out=windows[-1])
            # Without the mean of each window, which is part of the offset.
            notes[1:, 1 + 2 * self._count : self._sums - 1] = energies - sums**2 / size
            notes[1:, self._sums - 1] = _energy(windows[-1]) - (sums * base).sum(axis=1) ** 2 / size
            notes[1:, self._sums + 1 :] = base
            if self._count == 2 and self._equal and not self._cancels:
                self._cancels = bool((notes[1:, 1 + 2 * self._count : self._sums] @ self._lost).max() > 0)
        # One after the other from the start of the stream: the same sums however it is divided.
        np.add.accumulate(notes[:, : self._sums], axis=0, out=notes[:, : self._sums])
        self._notes = np.concatenate([self._notes, notes[1:]])
        self._measured = count

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
            return np.empty((0, self.channels), np.float32)
        end, offsets = count * self._length, self._offsets(count)
        if (
            offsets is None
            and self._unchanged
            and self._peaks.scale == 1.0
            and (not self._mixing or self._mixes_well(count))
        ):
            out = self._held[-self.channels :, :end].T
            self._last = self._neutral
            self.bounded = self._peaks.peak <= 1.0 and self._rows <= 3
        else:
            self.bounded = False
            out = self._conditioned(count, np.zeros((count, self._count)) if offsets is None else offsets)
        self._held, self._notes = self._held[:, end:], self._notes[count:]
        self._measured -= count
        return out

    def _conditioned(self, count: int, offsets: _Floats) -> Samples:
        """The first windows as they shall be, (samples, channels)."""
        # The scale falls before the peak is there: each window has that of the last one it depends on.
        after = self._behind + 1 + self._ahead
        gains = self._notes[after : after + count, self._sums, None]
        gains = self._mix(count) * gains if self._mixing else gains
        last = self._last or (gains[:1], offsets[:1])
        gains, offsets = np.concatenate([last[0], gains]), np.concatenate([last[1], offsets])
        self._last = gains[-1:], offsets[-1:]
        held = self._held[:, : count * self._length]
        plain = (gains == (self._weights if self._mixing else 1.0)).all(axis=1) & ~offsets.any(axis=1)
        self._unchanged = bool(plain[-1]) if self._mixing else not offsets[-1].any()
        if not plain.all():
            odd = np.flatnonzero(~(plain[:-1] & plain[1:]))
            first, end = int(odd[0]), int(odd[-1]) + 1
            windows = held.reshape(len(held), count, -1)[:, first:end]
            self._change(windows, gains[first : end + 1], offsets[first : end + 1])
        return held[-self.channels :].T

    def _change(self, windows: Samples, gains: _Floats, offsets: _Floats) -> None:
        """Mix or scale windows, (rows, n, length), in the last rows; gains and offsets are those at edges."""
        if not self._mixing:
            for channel, gain, offset in zip(windows, np.broadcast_to(gains, offsets.shape).T, offsets.T, strict=True):
                np.multiply(channel, self._between(gain), out=channel)
                np.subtract(channel, self._between(gain * offset), out=channel)
            return
        windows[-1] = -self._between((gains * offsets).sum(axis=1))
        for channel, share in zip(windows, gains.T, strict=False):
            windows[-1] += channel * self._between(share)

    def _offsets(self, count: int) -> _Floats | None:
        """The offset of each channel at the end of the first windows, (count, channels); None where all are 0."""
        sums = self._around(_SPAN, self._ahead, count)
        means, ranges = sums[:, 1 : 1 + self._count], sums[:, 1 + self._count : 1 + 2 * self._count]
        large = np.abs(means) > _OFFSET * ranges
        return np.where(large, means / sums[:, :1], 0.0) if large.any() else None

    def _mixes_well(self, count: int) -> bool:
        """Whether `_mix` certainly gives the same weights for all of the first windows."""
        if not self._equal or self._centre >= 0:
            return False
        sums = self._around(_MIX_SPAN, self._mix_ahead, count)[:, 1 + 2 * self._count :]
        separate = (sums[:, :-1] * self._weights**2).sum(axis=1)
        return bool((sums[:, -1] >= _WELL_KEPT * separate).all()) and self._changes(count) is None

    def _changes(self, count: int) -> npt.NDArray[np.bool_] | None:
        """Of each of the first windows, whether the sign between two channels changes near it; None for nowhere."""
        if not self._cancels:
            return None
        end, columns = self._behind + 1 + count + self._mix_ahead, slice(1 + 2 * self._count, self._sums)
        sums, span = self._notes[self._behind - _CHANGING : end, columns], _CHANGING + self._mix_ahead + 1
        return sign_changes(sums, float(self._weights[0]), _SILENCE * self._length, span)

    def _mix(self, count: int) -> _Floats:
        """The weight of each channel at the end of the first windows, shape (count, channels)."""
        sums = self._around(_MIX_SPAN, self._mix_ahead, count)[:, 1 + 2 * self._count :]
        weights = self._notes[self._behind + 1 :, self._sums + 1 :][:count]
        energies, mixed = sums[:, :-1], sums[:, -1]
        separate = (weights**2 * energies).sum(axis=1)
        background = self._background(weights, energies)
        # Behind a sample of 1e9, sums are rounded: the mix may seem to have less than nothing, or far more than its
        # channels, and the ratio would exceed all numbers.
        mixed = np.maximum(mixed, 0.0)
        ratio = mixed / np.maximum(np.maximum(separate, mixed / 1000), 1e-300)
        kept = np.clip((ratio - _CANCELLED) / (_KEPT - _CANCELLED), 0.0, 1.0)
        previous = None if self._last is None else self._last[0][0]
        found = self._changes(count)
        changes = np.zeros(count, bool) if found is None else found
        for index in np.flatnonzero(((kept < 1.0) & (separate > background)) | changes).tolist():
            weights = weights.copy()
            base, loud = weights[index].copy(), weights[index] ** 2 * energies[index]
            if loud.max() > _BETTER * loud[self._reference]:
                self._reference = int(loud.argmax())
            if kept[index] < 0.5 and loud.max() > _SILENCE * self._length:
                self._cancelled += self._length / self._rate
            if index:
                previous = weights[index - 1]
            if changes[index]:
                sign = -1.0 if previous is not None and previous[self._reference] < 0 else 1.0
                weights[index] = sign * base.sum() * (np.arange(self._count) == self._reference)
                continue
            signs = self._signs(index)
            if previous is not None and (base * signs * previous).sum() < 0:
                signs = -signs
            weights[index] = base * (kept[index] + (1.0 - kept[index]) * signs)
        return weights

    def _background(self, weights: _Floats, energies: _Floats) -> _Floats:
        """Energy up to which channels that cancel each other do not matter, (windows,)."""
        levels = np.zeros(len(weights))
        if self._centre >= 0:
            for index, energy in enumerate(energies[:, self._centre].tolist()):
                self._centre_peak = max(self._centre_peak * _FADING, energy)
                levels[index] = _BACKGROUND * weights[index, self._centre] ** 2 * self._centre_peak
        return levels

    def _signs(self, index: int) -> _Floats:
        """1 for each channel, -1 for those of the polarity opposite to the reference's, from a window on."""
        sound = self._held[: self._count, index * self._length : (index + self._mix_ahead + 1) * self._length]
        sound = sound - sound.mean(axis=1, keepdims=True)
        common = sound @ sound[self._reference]
        energies = np.einsum("ij,ij->i", sound, sound)
        return np.where(common < _INVERTED * np.sqrt(energies * energies[self._reference]), -1.0, 1.0)

    def _around(self, span: int, ahead: int, count: int) -> _Floats:
        """Sums over `span` windows, the last of them `ahead` of each of the first windows, (count, columns)."""
        after = self._behind + ahead + 1
        sums = self._notes[:, : self._sums]
        return sums[after : after + count] - sums[after - span : after - span + count]

    def _between(self, edges: _Floats) -> Samples:
        """Values at the edges of windows, (n + 1,), to one for each sample, (n, length)."""
        start = edges[:-1, None].astype(np.float32)
        if (edges == edges[0]).all():
            return start
        clock = (np.arange(self._length, dtype=np.float32) + np.float32(0.5)) / np.float32(self._length)
        ramp = (edges[1:] - edges[:-1]).astype(np.float32)[:, None] * clock
        ramp += start
        return ramp


def _energy(windows: Samples) -> _Floats:
    """The energy of each window, (..., length) -> (...)."""
    energy: _Floats = np.matmul(windows[..., None, :], windows[..., :, None])[..., 0, 0].astype(np.float64)
    return energy
