"""Files written whole or not at all: a hidden temporary file beside the target, fsync, rename.

A temporary file is locked for as long as its writer lives, so one that can be locked was left behind by a process that
was killed, and `remove_stale_temporaries` deletes it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asrcli.errors import AsrcliError, DiskFullError, OutputError
from asrcli.storage.file_access import exists
from asrcli.storage.locks import try_lock
from asrcli.storage.places import is_stored
from asrcli.storage.user_folders import no_home_error

_HIDDEN = re.compile(r"\.asrcli-[0-9a-f]{16}\.(\w+)")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})
#: names of streams that are already open; a rename onto what they point at would cut off the shell's redirection
_OPEN_STREAMS = re.compile(r"/dev/std(out|err)|/dev/fd/\d+|/proc/self/fd/\d+")


def digest(data: bytes) -> str:
    """BLAKE2b (256 bits) in hexadecimal: how a journal recognises a file."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def is_regular_target(path: Path) -> bool:
    """Whether a result goes to `path` by a rename: not if it is a pipe, a device or an open stream."""
    if _OPEN_STREAMS.fullmatch(os.fspath(path)):
        return False
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def private(path: str, flags: int) -> int:
    """For `open`: a new file is for its owner only, whatever the umask, and a pipe of that name is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK, 0o600)


# Errors

_OUTPUT_HINT = "Check the folder's permissions, or choose another folder."


def write_error(path: Path, error: OSError, hint: str = _OUTPUT_HINT, *, new_folder: bool = False) -> AsrcliError:
    """The error that explains why `path` cannot be written, or created if it is a `new_folder`."""
    if homeless := no_home_error(path):
        return homeless
    name = os.fsencode(path).decode("utf-8", "replace")
    if error.errno in _FULL:
        return DiskFullError(
            f"No space left on the disk of {name!r}.", "Free some space, then run the same command again."
        )
    if error.errno == errno.EFBIG:
        return DiskFullError(
            f"{name!r} would exceed the limit on file sizes.", "Raise it (ulimit -f), then run the command again."
        )
    failed = "created" if new_folder else "written"
    return OutputError(f"{name!r} cannot be {failed}: {error.strerror or error}.", hint)


def make_folder(folder: Path) -> None:
    """Create a folder for outputs, with those above it. Raises DiskFullError or OutputError: it cannot be created."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error, new_folder=True) from error


@contextlib.contextmanager
def disk_errors(folder: Path, hint: str = "Choose another folder with --model-dir.") -> Iterator[None]:
    """Map what the file system refuses to errors of ours; other `OSError`s pass. Raises DiskFullError: no space left
    (or quota used up) where `folder` lies; OutputError: `folder` cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL | _REFUSED | {errno.EFBIG} or no_home_error(folder):
            raise write_error(folder, error, hint) from error
        raise


def check_writable(path: Path) -> None:
    """Find a folder that accepts no files before hours are spent on what should be written there. Raises OutputError:
    `path` or the nearest folder that exists cannot be written. Stores refuse a result only when it is written.
    """
    if is_stored(path):
        return
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


# One file


def create_hidden(folder: Path, kind: str, mode: int = 0o666) -> tuple[Path, int]:
    """A new file `.asrcli-*.KIND` and its handle, locked until that is closed. Raises OSError: it cannot be created."""
    while True:
        path = folder / f".asrcli-{secrets.token_hex(8)}.{kind}"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            ours = try_lock(handle)
        except OSError:  # without locks, leftovers are never taken for ours
            ours = True
        if ours and os.fstat(handle).st_nlink:
            return path, handle
        os.close(handle)  # taken for stale between creation and lock: deleted, or about to be


class _Temporary:
    """A locked temporary file beside its target, with the target's mode and owner if that exists."""

    def __init__(self, target: Path, data: bytes, mode: int) -> None:
        self.target = target
        self._path: Path | None = None
        self._handle = -1
        try:
            self._create(mode)
            write_all(self._handle, data)
            os.fsync(self._handle)
        except BaseException:
            self.discard()
            raise

    def _create(self, mode: int) -> None:
        self._path, self._handle = create_hidden(self.target.parent, "tmp", mode)
        status = os.fstat(self._handle)
        with contextlib.suppress(OSError):
            old = os.stat(self.target)
            if (old.st_uid, old.st_gid) != (status.st_uid, status.st_gid):
                with contextlib.suppress(OSError):
                    os.fchown(self._handle, old.st_uid, old.st_gid)
            os.fchmod(self._handle, stat.S_IMODE(old.st_mode))

    def replace(self) -> None:
        """Give it its final name; a file of that name is replaced."""
        assert self._path is not None
        os.replace(self._path, self.target)
        self._path = None

    def claim(self) -> None:
        """Give it its final name, which no file may have."""
        assert self._path is not None
        try:
            os.link(self._path, self.target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.close(os.open(self.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self.replace()

    def discard(self) -> None:
        """Delete it, unless it has its final name."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self._path = None
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def write_atomic(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write one file in an existing folder: a reader sees the old or the new one, never half of it. `mode` of a new
    file, less the umask. Raises OSError: what the file system refuses.
    """
    temporary = _Temporary(path, data, mode)
    try:
        temporary.replace()
    finally:
        temporary.discard()


# Several files


@dataclass(slots=True)
class _Staged:
    target: Path
    data: bytes = b""
    #: None where the data goes straight into a store, a pipe or a device
    temporary: _Temporary | None = None


@contextlib.contextmanager
def staging() -> Iterator[Staging]:
    """The outputs of one input: `add` each, `commit` all; leaving the block without `commit` leaves no trace."""
    outputs = Staging()
    try:
        yield outputs
    finally:
        outputs.discard()


class Staging:
    """Outputs to be written. Everything that may fail for want of space happens in `add`: `commit` only renames."""

    def __init__(self) -> None:
        self._staged: list[_Staged] = []

    def add(self, target: Path, data: bytes) -> None:
        """Write `data` beside `target`, synced to disk. Raises DiskFullError: there is no space; OutputError: the
        folder accepts no file.
        """
        if is_stored(target) or not is_regular_target(target):
            self._staged.append(_Staged(target, data))
            return
        real = Path(os.path.realpath(target))
        make_folder(real.parent)
        try:
            self._staged.append(_Staged(real, temporary=_Temporary(real, data, 0o666)))
        except OSError as error:
            raise write_error(target, error) from error

    def commit(self, *, new: bool = False) -> None:
        """Give every output its final name; with `new` replace nothing. Raises DiskFullError or OutputError: as `add`,
        StoreError: it does not take them;
        outputs named before the failure stay; BrokenPipeError: the reader of a pipe has closed it; FileExistsError:
        with `new`, a file has one of the names; no output has been named then.
        """
        if new and any(is_stored(staged.target) and exists(staged.target) for staged in self._staged):
            raise FileExistsError
        named: list[Path] = []
        for staged in self._staged:
            try:
                _commit(staged, new=new)
            except FileExistsError:
                for path in named:
                    os.unlink(path)
                raise
            except BrokenPipeError:
                raise
            except OSError as error:
                raise write_error(staged.target, error) from error
            if staged.temporary is not None:
                named.append(staged.target)
        for folder in {path.parent for path in named}:
            _sync_folder(folder)

    def discard(self) -> None:
        """Delete what was not committed."""
        for staged in self._staged:
            if staged.temporary is not None:
                staged.temporary.discard()
        self._staged.clear()


def _commit(staged: _Staged, *, new: bool) -> None:
    if is_stored(staged.target):
        from asrcli.storage.objects import put

        put(staged.target, staged.data)
    elif staged.temporary is None:
        handle = os.open(staged.target, os.O_WRONLY | os.O_CLOEXEC)
        try:
            write_all(handle, staged.data)
        finally:
            os.close(handle)
    elif new:
        staged.temporary.claim()
    else:
        staged.temporary.replace()


def write_all(handle: int, data: bytes) -> None:
    """Write every byte; `os.write` may take fewer."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some network file systems cannot; the files themselves are safe
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_stale_temporaries(folder: Path) -> int:
    """Delete the temporary files that killed processes left in `folder`; return how many there were."""
    return sum(read_stale(path, lambda _handle: None) for path in hidden_files(folder, "tmp"))


def hidden_files(folder: Path, kind: str) -> list[Path]:
    """The files that `create_hidden` made in a folder; none if it cannot be read."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [folder / name for name in names if (match := _HIDDEN.fullmatch(name)) and match[1] == kind]


def read_stale(path: Path, use: Callable[[int], object]) -> bool:
    """Pass the handle of a hidden file that a killed process left behind to `use`, then delete it; false if its writer
    is alive.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not try_lock(handle):
            return False
        use(handle)
        os.unlink(path)
    except OSError:
        return False  # no locks, or it has just got its final name
    else:
        return True
    finally:
        os.close(handle)
