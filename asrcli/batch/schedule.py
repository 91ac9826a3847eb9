"""The order in which the inputs of a batch are done."""

import math
import os
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Semaphore

from asrcli.batch.plan import PlannedItems
from asrcli.batch.recording import Item, Outline

_POLL = 0.2
#: seconds of audio, more than any recording has
_DONE_LAST = 1e12


class Schedule:
    """Hands out each item of a plan once: those without an output first, and of them the longest, so that no core is
    left with a long one at the end.

    Results for stdout are written in the order of the inputs, so those are started in that order, and only so many
    ahead of the one that is awaited. Thread-safe.
    """

    def __init__(self, items: Sequence[Item], *, ahead: int, growing: bool = False) -> None:
        """`ahead`: how many results for stdout may wait for their turn; `growing`: wait for further items (`add`)."""
        self._items = items
        #: streams among the items, indices of those for stdout, and the length of all in seconds, a guess
        self.streams: list[Item] = []
        self.shown: list[int] = []
        self.estimate = 0.0
        order = self._survey()
        self._ordered = bool(self.shown)
        #: further items, or places in `items`, which are made one at a time
        self._waiting: deque[Item | int] = deque(range(len(items)) if self._ordered else order)
        self._deferred: deque[Item] = deque()
        self._growing = growing
        self._changed = Condition()
        self._ahead = Semaphore(ahead)

    def _survey(self) -> list[int]:
        """The places of the items in the order in which they are due."""
        ranks = array("d")
        items = self._items
        outlines = items.outlines() if isinstance(items, PlannedItems) else (item.outline for item in items)
        for place, outline in enumerate(outlines):
            self.estimate += outline.estimate
            if outline.stream:
                self.streams.append(items[place])
            if outline.shown:
                self.shown.append(items[place].index)
            made = any(map(os.path.lexists, outline.outputs))
            ranks.append(_rank(outline) + (_DONE_LAST if made else 0.0))
        return sorted(range(len(ranks)), key=ranks.__getitem__)

    def next(self, stopped: Callable[[], bool]) -> tuple[Item, bool] | None:
        """The next item, and whether it was deferred before; None when all are out or `stopped` returns true."""
        # The place in stdout's queue is taken before the item: the other way round, a later item could take the last
        # place while the one that everybody waits for has none.
        while self._ordered and not self._ahead.acquire(timeout=_POLL):
            if stopped():
                return None
        with self._changed:
            while self._growing and not (self._waiting or self._deferred or stopped()):
                self._changed.wait(_POLL)
            if stopped():
                return None
            if self._waiting:
                place, deferred = self._waiting.popleft(), False
                item = self._items[place] if isinstance(place, int) else place
            elif self._deferred:
                item, deferred = self._deferred.popleft(), True
            else:
                item, deferred = None, False
        if self._ordered and (item is None or item.stdout is None):
            self._ahead.release()
        return None if item is None else (item, deferred)

    def add(self, items: Sequence[Item]) -> None:
        """Put further items, whose results go to files, behind those that wait."""
        with self._changed:
            for item in sorted(items, key=_rank):
                self._waiting.append(item)
            self._changed.notify_all()

    def defer(self, item: Item) -> None:
        """Put an item that another process works on behind all others."""
        with self._changed:
            self._deferred.append(item)

    def emitted(self) -> None:
        """A result for stdout had its turn."""
        self._ahead.release()


def _rank(item: Item | Outline) -> float:
    """The lowest goes first. A stream does not wait: its writer is blocked, or loses sound, while nothing reads it."""
    return -math.inf if item.stream else -item.estimate
