"""Jobs on disk: a row in SQLite and, until it is done, the recording beside it.

A job is accepted when its recording and its row are on the disk; from then on no restart loses it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from asrcli.errors import OutputError

State = Literal["queued", "running", "done", "failed"]
FINAL: frozenset[State] = frozenset({"done", "failed"})

#: times that a job is begun; one that each time took the server with it is not tried for ever
_ATTEMPTS = 3

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, created REAL NOT NULL, finished REAL, client TEXT NOT NULL,
    name TEXT NOT NULL, url TEXT, fields TEXT NOT NULL, webhook TEXT, notified INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, result TEXT, error TEXT
) STRICT
"""


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A row.

    Attributes:
        id: unguessable: who knows it may read the job.
        created, finished: Unix times.
        client: who takes turns with others.
        name: what the recording is called.
        url: where the recording is to be fetched from; None: it was sent.
        fields: the options, as the client sent them.
        webhook: what is told of the end.
        notified: whether it has been, or has been given up.
        result: the transcript's JSON form, when it is done.
        error: {"code", "message"}, when it has failed.
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
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None


class JobStore:
    """Thread-safe. One process at a time: the folder is locked while it is open."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, made if need be, and take up what was left there.

        Raises:
            OutputError: it cannot be written, or another server keeps its jobs there.
        """
        self._folder = folder
        self._lock = threading.Lock()
        try:
            self.recordings.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._held = _hold(folder)
            self._database = sqlite3.connect(folder / "jobs.sqlite3", check_same_thread=False, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"Jobs cannot be kept in {folder}: {error}.", "Choose another --data-dir.") from error
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(_SCHEMA)
        self._recover()

    @property
    def recordings(self) -> Path:
        """The folder of the recordings that are still needed; uploads grow here, so that none is copied."""
        return self._folder / "recordings"

    def recording(self, job_id: str) -> Path:
        """Where a job's recording lies."""
        return self.recordings / job_id

    def _recover(self) -> None:
        with self._writing() as database:
            database.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
            lost = json.dumps({"code": "interrupted", "message": "The server ended each time it worked on this."})
            database.execute(
                "UPDATE jobs SET state = 'failed', finished = ?, error = ? WHERE state = 'queued' AND attempts >= ?",
                (time.time(), lost, _ATTEMPTS),
            )
            wanted = {row["id"] for row in database.execute("SELECT id FROM jobs WHERE state = 'queued'")}
        for path in self.recordings.iterdir():
            if path.name not in wanted:  # an upload that was never accepted, or a job that is done
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def add(
        self, *, client: str, name: str, fields: Mapping[str, str], upload: Path | None, url: str | None,
        webhook: str | None,
    ) -> StoredJob:  # fmt: skip
        """Accept a job. Its recording is taken over from `upload`, which must lie in `recordings`."""
        job_id = f"job_{secrets.token_hex(16)}"
        if upload is not None:
            _to_disk(upload)
            upload.rename(self.recording(job_id))
            _to_disk(self.recordings)
        with self._writing() as database:
            database.execute(
                "INSERT INTO jobs (id, state, created, client, name, url, fields, webhook)"
                " VALUES (?, 'queued', ?, ?, ?, ?, ?, ?)",
                (job_id, time.time(), client, name, url, json.dumps(dict(fields)), webhook),
            )
        return self.get(job_id)

    def get(self, job_id: str) -> StoredJob:
        """The job.

        Raises:
            KeyError: there is none.
        """
        with self._lock:
            row = self._database.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise KeyError(job_id)
        return _job(row)

    def next(self, busy: list[str]) -> StoredJob | None:
        """The job whose turn it is, now running: the oldest of the client that has fewest at work.

        Args:
            busy: the clients of the jobs at work.
        """
        with self._writing() as database:
            rows = database.execute("SELECT id, client FROM jobs WHERE state = 'queued' ORDER BY created").fetchall()
            if not rows:
                return None
            chosen = min(rows, key=lambda row: busy.count(row["client"]))["id"]
            database.execute("UPDATE jobs SET state = 'running', attempts = attempts + 1 WHERE id = ?", (chosen,))
        return self.get(chosen)

    def put_back(self, job_id: str) -> None:
        """The server ends: the job is begun anew by the next one, and this attempt does not count."""
        with self._writing() as database:
            database.execute(
                "UPDATE jobs SET state = 'queued', attempts = attempts - 1 WHERE id = ? AND state = 'running'",
                (job_id,),
            )

    def finish(
        self, job_id: str, *, result: Mapping[str, Any] | None = None, error: Mapping[str, Any] | None = None
    ) -> None:
        """The job has come to its end; its recording goes."""
        state: State = "done" if error is None else "failed"
        with self._writing() as database:
            database.execute(
                "UPDATE jobs SET state = ?, finished = ?, result = ?, error = ? WHERE id = ?",
                (state, time.time(), _text(result), _text(error), job_id),
            )
        self.recording(job_id).unlink(missing_ok=True)

    def to_notify(self) -> list[StoredJob]:
        """Finished jobs whose webhook has not been told."""
        with self._lock:
            rows = self._database.execute(
                "SELECT * FROM jobs WHERE finished IS NOT NULL AND webhook IS NOT NULL AND NOT notified"
            ).fetchall()
        return [_job(row) for row in rows]

    def set_notified(self, job_id: str) -> None:
        """The webhook has been told, or given up."""
        with self._writing() as database:
            database.execute("UPDATE jobs SET notified = 1 WHERE id = ?", (job_id,))

    def remove(self, job_id: str) -> None:
        """Forget the job and all that belongs to it."""
        with self._writing() as database:
            database.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        self.recording(job_id).unlink(missing_ok=True)

    def forget_before(self, moment: float) -> None:
        """Forget jobs that finished before a Unix time."""
        with self._writing() as database:
            database.execute("DELETE FROM jobs WHERE finished < ?", (moment,))

    def close(self) -> None:
        """Let another process have the folder."""
        with self._lock:
            self._database.close()
            self._held.close()


def _hold(folder: Path) -> IO[str]:
    """The folder's lock; the kernel frees it when we end, however we end."""
    import fcntl

    lock = (folder / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise OutputError(f"Another server keeps its jobs in {folder}.", "Choose another --data-dir.") from error
    return lock


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _text(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _job(row: sqlite3.Row) -> StoredJob:
    values = dict(row)
    for name in ("fields", "result", "error"):
        values[name] = None if values[name] is None else json.loads(values[name])
    values["notified"] = bool(values["notified"])
    return StoredJob(**values)
