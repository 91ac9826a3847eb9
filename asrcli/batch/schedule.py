"""Which input comes next: the longest first, so that no core is left alone with a long one at the end.

Results for stdout come out in the order of the inputs, so those are started in that order, and only so many ahead of
the one that is awaited.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock, Semaphore

from asrcli.batch.recording import Item

_POLL = 0.2


class Schedule:
    """Hands out each item once. Safe to use from several threads."""

    def __init__(self, items: Sequence[Item], *, ahead: int) -> None:
        """Order the items.

        Args:
            items: of a plan.
            ahead: how many results for stdout may wait for their turn.
        """
        self._ordered = any(item.stdout is not None for item in items)
        # A stream does not wait: its writer is blocked, or loses sound, while nothing reads it.
        waiting = items if self._ordered else sorted(items, key=lambda item: (not item.stream, -item.estimate))
        self._waiting = deque(waiting)
        self._deferred: deque[Item] = deque()
        self._lock = Lock()
        self._ahead = Semaphore(ahead)

    def next(self, stopped: Callable[[], bool]) -> tuple[Item, bool] | None:
        """The next item, and whether it was deferred before; None when all are out or `stopped` returns true."""
        # The place in stdout's queue is taken before the item: the other way round, a later item could take the last
        # place while the one that everybody waits for has none.
        while self._ordered and not self._ahead.acquire(timeout=_POLL):
            if stopped():
                return None
        with self._lock:
            if stopped():
                return None
            if self._waiting:
                item, deferred = self._waiting.popleft(), False
            elif self._deferred:
                item, deferred = self._deferred.popleft(), True
            else:
                item, deferred = None, False
        if self._ordered and (item is None or item.stdout is None):
            self._ahead.release()
        return None if item is None else (item, deferred)

    def defer(self, item: Item) -> None:
        """Put an item that another process works on behind all others."""
        with self._lock:
            self._deferred.append(item)

    def emitted(self) -> None:
        """A result for stdout had its turn."""
        self._ahead.release()
