"""The journals of a batch: one for each folder of outputs, or one for all. Few are open at a time."""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from asrcli.batch.journal import Journal
from asrcli.batch.naming import real_place
from asrcli.batch.recording import hash_file

#: journals kept open without anybody using them; a deep tree has more folders than a process may have files
_IDLE = 32


@dataclass(slots=True)
class _Open:
    journal: Journal
    users: int = 0


class JournalPool:
    """Opens each journal once, however many threads use it, and closes unused ones."""

    def __init__(
        self,
        *,
        read_only: bool = False,
        on_notice: Callable[[str], None] | None = None,
        keep_open: bool = True,
        hash_file: Callable[[Path], str] = hash_file,
    ) -> None:
        """`keep_open`: also journals that are not in use; an open file keeps a disk from being unmounted. `hash_file`
        hashes recordings.
        """
        self._new = partial(Journal, read_only=read_only, hash_file=hash_file)
        self._idle = _IDLE if keep_open else 0
        self._on_notice = on_notice
        self._lock = Lock()
        self._open: OrderedDict[Path, _Open] = OrderedDict()
        self._reported: set[str] = set()

    @contextlib.contextmanager
    def use(self, path: Path | None) -> Iterator[Journal | None]:
        """The journal at `path`, or None for inputs that have none. Raises DiskFullError or OutputError: it cannot be
        opened.
        """
        if path is None:
            yield None
            return
        key = real_place(path)
        entry, notices = self._take(key)
        for notice in notices:
            if self._on_notice is not None:
                self._on_notice(notice)
        try:
            yield entry.journal
        finally:
            self._give_back(entry)

    def _take(self, key: Path) -> tuple[_Open, list[str]]:
        with self._lock:
            entry = self._open.get(key)
            notices: list[str] = []
            if entry is None:
                entry = self._open[key] = _Open(self._new(key))
                notices = [notice for notice in entry.journal.notices if notice not in self._reported]
                self._reported.update(notices)
            self._open.move_to_end(key)
            entry.users += 1
            return entry, notices

    def _give_back(self, entry: _Open) -> None:
        with self._lock:
            entry.users -= 1
            idle = [key for key, other in self._open.items() if not other.users]
            for key in idle[: max(0, len(idle) - self._idle)]:
                self._open.pop(key).journal.close()

    def close(self) -> None:
        with self._lock:
            for entry in self._open.values():
                entry.journal.close()
            self._open.clear()
