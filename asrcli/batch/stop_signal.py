"""How a batch is brought to an end from any thread, with nothing half written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from threading import Event as Flag
from threading import Lock

from asrcli.errors import AsrcliError


class DroppedError(Exception):
    """The batch ends: this input is dropped, which is no failure of it."""


class StopSignal:
    """The request to stop, and the gate through which every result is written."""

    def __init__(self) -> None:
        self._flag = Flag()
        self._gate = Lock()
        self._closed = False
        #: what makes going on pointless, for the summary
        self.error: AsrcliError | None = None
        #: the reader of a pipe is gone: told to the caller as an exception, as the system told us
        self.broken_pipe: BrokenPipeError | None = None

    def requested(self) -> bool:
        return self._flag.is_set()

    def request(self, error: AsrcliError | None = None) -> None:
        self.error = self.error or error
        self._flag.set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but not longer than until the request; return whether it came."""
        return self._flag.wait(seconds)

    @contextlib.contextmanager
    def gate(self) -> Iterator[None]:
        """Write results inside; what comes after the request is dropped.

        Raises:
            DroppedError: the batch ends.
        """
        with self._gate:
            if self._closed or self.requested():
                raise DroppedError
            yield

    def close(self, patience: float) -> None:
        """Wait until whoever is writing has done so, `patience` seconds at most; nobody writes after that."""
        self._flag.set()
        self._closed = True
        if self._gate.acquire(timeout=patience):
            self._gate.release()
