"""CPU time of the event loop's callbacks: while one runs, all clients wait.

asyncio times callbacks only in its debug mode, so this wraps the method that runs them.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any, Self

#: seconds of a callback whose CPU time is not asked for: that is a system call, and there are thousands a second
_SHORT = 0.001
#: thread -> its monitor
MONITORS: dict[int, LoopMonitor] = {}
_run_untimed = asyncio.Handle._run  # noqa: SLF001


class LoopMonitor:
    """Times each callback over a millisecond in the thread that enters it, to a millisecond. A context manager.

    Garbage collections do not count: they look at the objects of the whole process, whatever the callback does.

    Attributes:
        longest: CPU seconds of the longest callback.
        running, started: whether a callback runs, and when the last one was started (`time.monotonic`).
    """

    def __init__(self) -> None:
        self.longest = self.started = 0.0
        self.running = False
        #: CPU seconds of the thread as last read, and when that was
        self._used, self._read = 0.0, -1.0
        self._collecting = 0.0

    def note(self, seconds: float, handle: asyncio.Handle) -> None:
        """Take the CPU seconds of a callback."""
        del handle
        self.longest = max(self.longest, seconds)

    def run(self, handle: asyncio.Handle) -> None:
        """Run a callback and note its time."""
        self.started, collecting = time.monotonic(), self._collecting
        if self.started - self._read > _SHORT:
            self._used, self._read = time.thread_time(), self.started
        self.running = True
        try:
            _run_untimed(handle)
        finally:
            self.running, ended = False, time.monotonic()
            if ended - self.started > _SHORT:
                before, self._used, self._read = self._used, time.thread_time(), ended
                self.note(self._used - before - (self._collecting - collecting), handle)

    def _time_collection(self, phase: str, info: dict[str, Any]) -> None:
        del info
        if MONITORS.get(threading.get_ident()) is self:
            self._collecting += time.thread_time() * (1 if phase == "stop" else -1)

    def __enter__(self) -> Self:
        MONITORS[threading.get_ident()] = self
        asyncio.Handle._run = _run_timed  # type: ignore[method-assign, assignment]  # noqa: SLF001
        gc.callbacks.append(self._time_collection)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._time_collection)
        MONITORS.pop(threading.get_ident(), None)


def _run_timed(handle: asyncio.Handle) -> None:
    monitor = MONITORS.get(threading.get_ident())
    if monitor is None:
        _run_untimed(handle)
    else:
        monitor.run(handle)
