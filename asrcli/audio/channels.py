"""Channels of a recording: which are asked for, and those that only repeat another."""

from __future__ import annotations

from typing import Literal

import numpy as np

from asrcli.audio.types import Samples
from asrcli.errors import InputError

#: Two lanes are the same where they differ by no more than one step of 16 bits (dither, joint-stereo rounding).
_SAME = 1.01 / 32768


def channels_of(channels: int, choice: Literal["mix", "split"] | int) -> int:
    """How many lanes a recording of `channels` gives. Raises InputError: the chosen channel does not exist."""
    if isinstance(choice, int) and not 0 <= choice < channels:
        raise no_channel(channels, choice)
    return channels if choice == "split" else 1


def no_channel(channels: int, choice: int) -> InputError:
    """The error for a chosen channel that a recording does not have."""
    has = "one channel" if channels == 1 else f"{channels} channels"
    valid = "--channels 0" if channels == 1 else f"--channels 0 to {channels - 1}"
    return InputError(
        f"Channel {choice} does not exist: the recording has {has}.", f"Channels count from 0: {valid}, mix or split."
    )


class DuplicateChannelFilter:
    """Takes a lane that only repeats lane 0 once.

    A recorder that writes one microphone to both channels, or an encoder that makes everything stereo, would have every
    word recognised twice. Lane k is held back while it equals lane 0 and delivered from the sample on where it first
    differs; until then its content was lane 0's.
    """

    def __init__(self, lanes: int) -> None:
        #: position, in samples, where the lane's own stream began (lane 0: 0); meaningless while a lane is a duplicate
        self.starts: list[int] = [0] * lanes
        self._same = [False] + [True] * (lanes - 1)
        self._position = 0

    def push(self, block: Samples) -> list[Samples]:
        """A block (samples, lanes) to one array (samples,) per lane, empty where the lane still repeats lane 0."""
        out = [self._own(block, lane) for lane in range(len(self._same))]
        self._position += len(block)
        return out

    def duplicates(self) -> list[int]:
        """The lanes that have equalled lane 0 in every sample so far."""
        return [lane for lane, same in enumerate(self._same) if same]

    def _own(self, block: Samples, lane: int) -> Samples:
        samples: Samples = block[:, lane]
        if not self._same[lane]:
            return samples
        differs = np.abs(samples - block[:, 0]) > _SAME
        first = int(differs.argmax()) if len(differs) else 0
        if not len(differs) or not differs[first]:
            return samples[:0]
        self._same[lane] = False
        self.starts[lane] = self._position + first
        return samples[first:]
