"""Recordings that arrive in folders. A recording is complete when its size and times have not changed for a while.

The folders are read at intervals, as network shares report no changes. A failed input is tried again, at growing
intervals, because the disk it is on may come back.
"""

import math
import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import count
from pathlib import Path
from threading import Lock

from asrcli.batch.events import Event, FileDone, FileFailed, FileSkipped, Notice
from asrcli.batch.inputs.search import Found, Inputs, Search
from asrcli.batch.plan import name_outputs_of
from asrcli.batch.recording import FileStamp, Item
from asrcli.errors import DiskFullError, InputChangedError, RemoteUnavailableError, UsageError, WarningsError
from asrcli.storage.places import place_of

#: seconds between two readings of the folders, at most and at least
_LONGEST, _SHORTEST = 5.0, 0.05
#: seconds before a failed input is tried again: the first time, the factor from one time to the next, the longest
_RETRY, _RETRY_FACTOR, _RETRY_LONGEST = 60.0, 4, 86_400.0

#: errors that are not the recording's: it is due again as soon as it is complete and the batch runs
_NO_FAULT = (InputChangedError, DiskFullError, RemoteUnavailableError)


class _State(Enum):
    #: it may still change
    SETTLING = auto()
    #: handed out
    QUEUED = auto()
    DONE = auto()
    FAILED = auto()


#: what the state of a file is compared by; inode numbers of network shares may change
_Stamp = tuple[int, int, int]


@dataclass(slots=True)
class _Arrival:
    """What is known of one file."""

    stamp: _Stamp
    #: when it had this stamp first, or is to be tried again
    since: float
    state: _State = _State.SETTLING
    #: the stamp that it was handed out with
    handed_out: _Stamp | None = None
    failures: int = 0


class ArrivalMonitor:
    """Finds complete recordings in folders. `scan` and `observe` may be called in different threads."""

    def __init__(
        self,
        inputs: Inputs,
        suffixes: Collection[str],
        *,
        settle: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`suffixes`: of recordings, lower case with the dot; `settle`: seconds without a change, by `clock`, as the
        clocks of file servers may differ.
        """
        self._inputs = inputs
        self._suffixes = frozenset(suffixes)
        self._settle = settle
        self._clock = clock
        self._files: dict[Path, _Arrival] = {}
        self._handed_out: dict[int, Path] = {}
        self._indices = count()
        self._lock = Lock()
        self._notices: set[str] = set()
        #: problems of the last scan, and those that were reported
        self._problems: set[str] = set()
        self._reported: set[str] = set()

    @property
    def every(self) -> float:
        """Seconds between two scans."""
        return min(_LONGEST, max(_SHORTEST, self._settle / 2))

    @property
    def failing(self) -> int:
        """Files whose last attempt failed."""
        with self._lock:
            return sum(arrival.state is _State.FAILED for arrival in self._files.values())

    def scan(self, post: Callable[[Event], None]) -> Sequence[Item]:
        """Hand out the recordings that are complete and not done yet. Folders that cannot be read are reported once."""
        search = Search(self._inputs, None, self._suffixes, keep_status=True)
        search.run()
        for notice in set(search.notices) - self._notices:
            self._notices.add(notice)
            post(Notice(notice))
        self._report_problems(search, post)
        found = [one for one in search.found if one.path is not None and not one.stream]
        complete = self._complete(found)
        if not complete:
            return ()
        # All are named, as the name of one depends on the others.
        items = name_outputs_of(found, self._inputs, self._suffixes)
        return self._hand_out([item for item in items if item.source.path in complete], complete)

    def observe(self, event: Event) -> None:
        """Take note of how an input ended."""
        if not isinstance(event, FileDone | FileSkipped | FileFailed) or event.index < 0:
            return
        with self._lock:
            arrival = self._files.get(self._handed_out.pop(event.index, Path()))
            if arrival is None:
                return
            waits = isinstance(event, FileFailed) and isinstance(event.error, _NO_FAULT)
            if waits or arrival.stamp != arrival.handed_out:
                arrival.state, arrival.since = _State.SETTLING, self._clock()
            elif isinstance(event, FileFailed) and isinstance(event.error, WarningsError):
                arrival.state, arrival.since = _State.FAILED, math.inf  # it has a result, which would be the same
            elif isinstance(event, FileFailed):
                wait = min(_RETRY_LONGEST, _RETRY * _RETRY_FACTOR**arrival.failures)
                arrival.state, arrival.since = _State.FAILED, self._clock() + wait
                arrival.failures += 1
            else:
                arrival.state, arrival.failures = _State.DONE, 0

    def reset(self) -> None:
        """What was handed out and is not finished is handed out again: the batch has ended early."""
        with self._lock:
            for path in self._handed_out.values():
                if path in self._files:
                    self._files[path].state = _State.SETTLING
            self._handed_out.clear()

    def _report_problems(self, search: Search, post: Callable[[Event], None]) -> None:
        """A file that is renamed during the search may seem missing: only what is found twice is a problem."""
        current = {f"{problem.name}: {problem.error}": problem for problem in search.problems}
        for key in (current.keys() & self._problems) - self._reported:
            self._reported.add(key)
            post(FileFailed(-1, current[key].name, current[key].error))
        self._problems = set(current)
        self._reported &= current.keys()

    def _complete(self, found: Sequence[Found]) -> set[Path]:
        now = self._clock()
        complete = set()
        with self._lock:
            seen = {}
            for one in found:
                assert one.path is not None
                assert one.status is not None
                arrival = seen[one.path] = self._update(one.path, FileStamp.of(one.status), now)
                waited = now - arrival.since
                if (arrival.state is _State.SETTLING and waited >= self._settle) or (
                    arrival.state is _State.FAILED and waited >= 0
                ):
                    complete.add(one.path)
            queued = {path: arrival for path, arrival in self._files.items() if arrival.state is _State.QUEUED}
            self._files = queued | seen
        return complete

    def _update(self, path: Path, status: FileStamp, now: float) -> _Arrival:
        stamp = status.size, status.mtime_ns, status.ctime_ns
        arrival = self._files.get(path)
        if arrival is None:
            return _Arrival(stamp, now)
        if arrival.stamp != stamp:
            arrival.stamp, arrival.since, arrival.failures = stamp, now, 0
            if arrival.state is not _State.QUEUED:
                arrival.state = _State.SETTLING
        return arrival

    def _hand_out(self, items: Sequence[Item], complete: Collection[Path]) -> list[Item]:
        numbered = []
        with self._lock:
            for name in complete:  # also those of another shard, which are no items
                self._files[name].state = _State.DONE
            for item in items:
                path = item.source.path
                assert path is not None
                arrival = self._files[path]
                arrival.state, arrival.handed_out = _State.QUEUED, arrival.stamp
                index = next(self._indices)
                self._handed_out[index] = path
                numbered.append(replace(item, index=index))
        return numbered


def check_folders(inputs: Inputs) -> None:
    """Raises UsageError: there is nothing to watch, or a path is not a folder now. Later a folder may be missing for a
    while, as its disk may return.
    """
    if not inputs.paths:
        raise UsageError("There is nothing to watch.", "Name folders.")
    for name in inputs.paths:
        if name != "-" and not place_of(name) and not os.path.lexists(name):
            raise UsageError(
                f"The folder {name} does not exist.", "Check its name, or create it before the watch starts."
            )
        if name == "-" or not os.path.isdir(name):
            raise UsageError(f"{name} is not a folder; watch takes folders.", f"Use: asrcli transcribe {name}")
