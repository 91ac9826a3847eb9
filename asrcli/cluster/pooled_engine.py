"""An engine of the pool, and how much work it takes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import count
from typing import Any

from asrcli.cluster.calls import EngineCalls

#: files that an engine has at once, per decoding thread: short ones fill its batches, also while results are on the way
_FILES_PER_THREAD, _MOST_FILES = 12, 64
#: files beyond those that are read must be short: seconds of audio per decoding thread
_QUEUED_SECONDS = 300.0
#: idle engines that do jobs of one with a long recording; it cannot read fast enough for many more
MOST_HELPERS = 8

#: a file is also given to an idle engine after so many seconds, and so many times the usual time
RACE_AFTER, RACE_FACTOR = 30.0, 3.0

#: node's id, number of the engine on it
Place = tuple[str, int]


class Pace:
    """How long files take. For several threads, under a lock of the caller."""

    def __init__(self) -> None:
        #: seconds that finished files took, and their seconds of audio
        self._took, self._finished = 0.0, 0.0

    def count(self, took: float, seconds: float) -> None:
        """A file with so many seconds of audio is finished."""
        if seconds:
            self._took += took
            self._finished += seconds

    def is_slow(self, elapsed: float, seconds: float) -> bool:
        """Whether a file has taken so long that another engine should try it, too."""
        usual = self._took / self._finished * seconds if self._finished else elapsed
        return elapsed > max(RACE_AFTER, RACE_FACTOR * usual)


@dataclass(eq=False, slots=True)
class PooledEngine:
    """An actor and what it has to do."""

    place: Place
    #: for messages
    host: str
    actor: Any
    jobs: int
    #: those of its node, divided by the engines on it
    cpus: int = 1
    ready: bool = False
    lost: bool = False
    #: whether the models were sent to its node
    shipped: bool = False
    #: files in work, and their seconds of audio
    busy: int = 0
    load: float = 0.0
    calls: EngineCalls = field(default_factory=EngineCalls)
    #: when it last had work
    used: float = field(default_factory=time.monotonic)
    #: whether a recording in work is longer than `--split-after`
    long: bool = False
    #: of all engines of the driver, also those that are lost
    number: int = field(default_factory=count().__next__)

    @property
    def slots(self) -> int:
        """Files that it has at once."""
        return max(self.jobs + 1, min(_FILES_PER_THREAD * self.jobs + 1, _MOST_FILES))

    def takes(self, seconds: float) -> bool:
        """Whether it takes another file."""
        if not self.ready or self.busy >= self.slots:
            return False
        return self.busy <= self.jobs or self.load + seconds <= _QUEUED_SECONDS * self.jobs

    def helpers(self, engines: Iterable[PooledEngine]) -> dict[int, Any]:
        """Actors that are idle, by number; each engine prefers others, always the same ones."""
        idle = (one for one in engines if one.ready and not one.busy)
        chosen = nsmallest(MOST_HELPERS, idle, key=lambda one: hash((self.place, one.place)))
        return {one.number: one.actor for one in chosen}
