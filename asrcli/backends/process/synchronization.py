"""How threads wait for each other: a lock that many hold together or one alone, and waiting in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count


class OrderedCondition(threading.Condition):
    """A condition for which threads wait in order: room that becomes free is taken by the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count()
        self._waiting: list[tuple[int, ...]] = []

    def wait_for_turn(self, free: Callable[[], bool], *order: int) -> None:
        """Wait, with the lock held, until `free` returns true and no thread with a lower order waits.

        What `free` raises ends the wait.
        """
        ticket = (*order, next(self._numbers))
        self._waiting.append(ticket)
        try:
            self.wait_for(lambda: ticket == min(self._waiting) and free())
        finally:
            self._waiting.remove(ticket)
            self.notify_all()  # there may be room for the next as well


class SharedLock:
    """Held by many threads at once with `shared`, by one with `exclusive`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holders = 0
        self._waiting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock beside others; waits for a thread that wants it alone."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting == 0)
            self._holders += 1
        try:
            yield
        finally:
            with self._changed:
                self._holders -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock alone."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._holders == 0)
                yield
            finally:
                self._waiting -= 1
                self._changed.notify_all()
