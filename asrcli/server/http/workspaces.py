"""The temporary folder of the server: one subfolder a request, locked while the server runs.

A killed server leaves its folder with its uploads behind; the next server of the same user deletes it.
"""

import asyncio
import math
import os
import re
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from asrcli.errors import MachineError
from asrcli.server.bounds import ALWAYS_RECEIVED, LEAST_SENT, MAX_ALL_FIELDS, MESSAGE_TIMEOUT
from asrcli.server.errors import BusyError, SlowClientError
from asrcli.storage.atomic import disk_errors, private
from asrcli.storage.locks import try_lock

_PREFIX = "asrcli-serve-"
#: names of the folders that `tempfile` makes here for requests, and of the files in them
_REQUEST, _PART = re.compile(r"request-[a-z0-9_]{8}"), re.compile(r"[0-9]+")


def remove_uploads(folder: Path) -> None:
    """Delete the folders of requests of a killed server, and nothing else."""
    for request in folder.iterdir():
        if not _REQUEST.fullmatch(request.name) or request.is_symlink() or not request.is_dir():
            continue
        for file in request.iterdir():
            if _PART.fullmatch(file.name) and file.is_file() and not file.is_symlink():
                file.unlink()
        with suppress(OSError):  # other files are in it
            request.rmdir()


class Workspaces:
    """A folder for the folders of requests."""

    def __init__(self) -> None:
        """Create the folder, and delete those of killed servers. Raises MachineError: the temporary directory cannot be
        written.
        """
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            unlocked = self._folder / "unlocked"
            self._lock = open(unlocked, "a", opener=private)  # noqa: SIM115 -- held open
            try_lock(self._lock.fileno())
            # Under its name once it is locked: a server that starts now would delete the folder of an unlocked one.
            unlocked.rename(self._folder / "lock")
            self.root = self._folder / "requests"
            self.root.mkdir(mode=0o700)
        except OSError as error:
            raise MachineError(
                f"Cannot create a folder for uploads in {tempfile.gettempdir()}: {error.strerror or error}.",
                "Set TMPDIR to a folder that can be written.",
            ) from error
        _delete_abandoned(self._folder.parent)

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()


class StoredBytes:
    """Counts the bytes of recordings on disk: received, fetched, and of jobs that are not finished. Thread-safe."""

    def __init__(self) -> None:
        self.size = 0
        self._lock = threading.Lock()

    def add(self, size: int, limit: float = math.inf) -> None:
        """Count bytes. Raises BusyError: there would be more than `limit`."""
        with self._lock:
            if self.size + size > limit:
                raise BusyError("The server stores too many recordings.", "Try again later.", retry_after=30)
            self.size += size

    def remove(self, size: int) -> None:
        """Bytes were deleted."""
        with self._lock:
            self.size -= size


#: one for the process
STORED = StoredBytes()


class Workspace:
    """The temporary folder of one request, and the memory of its form fields. An asynchronous context manager."""

    #: bytes of the form fields of all requests
    fields_in_memory = 0

    def __init__(self, root: Path | None = None, max_disk: float = math.inf) -> None:
        """Create a folder in `root`; `max_disk`: bytes of all recordings of the server."""
        self._fields = self._stored = self._arrived = 0
        self._since = time.monotonic()
        self._max_disk = max_disk
        with disk_errors(root or Path(tempfile.gettempdir())):
            if root is not None:  # the system deletes old temporary folders, also those of programs that run
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder = tempfile.TemporaryDirectory(prefix="request-", dir=root, ignore_cleanup_errors=True)
        self._count = 0

    def new_file(self) -> Path:
        """A generated path."""
        self._count += 1
        return Path(self._folder.name) / f"{self._count}"

    def keep_pace(self, size: int) -> None:
        """Count bytes of a form that were received. Raises SlowClientError: its fields take much memory, and it arrives
        slowly.
        """
        self._arrived += size
        if time.monotonic() - self._since >= MESSAGE_TIMEOUT:
            if self._arrived < LEAST_SENT < self._fields:
                raise SlowClientError("The form arrives too slowly for the size of its fields.", "Send it faster.")
            self._since, self._arrived = time.monotonic(), 0

    def hold(self, size: int) -> None:
        """Count bytes of form fields, until the request ends. Raises BusyError: all requests hold too many, and this
        one more than every request may.
        """
        if Workspace.fields_in_memory + size > MAX_ALL_FIELDS and self._fields + size > ALWAYS_RECEIVED:
            raise BusyError("The server holds too many form fields.", "Try again later.", retry_after=5)
        Workspace.fields_in_memory += size
        self._fields += size

    def store(self, size: int) -> None:
        """Count bytes that are written to the folder, until the request ends. Raises BusyError: the server stores too
        many.
        """
        STORED.add(size, self._max_disk)
        self._stored += size

    async def close(self) -> None:
        """Delete the folder and its files, in a thread: where they are kept in memory, 500 MB take 75 ms of CPU. They
        are deleted also if the caller is cancelled.
        """
        Workspace.fields_in_memory -= self._fields
        self._fields = 0
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._delete))

    def _delete(self) -> None:
        self._folder.cleanup()
        STORED.remove(self._stored)
        self._stored = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _delete_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / "lock").open("r+") as lock:  # not there: another program's, or not locked yet
                if try_lock(lock.fileno()) and {entry.name for entry in folder.iterdir()} <= {"lock", "requests"}:
                    remove_uploads(folder / "requests")
                    (folder / "requests").rmdir()  # fails if other files are in it
                    (folder / "lock").unlink()
                    folder.rmdir()
