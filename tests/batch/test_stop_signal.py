"""The request to stop, which signal handlers make."""

from __future__ import annotations

import sys
from threading import Barrier, Event, Thread
from types import FrameType

import pytest

from asrcli.batch.stop_signal import DroppedError, StopSignal


def test_a_request_may_interrupt_another_one() -> None:
    """Two signals at once, as `timeout` and a second Ctrl-C send: the second handler runs inside the first."""
    stop = StopSignal()
    nested: list[str] = []

    def interrupt(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_name == "notify_all":  # the lock of the flag is held
            sys.setprofile(None)
            nested.append(event)
            stop.request()

    def first() -> None:
        sys.setprofile(interrupt)
        stop.request()

    thread = Thread(target=first, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert nested
    assert stop.requested()
    assert stop.wait(0)


def test_a_result_does_not_wait_for_another_one_that_is_written() -> None:
    """One upload to a store that did not answer held up all results."""
    stop, written = StopSignal(), []
    together, finish = Barrier(3), Event()

    def write(number: int) -> None:
        with stop.gate():
            together.wait(10)
            finish.wait(10)
            written.append(number)

    writers = [Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    together.wait(10)
    stop.close(0)
    assert written == []
    with pytest.raises(DroppedError), stop.gate():
        pass
    finish.set()
    stop.close(10)
    assert sorted(written) == [0, 1]
    for writer in writers:
        writer.join()
