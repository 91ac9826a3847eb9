from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.audio.channels import DuplicateChannelFilter, channels_of
from asrcli.errors import InputError

RNG = np.random.default_rng(3)


def noise(length: int, channels: int = 1) -> np.ndarray:
    return (RNG.standard_normal((length, channels)) * 0.1).astype(np.float32)


def run(deduper: DuplicateChannelFilter, block: np.ndarray, size: int) -> list[np.ndarray]:
    """Push in pieces; what each channel got, joined."""
    pieces = [deduper.push(block[at : at + size]) for at in range(0, len(block), size)]
    return [np.concatenate(channel) for channel in zip(*pieces, strict=True)]


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_two_equal_channels_are_taken_once(size: int) -> None:
    one = noise(1000)
    deduper = DuplicateChannelFilter(2)
    channels = run(deduper, np.hstack((one, one)), size)
    np.testing.assert_array_equal(channels[0], one[:, 0])
    assert len(channels[1]) == 0
    assert deduper.duplicates() == [1]


def test_dither_of_one_step_is_no_difference() -> None:
    one = np.round(noise(1000) * 32768) / 32768
    deduper = DuplicateChannelFilter(2)
    other = one + RNG.integers(-1, 2, one.shape) / 32768
    assert len(run(deduper, np.hstack((one, other)).astype(np.float32), 100)[1]) == 0
    assert deduper.duplicates() == [1]


def test_a_difference_of_three_steps_is_one() -> None:
    one = noise(1000)
    deduper = DuplicateChannelFilter(2)
    channels = run(deduper, np.hstack((one, one + 3 / 32768)).astype(np.float32), 100)
    assert len(channels[1]) == 1000
    assert deduper.duplicates() == []


@settings(max_examples=60)
@given(
    parting=st.lists(st.integers(0, 500), min_size=1, max_size=3),
    size=st.integers(1, 200),
)
def test_each_channel_is_delivered_from_where_it_parts(parting: list[int], size: int) -> None:
    length = 400
    first = noise(length)[:, 0]
    block = np.stack([first] * (1 + len(parting)), axis=1)
    for channel, position in enumerate(parting, start=1):
        block[position:, channel] += 0.01
    deduper = DuplicateChannelFilter(block.shape[1])
    channels = run(deduper, block, size)
    np.testing.assert_array_equal(channels[0], first)
    assert deduper.starts[0] == 0
    for channel, position in enumerate(parting, start=1):
        assert len(channels[channel]) == max(0, length - position)
        np.testing.assert_array_equal(channels[channel], block[position:, channel])
        assert (channel in deduper.duplicates()) == (position >= length)
        if position < length:
            assert deduper.starts[channel] == position


def test_an_empty_block_changes_nothing() -> None:
    deduper = DuplicateChannelFilter(2)
    assert [len(channel) for channel in deduper.push(np.zeros((0, 2), np.float32))] == [0, 0]
    assert deduper.duplicates() == [1]


def test_a_channel_that_parted_stays_apart_in_silence() -> None:
    deduper = DuplicateChannelFilter(2)
    deduper.push(noise(100, 2))
    assert len(deduper.push(np.zeros((50, 2), np.float32))[1]) == 50


def test_a_channel_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"Channel 2 does not exist: the recording has 2 channels.*0 to 1"):
        channels_of(2, 2)
    assert [channels_of(2, choice) for choice in ("mix", "split", 1)] == [1, 2, 1]
