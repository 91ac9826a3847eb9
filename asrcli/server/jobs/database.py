"""SQLite's errors as ours, and the bounds of the job database."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asrcli.errors import DiskFullError, OutputError
from asrcli.server.bounds import MAX_WAITING_JOBS, MAX_WAITING_JOBS_OF_CLIENT
from asrcli.server.errors import BusyError


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Map SQLite's errors to ours."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL"):
            raise DiskFullError(f"No space left for {path}.", "Free some space.") from error
        raise OutputError(
            f"The job database {path} cannot be used: {error}.", "Restore or remove it, or choose another --data-dir."
        ) from error


def refuse_if_full(database: sqlite3.Connection, max_disk: float, client: str) -> None:
    """Raises BusyError: too many jobs are waiting, in all or of this client, or the database has more than `max_disk`
    bytes.
    """
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    if (pages - free) * size > max_disk:
        raise BusyError(
            "The server stores too many results of jobs.", "Delete some, or try again later.", retry_after=60
        )
    (waiting,) = database.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()
    if waiting >= MAX_WAITING_JOBS:
        raise BusyError("Too many jobs are waiting.", "Try again later.", retry_after=60)
    own = "SELECT count(*) FROM jobs WHERE state = 'queued' AND client = ?"
    (waiting,) = database.execute(own, (client,)).fetchone()
    if waiting >= MAX_WAITING_JOBS_OF_CLIENT:
        raise BusyError("Too many of your jobs are waiting.", "Try again later.", retry_after=60)
