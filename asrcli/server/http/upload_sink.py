"""A file of a request while it arrives, and on the disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import anyio.to_thread

from asrcli.storage.atomic import disk_errors, private

#: bytes collected before a thread writes them
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on disk."""

    path: Path
    #: the client's file name, safe to display
    name: str
    size: int


class UploadSink:
    """A file being written: pieces gather in memory, threads write them."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name, self.size = path, name, 0
        self._gathered: list[bytes] = []
        self._held = 0
        self._handle: BinaryIO | None = None
        #: whether nothing more is added, and whether all of it is on the disk
        self.ended = self._finished = False

    def add(self, data: bytes) -> None:
        self._gathered.append(data)
        self._held += len(data)
        self.size += len(data)

    async def relieve(self) -> None:
        if self.ended:  # else the files of a form, small as they may be, are in memory until the last has arrived
            await self.finish()
        elif self._held >= _BLOCK:
            await anyio.to_thread.run_sync(self._write)

    async def finish(self) -> Upload:
        if not self._finished:
            await anyio.to_thread.run_sync(self._finish)
            self._finished = True
        return Upload(self.path, self.name, self.size)

    def _write(self) -> None:
        with disk_errors(self.path.parent):
            if self._handle is None:
                self._handle = open(self.path, "xb", opener=private)  # noqa: SIM115 -- held open
            self._handle.writelines(self._gathered)
        self._gathered, self._held = [], 0

    def _finish(self) -> None:
        self._write()
        self.close()

    def close(self) -> None:
        if self._handle is not None:
            with disk_errors(self.path.parent):  # it may have to write
                self._handle.close()
