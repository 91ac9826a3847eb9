"""The request to stop, which signal handlers make."""

from __future__ import annotations

import sys
from threading import Thread
from types import FrameType

from asrcli.batch.stop_signal import StopSignal


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
