"""Locks between processes. The kernel releases them when their holder dies, however it dies."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_HELD = frozenset({errno.EAGAIN, errno.EACCES})


def try_lock(handle: int) -> bool:
    """Lock a whole open file; false if another process holds it. Raises OSError: the file system has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _HELD:
            raise
        return False
    return True


@contextmanager
def locked(path: Path, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock. The file is created and stays (removing it would admit two holders); `on_wait` is called
    once if another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        if not try_lock(stream.fileno()):
            if on_wait is not None:
                on_wait()
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def lock_byte(handle: int, offset: int, *, wait: bool) -> bool:
    """Lock one byte of an open file, which need not have that byte; false if another process holds it.

    Where the file system has no locks, every lock is granted.
    """
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, offset)
    except OSError as error:
        return error.errno not in _HELD
    return True


def unlock_byte(handle: int, offset: int) -> None:
    try:
        fcntl.lockf(handle, fcntl.LOCK_UN, 1, offset)
    except OSError:
        return  # a file system without locks
