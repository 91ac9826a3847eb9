"""Writing results whole or not at all: a hidden temporary file beside the target, fsync, rename.

A temporary file is locked (`flock`) for as long as its writer lives, so one that can be locked was left behind by a
process that was killed, and `sweep` removes it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asrcli.errors import AsrcliError, DiskFullError, OutputError

_TEMPORARY = re.compile(r"\.asrcli-[0-9a-f]{16}\.tmp")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
#: names of streams that are already open; a rename onto what they point at would cut off the shell's redirection
_OPEN_STREAMS = re.compile(r"/dev/std(out|err)|/dev/fd/\d+|/proc/self/fd/\d+")


def digest(data: bytes) -> str:
    """The hash by which a journal knows a file again."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def is_regular_target(path: Path) -> bool:
    """Whether a result goes to `path` by a rename: not where a pipe, a device or an open stream stands there."""
    if _OPEN_STREAMS.fullmatch(os.fspath(path)):
        return False
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def write_error(path: Path, error: OSError) -> AsrcliError:
    """The error that tells a user why `path` cannot be written, and what to do."""
    if error.errno in _FULL:
        return DiskFullError(
            f"No space left where {os.fspath(path)!r} is written.", "Make room, then run the same command again."
        )
    if error.errno == errno.EFBIG:
        return DiskFullError(
            f"{os.fspath(path)!r} would exceed the limit on file sizes.", "Raise it (ulimit -f), then run it again."
        )
    return OutputError(
        f"{os.fspath(path)!r} cannot be written: {error.strerror or error}.",
        "Check the folder's permissions, or choose another with --output-dir.",
    )


def check_writable(path: Path) -> None:
    """Notice a folder that takes no files before hours are spent on what should go there.

    Raises:
        OutputError: `path` or the nearest folder that exists cannot be written.
    """
    if os.path.isdir(path):
        raise write_error(path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    if not is_regular_target(path):
        return
    folder = Path(os.path.abspath(path)).parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not os.path.isdir(folder):
        raise write_error(path, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise write_error(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


@dataclass(slots=True)
class _Staged:
    target: Path
    data: bytes
    #: None where the data goes straight into a pipe or a device
    temporary: Path | None = None
    handle: int = -1


@contextlib.contextmanager
def staging() -> Iterator[Staging]:
    """The outputs of one input: `add` each, `commit` all; leaving the block without `commit` leaves no trace."""
    outputs = Staging()
    try:
        yield outputs
    finally:
        outputs.discard()


class Staging:
    """Outputs on their way. Everything that may fail for want of space happens in `add`: `commit` only renames."""

    def __init__(self) -> None:
        self._staged: list[_Staged] = []

    def add(self, target: Path, data: bytes) -> None:
        """Write `data` beside `target`, safely on disk.

        Raises:
            DiskFullError: there is no room.
            OutputError: the folder takes no file.
        """
        if not is_regular_target(target):
            self._staged.append(_Staged(target, data))
            return
        staged = _Staged(Path(os.path.realpath(target)), b"")
        self._staged.append(staged)
        try:
            staged.target.parent.mkdir(parents=True, exist_ok=True)
            staged.handle, staged.temporary = _create_temporary(staged.target.parent)
            write_all(staged.handle, data)
            os.fsync(staged.handle)
        except OSError as error:
            raise write_error(target, error) from error

    def commit(self) -> None:
        """Give every output its final name.

        Raises:
            DiskFullError, OutputError: as `add`; outputs named before the failure stand.
            BrokenPipeError: the reader of a pipe is gone.
        """
        for staged in self._staged:
            _name(staged)
        for folder in {staged.target.parent for staged in self._staged if staged.handle >= 0}:
            _sync_folder(folder)

    def discard(self) -> None:
        """Remove what was not committed."""
        for staged in self._staged:
            if staged.temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(staged.temporary)
            if staged.handle >= 0:
                os.close(staged.handle)
        self._staged.clear()


def _name(staged: _Staged) -> None:
    try:
        if staged.temporary is None:
            _pour(staged.target, staged.data)
        else:
            os.replace(staged.temporary, staged.target)
            staged.temporary = None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise write_error(staged.target, error) from error


def _create_temporary(folder: Path) -> tuple[int, Path]:
    while True:
        path = folder / f".asrcli-{secrets.token_hex(8)}.tmp"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with contextlib.suppress(OSError):  # a file system without locks: its leftovers are never taken for ours
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, path
        os.close(handle)  # a sweep came between creation and lock


def write_all(handle: int, data: bytes) -> None:
    """Write every byte; `os.write` may take fewer."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _pour(target: Path, data: bytes) -> None:
    handle = os.open(target, os.O_WRONLY | os.O_CLOEXEC)
    try:
        write_all(handle, data)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some network file systems cannot; the files themselves are safe
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sweep(folder: Path) -> int:
    """Remove the temporary files that killed processes left in `folder`; return how many there were."""
    try:
        names = [name for name in os.listdir(folder) if _TEMPORARY.fullmatch(name)]
    except OSError:
        return 0
    return sum(_remove_if_left(folder / name) for name in names)


def _remove_if_left(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except OSError:
        return False  # its writer is alive, or has just given it its final name
    else:
        return True
    finally:
        os.close(handle)
