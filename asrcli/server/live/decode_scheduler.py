"""Order of decodes among all live streams: sentences that have ended, then first words, then updates."""

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count


class Priority(IntEnum):
    """Lower goes first."""

    #: a sentence has ended; its client waits
    FINAL = 0
    #: the speaker pauses: this decode is needed in any case and will not be repeated
    PAUSE = 1
    #: no stable words of this sentence have been sent
    FIRST = 2
    #: a newer partial result
    UPDATE = 3


@dataclass(slots=True, eq=False)
class Slot:
    """One decode in the queue. Its priority may be raised while it waits."""

    priority: Priority
    #: set by the scheduler
    order: int = 0
    granted: asyncio.Future[None] | None = field(default=None, repr=False)

    @property
    def started(self) -> bool:
        """Whether the decode may run."""
        return self.granted is not None and self.granted.done()


class DecodeScheduler:
    """Lets `places` decodes run at a time: by priority, then in the order of arrival. For one event loop.

    A running decode is not interrupted, so final decodes must not find all places taken by partial ones: updates run
    only while all places are free. First words do not wait for that; their decodes are short.
    """

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._waiting: list[Slot] = []
        self._counter = count()

    async def enter(self, slot: Slot) -> None:
        """Wait for a place. Each return needs one `leave`; a cancelled call needs none."""
        slot.order = next(self._counter)
        slot.granted = granted = asyncio.get_running_loop().create_future()
        self._waiting.append(slot)
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if slot in self._waiting:
                self._waiting.remove(slot)
            elif not granted.cancelled():  # granted at the same moment
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back."""
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        while self._waiting:
            slot = min(self._waiting, key=lambda each: (each.priority, each.order))
            if self._free < (self._places if slot.priority is Priority.UPDATE else 1):
                return
            self._waiting.remove(slot)
            if slot.granted is not None and not slot.granted.done():  # else it was cancelled and takes no place
                self._free -= 1
                slot.granted.set_result(None)
