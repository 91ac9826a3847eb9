"""The buffer against a plain array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.vad.types import SampleBuffer


@settings(max_examples=100)
@given(sizes=st.lists(st.integers(0, 50), max_size=20), data=st.data())
def test_reads_what_was_written(sizes: list[int], data: st.DataObject) -> None:
    stream = np.arange(sum(sizes), dtype=np.float32)
    buffer = SampleBuffer()
    forgotten = 0
    for size in sizes:
        buffer.append(stream[buffer.end : buffer.end + size])
        forgotten = data.draw(st.integers(forgotten, buffer.end))
        buffer.forget(forgotten)
        start = data.draw(st.integers(forgotten, buffer.end))
        end = data.draw(st.integers(start, buffer.end))
        np.testing.assert_array_equal(buffer.read(start, end), stream[start:end])


def test_refuses_what_it_does_not_hold() -> None:
    buffer = SampleBuffer()
    buffer.append(np.zeros(10, np.float32))
    buffer.append(np.zeros(10, np.float32))
    buffer.forget(10)
    with pytest.raises(IndexError):
        buffer.read(9, 12)
    buffer.forget(12)
    assert len(buffer.read(10, 12)) == 2
    with pytest.raises(IndexError):
        buffer.read(12, 21)
