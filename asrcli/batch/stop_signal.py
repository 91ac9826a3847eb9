"""Ending a batch from any thread, with nothing half written."""

import contextlib
from collections.abc import Iterator
from threading import Condition
from threading import Event as Flag
from typing import Protocol

from asrcli.errors import AsrcliError


class DroppedError(Exception):
    """The batch is ending: this input is dropped, which is not a failure of it."""


class _Endable(Protocol):
    def end(self) -> None: ...


class StopSignal:
    """The request to stop, the request to end streams, and the gate through which every result is written."""

    def __init__(self) -> None:
        self._requested = False
        self._flag = Flag()
        self._gate = Condition()
        #: writes in progress
        self._writing = 0
        self._closed = False
        self._streams: list[_Endable] = []
        #: whether streams are to end where they are, and every other input is to be dropped
        self.ending = False
        #: whether unfinished inputs were dropped on request
        self.cancelled = False
        #: the error that makes every further input pointless, for the summary
        self.error: AsrcliError | None = None
        #: the reader of a pipe among the outputs has closed it: raised again for the caller
        self.broken_pipe: BrokenPipeError | None = None

    def requested(self) -> bool:
        return self._requested

    def request(self, error: AsrcliError | None = None) -> None:
        """Safe in a signal handler, also in one that interrupts this method."""
        self.error = self.error or error
        if not self._requested:
            self._requested = True  # first: the lock of the flag is not reentrant
            self._flag.set()
        self._end_streams()

    def end_streams(self) -> None:
        """Let the inputs that are streams end where they are. Safe in a signal handler."""
        self.ending = True
        self._end_streams()

    def add_stream(self, stream: _Endable) -> None:
        """Register a stream that is being read; it ends at once where that was requested before."""
        self._streams.append(stream)
        if self.ending or self.requested():
            stream.end()

    def _end_streams(self) -> None:
        for stream in tuple(self._streams):
            stream.end()

    def wait(self, seconds: float) -> bool:
        """Sleep, but not longer than until the request; return whether it came."""
        return self._flag.wait(seconds)

    @contextlib.contextmanager
    def gate(self) -> Iterator[None]:
        """Write results inside, also several at once: a store may take seconds for each. What comes after the request
        is dropped. Raises DroppedError: the batch is ending.
        """
        with self._gate:
            if self._closed or self.requested():
                raise DroppedError
            self._writing += 1
        try:
            yield
        finally:
            with self._gate:
                self._writing -= 1
                self._gate.notify_all()

    def close(self, patience: float) -> None:
        """Wait until the writes in progress are done, `patience` seconds at most; later writes are refused."""
        self._closed = True
        self.request()
        with self._gate:
            self._gate.wait_for(lambda: not self._writing, patience)
