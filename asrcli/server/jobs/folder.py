"""The data folder of jobs: its lock, its database file and the recordings of unfinished jobs.

`--data-dir` may name a folder that holds other files. Recordings are kept in a subfolder that this module created and
marked, and only files with names that this module gives are ever deleted.
"""

import os
import re
from pathlib import Path
from typing import IO

from asrcli.errors import OutputError
from asrcli.server.http.workspaces import remove_uploads
from asrcli.storage.atomic import private
from asrcli.storage.locks import try_lock

_MARKER = ".asrcli-recordings"
_NOTE = "asrcli keeps the recordings of unfinished jobs in this folder and deletes them when the jobs are finished.\n"
_RECORDING = re.compile(r"job_[0-9a-f]{32}")


def create_folder(folder: Path) -> None:
    """Create a folder and those above it, for their owner only."""
    for each in (*reversed(folder.parents), folder):
        each.mkdir(exist_ok=True, mode=0o700)


def open_recordings(folder: Path) -> Path:
    """Create or reopen the subfolder for recordings. Raises OutputError: the subfolder exists and was not created by
    asrcli.
    """
    recordings = folder / "asrcli-recordings"
    create_folder(recordings)
    marker = recordings / _MARKER
    if not marker.is_file():
        if any(recordings.iterdir()):
            raise OutputError(f"{recordings} was not created by asrcli.", "Choose another --data-dir.")
        with open(marker, "w", opener=private) as file:
            file.write(_NOTE)
    return recordings


def remove_leftovers(recordings: Path, wanted: set[str]) -> None:
    """Delete recordings of jobs that are not in `wanted`: finished jobs, and uploads that were never accepted."""
    for entry in recordings.iterdir():
        if _RECORDING.fullmatch(entry.name) and entry.name not in wanted and entry.is_file() and not entry.is_symlink():
            entry.unlink()
    remove_uploads(recordings)


def adopt_recordings(folder: Path, recordings: Path, wanted: set[str]) -> None:
    """Move recordings of unfinished jobs from `recordings/`, where earlier versions kept them."""
    for job_id in wanted:
        earlier = folder / "recordings" / job_id
        if _RECORDING.fullmatch(job_id) and earlier.is_file() and not (recordings / job_id).exists():
            earlier.rename(recordings / job_id)


def lock_folder(folder: Path) -> IO[str]:
    """Lock the folder; the kernel releases the lock when the process ends. Raises OutputError: another server holds the
    lock.
    """
    lock = open(folder / "jobs.lock", "a", opener=private)  # noqa: SIM115 -- held open
    if not try_lock(lock.fileno()):
        lock.close()
        raise OutputError(f"Another server keeps its jobs in {folder}.", "Choose another --data-dir.")
    return lock


def sync(path: Path) -> None:
    """Write a file's data or a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
