"""Streams that are read while they are recorded: pipes, FIFOs, terminals."""

import contextlib
import io
import math
import os
import queue
import select
import stat
import threading
import time
from collections.abc import Iterator
from typing import Any

from asrcli.audio.types import SAMPLE_RATE, Samples

#: Seconds after the end of the recording was requested: what the writer still sends is read for so long in total, and
#: a silence of `_QUIET` ends it. A recorder that gets the same Ctrl-C flushes its last buffer in that time.
_GRACE, _QUIET = 1.0, 0.3
#: seconds between two looks at a stream that gives nothing
_TICK = 0.1
#: seconds of sound after which an earlier wait counts a third
_MEMORY = 1.5
#: blocks that are read ahead
_AHEAD = 4


class EndableStream(io.RawIOBase):
    """A file descriptor, read without buffer or lock, whose end can be requested from a signal handler.

    Python aborts at shutdown when a thread still holds the lock of `sys.stdin.buffer`; this class has none.
    """

    def __init__(self, descriptor: int, *, owned: bool = False) -> None:
        """Wrap a readable descriptor, blocking or not; `owned`: close it with this object."""
        self._descriptor, self._owned = descriptor, owned
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._deadline: float | None = None
        self._finished = False
        try:
            self.endable = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        except OSError:
            self.endable = True

    def end(self) -> None:
        """Request the end of the stream: readers get what was sent so far, then the end. Safe in a signal handler."""
        with contextlib.suppress(OSError):
            os.write(self._waker, b"\0")

    def fileno(self) -> int:
        return self._descriptor

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._finished and self._wait():
            try:
                count = os.readv(self._descriptor, [buffer])
            except BlockingIOError:
                continue
            self._finished = not count
            return count
        self._finished = True
        return 0

    def _wait(self) -> bool:
        """Wait for data or the end of the file; False once the requested end is reached."""
        if self._deadline is None:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            poll.register(self._wake, select.POLLIN)
            if self._wake not in (number for number, _ in poll.poll()):
                return True
            self._deadline = time.monotonic() + _GRACE
        left = min(_QUIET, self._deadline - time.monotonic())
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return left > 0 and bool(poll.poll(left * 1000))

    def close(self) -> None:
        if not self.closed:
            os.close(self._wake)
            os.close(self._waker)
            if self._owned:
                os.close(self._descriptor)
        super().close()


class LiveBlocks:
    """The blocks of a stream as they come, with None about every 0.1 s while none comes.

    They are read in a thread of their own, which ends with the stream.
    """

    def __init__(self, blocks: Iterator[Samples]) -> None:
        self._blocks = blocks
        self._waiting: queue.Queue[Samples | BaseException | None] = queue.Queue(_AHEAD)
        self._stopped = threading.Event()
        self._waited = self._heard = 0.0
        #: seconds since the last block came
        self.idle = 0.0

    @property
    def live(self) -> bool:
        """Whether the stream is recorded right now: of late its writer was slower than twice real time."""
        return self._waited > self._heard / 2

    def __iter__(self) -> Iterator[Samples | None]:
        threading.Thread(target=self._read, name="live-input", daemon=True).start()
        try:
            while True:
                started = time.monotonic()
                try:
                    item = self._waiting.get(timeout=_TICK)
                except queue.Empty:
                    self._wait(started)
                    yield None
                    continue
                self._wait(started)
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                seconds = len(item) / SAMPLE_RATE
                fading = math.exp(-seconds / _MEMORY)
                self._waited *= fading
                self._heard = self._heard * fading + seconds
                self.idle = 0.0
                yield item
        finally:
            self._stopped.set()

    def _wait(self, started: float) -> None:
        seconds = time.monotonic() - started
        self.idle += seconds
        self._waited += seconds if self._heard else 0.0  # the wait for the first block is the start of the writer

    def _read(self) -> None:
        try:
            for block in self._blocks:
                if not self._put(block):
                    return
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that iterates
            self._put(error)
        self._put(None)

    def _put(self, item: Samples | BaseException | None) -> bool:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._waiting.put(item, timeout=_TICK)
                return True
        return False
