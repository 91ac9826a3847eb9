"""Locks between processes. The kernel releases them when their holder dies, however it dies."""

import errno
import fcntl
import struct
import sys
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
        _set_lock(handle, fcntl.LOCK_EX, offset, wait=wait)
    except OSError as error:
        return error.errno not in _HELD
    return True


def unlock_byte(handle: int, offset: int) -> None:
    try:
        _set_lock(handle, fcntl.LOCK_UN, offset, wait=False)
    except OSError:
        return  # a file system without locks


def _set_lock(handle: int, kind: int, offset: int, *, wait: bool) -> None:
    """A lock of the open file, where the system has those (Linux); else of the process, which loses it when it closes
    any handle of the file.
    """
    if sys.platform == "linux":  # the structure has another layout elsewhere
        command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
        flock = struct.pack("hhqqi4x", fcntl.F_UNLCK if kind == fcntl.LOCK_UN else fcntl.F_WRLCK, 0, offset, 1, 0)
        try:
            fcntl.fcntl(handle, command, flock)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        else:
            return
    fcntl.lockf(handle, kind | (0 if wait or kind == fcntl.LOCK_UN else fcntl.LOCK_NB), 1, offset)
