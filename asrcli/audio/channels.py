"""Channels of a recording: which are asked for, and those that only repeat another."""

from typing import Literal

import numpy as np

from asrcli.audio.types import Samples
from asrcli.errors import InputError

#: Two channels are the same where they differ by no more than one step of 16 bits (dither, joint-stereo rounding).
_SAME = 1.01 / 32768


def channels_of(channels: int, choice: Literal["mix", "split"] | int) -> int:
    """How many channels a recording of `channels` gives. Raises InputError: the chosen channel does not exist."""
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
    """Takes a channel that only repeats channel 0 once.

    A recorder that writes one microphone to both channels, or an encoder that makes everything stereo, would have every
    word recognised twice. Channel k is held back while it equals channel 0, and delivered from the sample on where it
    first differs; until then its content was channel 0's.
    """

    def __init__(self, channels: int) -> None:
        #: position, in samples, where the channel's own stream began (channel 0: 0); meaningless while a duplicate
        self.starts: list[int] = [0] * channels
        self._same = [False] + [True] * (channels - 1)
        self._position = 0

    def push(self, block: Samples) -> list[Samples]:
        """A block (samples, channels) to an array (samples,) per channel, empty while the channel repeats channel 0."""
        out = [self._own(block, channel) for channel in range(len(self._same))]
        self._position += len(block)
        return out

    def duplicates(self) -> list[int]:
        """The channels that have equalled channel 0 in every sample so far."""
        return [channel for channel, same in enumerate(self._same) if same]

    def _own(self, block: Samples, channel: int) -> Samples:
        samples: Samples = block[:, channel]
        if not self._same[channel]:
            return samples
        differs = np.abs(samples - block[:, 0]) > _SAME
        first = int(differs.argmax()) if len(differs) else 0
        if not len(differs) or not differs[first]:
            return samples[:0]
        self._same[channel] = False
        self.starts[channel] = self._position + first
        return samples[first:]
