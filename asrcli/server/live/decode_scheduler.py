"""Who is decoded next among all live streams: what has to be decoded anyway, then first words, then the rest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count


class Priority(IntEnum):
    """Lower goes first."""

    #: a sentence has ended and somebody waits for it
    FINAL = 0
    #: the speaker pauses: this has to be decoded anyway, and will not be decoded again
    PAUSE = 1
    #: nothing stands of this sentence yet
    FIRST = 2
    #: what is shown could be newer
    UPDATE = 3


@dataclass(slots=True, eq=False)
class Slot:
    """A place in the queue. Raise its urgency while it waits, if need be."""

    urgency: Priority
    #: kept by the queue
    order: int = 0
    granted: asyncio.Future[None] | None = field(default=None, repr=False)

    @property
    def begun(self) -> bool:
        """Whether the turn has come."""
        return self.granted is not None and self.granted.done()


class DecodeScheduler:
    """Lets so many in at a time, the most urgent first, else in the order they came. For one event loop.

    A decode that has begun is not interrupted, so what has to be decoded anyway must not find all places taken by what
    will be decoded again: updates wait until all are free. First words do not: their decodes are short.
    """

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._waiting: list[Slot] = []
        self._counter = count()

    async def enter(self, turn: Slot) -> None:
        """Wait for a place. Every enter that returns needs a `leave`; one that is cancelled does not."""
        turn.order = next(self._counter)
        turn.granted = granted = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not granted.cancelled():  # granted in the very moment
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back."""
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        while self._waiting:
            turn = min(self._waiting, key=lambda each: (each.urgency, each.order))
            if self._free < self._needed(turn.urgency):
                return
            self._waiting.remove(turn)
            if turn.granted is not None and not turn.granted.done():  # else it was cancelled, and takes no place
                self._free -= 1
                turn.granted.set_result(None)

    def _needed(self, urgency: Priority) -> int:
        """How many places must be free for somebody to take one."""
        return self._places if urgency is Priority.UPDATE else 1
