"""Jobs on disk: one row each in SQLite, and the recording beside it until the job is finished.

A job is accepted when its recording and its row are on the disk; no restart loses it after that.
"""

import asyncio
import json
import math
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from asrcli.errors import OutputError
from asrcli.server.errors import NotFoundError
from asrcli.server.http.workspaces import STORED
from asrcli.server.jobs.database import database_errors, refuse_if_full
from asrcli.server.jobs.folder import (
    adopt_recordings,
    create_folder,
    lock_folder,
    open_recordings,
    remove_leftovers,
    sync,
)
from asrcli.storage.atomic import private

_Result = TypeVar("_Result")
State = Literal["queued", "running", "done", "failed"]
FINAL: frozenset[State] = frozenset({"done", "failed"})

#: starts of a job; one that ends the server each time is given up
_ATTEMPTS = 3
#: threads that use the database, one after another, and write recordings to the disk
_THREADS = 4
#: Bytes of a result that are read at a time, at first and at most. SQLite walks from its start to each piece: they grow
#: with what is before them, or long results would take many times as long.
_PIECE, _MOST = 256 << 10, 4 << 20
#: SQLite's `application_id`, "asrc"
_APPLICATION = 0x61737263
#: `result` is the last column: SQLite walks through a long one to what comes after it
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, created REAL NOT NULL, finished REAL, client TEXT NOT NULL,
    name TEXT NOT NULL, url TEXT, fields TEXT NOT NULL, webhook TEXT, notified INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, error TEXT, duration REAL, result TEXT
) STRICT
"""
#: of a row without its result, which may be long; databases of older versions have no `duration`
_OLD_COLUMNS = "id, state, created, finished, client, name, url, fields, webhook, notified, attempts, error"
_COLUMNS = f"{_OLD_COLUMNS}, duration"


@dataclass(frozen=True, slots=True)
class StoredJob:
    """One row, without its result.

    Attributes:
        id: random; it gives access to the job.
        created, finished: Unix times.
        client: for scheduling between clients.
        name: of the recording.
        url: address of the recording; None: it was uploaded.
        fields: the options as the client sent them.
        webhook: address to notify when the job is finished.
        notified: whether the webhook was notified, or given up.
        error: {"code", "message"} of a failed job.
        duration: seconds of audio of a job that is done.
    """

    id: str
    state: State
    created: float
    finished: float | None
    client: str
    name: str
    url: str | None
    fields: Mapping[str, str]
    webhook: str | None
    notified: bool
    attempts: int
    error: Mapping[str, Any] | None
    duration: float | None


class JobStore:
    """Thread-safe. The folder is locked against other processes while the store is open."""

    def __init__(self, folder: Path, max_disk: float = math.inf) -> None:
        """Open the data folder, create it if needed, and requeue interrupted jobs. `max_disk`: bytes of the database
        from which on no job is accepted. Raises OutputError: the folder cannot be written, another server uses it, or
        its database is damaged or not ours; DiskFullError: no space left.
        """
        self._path = folder / "jobs.sqlite3"
        self._lock = threading.Lock()
        # Its own: a database that another program has locked must not hold up other requests.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="jobs")
        self._max_disk = max_disk
        #: bytes of the recordings
        self._sizes: dict[str, int] = {}
        try:
            create_folder(folder)
            self._held = lock_folder(folder)
        except OSError as error:
            raise OutputError(f"Cannot keep jobs in {folder}: {error}.", "Choose another --data-dir.") from error
        try:
            self.recordings = open_recordings(folder)
            open(self._path, "ab", opener=private).close()  # SQLite would create it with the umask
            self._database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            self._database.row_factory = sqlite3.Row
            with database_errors(self._path):
                self._prepare()
            self._path.chmod(0o600)
            wanted = self._recover()
            adopt_recordings(folder, self.recordings, wanted)
            remove_leftovers(self.recordings, wanted)
            for job_id in wanted:
                self.count(job_id)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | sqlite3.Error):
                raise OutputError(f"Cannot keep jobs in {folder}: {error}.", "Choose another --data-dir.") from error
            raise

    def _prepare(self) -> None:
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        tables = {row["name"] for row in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if application != _APPLICATION and (application or tables - {"jobs"}):
            raise OutputError(f"{self._path} is the database of another program.", "Choose another --data-dir.")
        if tables:
            self._database.execute(f"SELECT {_OLD_COLUMNS} FROM jobs LIMIT 1")  # noqa: S608 -- fails if it is not ours
            columns = {row["name"] for row in self._database.execute("PRAGMA table_info(jobs)")}
            if "duration" not in columns:
                self._database.execute("ALTER TABLE jobs ADD COLUMN duration REAL")
            # Those that an older version has finished, before this one or after it.
            self._database.execute(
                "UPDATE jobs SET duration = json_extract(result, '$.duration')"
                " WHERE duration IS NULL AND json_valid(result)"
            )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(_SCHEMA)
        self._database.execute(f"PRAGMA application_id={_APPLICATION}")

    def _recover(self) -> set[str]:
        """Requeue interrupted jobs; ids of all that are queued."""
        lost = json.dumps({"code": "interrupted", "message": "The server ended each time while it ran this job."})
        with self._transaction() as database:
            database.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
            database.execute(
                "UPDATE jobs SET state = 'failed', finished = ?, error = ? WHERE state = 'queued' AND attempts >= ?",
                (time.time(), lost, _ATTEMPTS),
            )
            return {row["id"] for row in database.execute("SELECT id FROM jobs WHERE state = 'queued'")}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, database_errors(self._path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    def _select(self, where: str, *values: object) -> list[sqlite3.Row]:
        with self._lock, database_errors(self._path):
            return self._database.execute(f"SELECT {_COLUMNS} FROM jobs WHERE {where}", values).fetchall()  # noqa: S608 -- constants

    def _check_file(self) -> None:
        """Raises OutputError: the database file was removed, so that what is written to it would not survive us."""
        if not self._path.exists():
            raise OutputError(f"The job database {self._path} was removed.", "Restore it, and restart the server.")

    async def run(self, work: Callable[..., _Result], *values: Any, **named: Any) -> _Result:
        """Call one of the methods below in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *values, **named))

    def recording(self, job_id: str) -> Path:
        """Path of a job's recording."""
        return self.recordings / job_id

    def add(
        self, *, client: str, name: str, fields: Mapping[str, str], upload: Path | None, url: str | None,
        webhook: str | None,
    ) -> StoredJob:  # fmt: skip
        """Accept a job. `upload`, which must be in `recordings`, becomes its recording. Raises BusyError: too many jobs
        are waiting, or too much is stored; DiskFullError or OutputError: the job cannot be written.
        """
        self._check_file()
        job_id = f"job_{secrets.token_hex(16)}"
        if upload is not None:
            sync(upload)
            upload.rename(self.recording(job_id))
            sync(self.recordings)
        try:
            with self._transaction() as database:
                refuse_if_full(database, self._max_disk, client)
                database.execute(
                    "INSERT INTO jobs (id, state, created, client, name, url, fields, webhook)"
                    " VALUES (?, 'queued', ?, ?, ?, ?, ?, ?)",
                    (job_id, time.time(), client, name, url, json.dumps(dict(fields)), webhook),
                )
        except BaseException:
            self.recording(job_id).unlink(missing_ok=True)
            raise
        self.count(job_id)
        return self.get(job_id)

    def count(self, job_id: str) -> None:
        """Count the bytes of a job's recording."""
        with suppress(FileNotFoundError):  # it is fetched later, or the job has been finished
            size = self.recording(job_id).stat().st_size
            STORED.add(size - self._sizes.get(job_id, 0))
            self._sizes[job_id] = size

    def _delete_recording(self, job_id: str) -> None:
        self.recording(job_id).unlink(missing_ok=True)
        STORED.remove(self._sizes.pop(job_id, 0))

    def get(self, job_id: str) -> StoredJob:
        """The job. Raises KeyError: there is no such job."""
        rows = self._select("id = ?", job_id)
        if not rows:
            raise KeyError(job_id)
        return _job(rows[0])

    def of_client(self, client: str, limit: int, after: str | None = None) -> list[StoredJob]:
        """The newest jobs of a client, from whatever address if it has a key; `after`: older than this job."""
        key = client.partition(" ")[2]
        return [
            _job(row)
            for row in self._select(
                "(client = ? OR (? <> '' AND substr(client, -length(?)) = ?))"
                " AND (? IS NULL OR (created, rowid) < (SELECT created, rowid FROM jobs WHERE id = ?))"
                " ORDER BY created DESC, rowid DESC LIMIT ?",
                client, key, key, key, after, after, limit,
            )
        ]  # fmt: skip

    def result(self, job_id: str) -> Iterator[bytes]:
        """The transcript of a job that is done, JSON in UTF-8, in pieces that are read when they are needed: clients
        that read slowly must not hold long ones in memory. Raises NotFoundError: the job was deleted.
        """
        start = 0
        while piece := self._piece(job_id, start):
            yield piece
            start += len(piece)

    def _piece(self, job_id: str, start: int) -> bytes:
        with self._lock, database_errors(self._path):
            row = self._database.execute("SELECT rowid FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row is None:
                raise NotFoundError("The job was deleted.", param="job_id")
            with self._database.blobopen("jobs", "result", row["rowid"], readonly=True) as blob:
                blob.seek(start)
                return blob.read(min(max(_PIECE, start // 4), _MOST))

    def next(self, busy: list[str], *, fetch: bool = True) -> StoredJob | None:
        """Start the oldest queued job of the client with the fewest running jobs; `busy` has the client of each running
        job; without `fetch`, none whose recording must be fetched.
        """
        where = "state = 'queued'" + ("" if fetch else " AND url IS NULL")
        with self._transaction() as database:
            rows = database.execute(f"SELECT id, client FROM jobs WHERE {where} ORDER BY created").fetchall()  # noqa: S608
            if not rows:
                return None
            chosen = min(rows, key=lambda row: busy.count(row["client"]))["id"]
            database.execute("UPDATE jobs SET state = 'running', attempts = attempts + 1 WHERE id = ?", (chosen,))
            row = database.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (chosen,)).fetchone()  # noqa: S608
        return _job(row)

    def put_back(self, job_id: str) -> None:
        """Requeue a running job because the server ends; the attempt is not counted."""
        with self._transaction() as database:
            database.execute(
                "UPDATE jobs SET state = 'queued', attempts = attempts - 1 WHERE id = ? AND state = 'running'",
                (job_id,),
            )

    def finish(self, job_id: str, *, result: str | None = None, error: Mapping[str, Any] | None = None) -> None:
        """Store a job's result (JSON text) or error, and delete its recording. Does nothing if the job was deleted."""
        state: State = "done" if error is None else "failed"
        with self._transaction() as database:
            database.execute(
                "UPDATE jobs SET state = ?, finished = ?, result = ?, error = ?,"
                " duration = json_extract(?, '$.duration') WHERE id = ?",
                (state, time.time(), result, None if error is None else json.dumps(error), result, job_id),
            )
        self._delete_recording(job_id)

    def to_notify(self, limit: int) -> list[StoredJob]:
        """Finished jobs whose webhook was not notified, the oldest first."""
        where = "finished IS NOT NULL AND webhook IS NOT NULL AND NOT notified ORDER BY finished LIMIT ?"
        return [_job(row) for row in self._select(where, limit)]

    def set_notified(self, job_id: str) -> None:
        """The webhook was notified, or given up."""
        with self._transaction() as database:
            database.execute("UPDATE jobs SET notified = 1 WHERE id = ?", (job_id,))

    def remove(self, job_id: str) -> None:
        """Delete the job and its recording."""
        with self._transaction() as database:
            database.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        self._delete_recording(job_id)

    def forget_before(self, moment: float) -> None:
        """Delete jobs that finished before a Unix time. Raises OutputError: the database file was removed."""
        self._check_file()
        with self._transaction() as database:
            database.execute("DELETE FROM jobs WHERE finished < ?", (moment,))

    def close(self) -> None:
        """Close the database and release the folder."""
        with self._lock:
            if hasattr(self, "_database"):  # else it was not opened
                self._database.close()
            self._held.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        STORED.remove(sum(self._sizes.values()))
        self._sizes = {}


def _job(row: sqlite3.Row) -> StoredJob:
    values = dict(row)
    for name in ("fields", "error"):
        values[name] = None if values[name] is None else json.loads(values[name])
    values["notified"] = bool(values["notified"])
    return StoredJob(**values)
