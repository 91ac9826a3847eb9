"""What was made of which recording, so that a later run does only what is left to do.

A JSON-lines file. Each line is a record of one finished transcription: the recording (path, size, time of change, hash
of its bytes), the recipe (model digest, fingerprints of the options) and the outputs (path, size, hash). Paths below
the journal's folder are kept relative to it, so the folder can be moved.

The record is written *before* the outputs get their final names. An output counts as done when a record describes
exactly the file that is there; so whenever a process is killed, what it left is either complete and recorded, or is
made again. Records are only ever appended, by any number of processes: each append is one write under a file lock, and
a line torn by a full disk or a kill is cut off by the next append.
"""

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any

from asrcli.batch.cache_key import CacheKey
from asrcli.batch.journal.index import LATEST, RecordIndex, is_settled
from asrcli.batch.journal.records import MALFORMED, SCHEMA, OutputFile, OutputRecord, Record, moved, parse
from asrcli.batch.naming import real_place
from asrcli.batch.recording import FileStamp, Recording, hash_file
from asrcli.errors import UsageError
from asrcli.storage.atomic import write_all, write_error
from asrcli.storage.locks import lock_byte, unlock_byte

#: bytes that are read at a time: memory for more would be mapped anew for each input
_BLOCK = 1 << 16
#: lines of another journal that are added in one write
_MERGED_AT_ONCE = 1000
_NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Journal:
    """One journal file, open for this process. Safe to use from several threads.

    Between processes, `claim` keeps two runs from working on the same recording; the claims of a process that dies are
    free again at once.
    """

    def __init__(self, path: Path, *, read_only: bool = False, hash_file: Callable[[Path], str] = hash_file) -> None:
        """Read the journal, which need not exist; `read_only` writes nothing (`--dry-run`); `hash_file` hashes
        recordings. Raises DiskFullError or OutputError: it cannot be created. Lack of permission is a notice instead.
        """
        self.path = real_place(path)
        self.notices: list[str] = []
        self._lock = RLock()
        self._index = RecordIndex(self.path.parent)
        self._end = 0  # of the last whole line that was read
        self._torn = False
        self._writable = not read_only
        self._hash_file = hash_file
        self._handle = self._open()
        self.refresh()
        if self._index.damaged:
            self.notices.append(f"{self.path}: {self._index.damaged} damaged lines of the journal were passed over.")

    def _open(self) -> int:
        if self._writable:
            folder = self.path.parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
                return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            except OSError as error:
                if error.errno not in _NO_PERMISSION:
                    lacking = not folder.is_dir()
                    raise write_error(folder if lacking else self.path, error, new_folder=lacking) from error
                self._writable = False
                self.notices.append(f"{self.path}: no permission to write it; results are not recorded there.")
        try:
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1

    def close(self) -> None:
        """Release every claim; a journal that nothing was written to leaves no file."""
        with self._lock:
            if self._handle < 0:
                return
            if self._writable:
                with self._exclusive(), contextlib.suppress(OSError):
                    if os.fstat(self._handle).st_size == 0:
                        os.unlink(self.path)
            os.close(self._handle)
            self._handle = -1

    # Reading

    def refresh(self) -> None:
        """Learn what other processes have recorded since."""
        with self._lock:
            if self._handle < 0:
                return
            if self._end and os.pread(self._handle, 1, self._end - 1) != b"\n":
                self._forget()  # it was cut: by an editor, or by a process whose disk was full
            pending = b""
            while block := os.pread(self._handle, _BLOCK, self._end + len(pending)):
                *lines, pending = (pending + block).split(b"\n")
                for line in lines:
                    self._index.learn(line, self._end)
                    self._end += len(line) + 1
            self._torn = bool(pending)

    def _forget(self) -> None:
        self._end, self._index = 0, RecordIndex(self.path.parent)

    def written(self, output: Path) -> Sequence[OutputFile]:
        """Everything that was ever recorded of an output, the latest last."""
        place = real_place(output)
        with self._lock:
            return self._index.written(self._handle, place)

    def outputs_of(self, recording: Path) -> Sequence[Path]:
        """The outputs that were made from a recording, the latest last."""
        place = real_place(recording)
        with self._lock:
            return self._index.outputs_of(self._handle, place)

    def outputs(self) -> Sequence[Path]:
        """All outputs that are recorded."""
        with self._lock:
            return self._index.outputs(self._handle)

    def failures(self) -> dict[Path, tuple[str, str]]:
        """Recordings that have failed: hash and error code, of the latest failure of each."""
        with self._lock:
            return dict(self._index.failures)

    # Hashes of recordings

    def recording(self, path: Path, place: Path | None = None) -> Recording:
        """Hash a recording, or remember its hash if it has not changed since; `place`: where it is from, if `path` is
        temporary. Raises OSError: it cannot be read.
        """
        stamp = FileStamp.of(os.stat(path))
        source = real_place(place or path)
        now = time.time_ns()
        known = self._known_digest(source, stamp)
        return Recording(source, stamp, known or self._hash_file(path), now)

    def _known_digest(self, source: Path, stamp: FileStamp) -> str | None:
        with self._lock:
            return self._index.known_digest(self._handle, source, stamp)

    def remember(self, recording: Recording) -> None:
        """Keep the hash of a recording that needed no work, so that the next run need not read it."""
        with self._lock:
            known = self._known_digest(recording.path, recording.stamp)
            if known is None and is_settled(recording.hashed_ns, recording.stamp):
                self._append({"schema": SCHEMA, "input": self._input(recording)})

    # Writing

    def record_failure(self, recording: Recording, code: str) -> None:
        """Keep that an input has failed. Raises DiskFullError or OutputError: the journal cannot be written."""
        if self.failures().get(recording.path) != (recording.digest, code):
            self._append({"schema": SCHEMA, "input": self._input(recording), "failed": code})

    def on_done_pending(self, recording: Recording) -> bool:
        """Whether results of a recording were written by a run that ended before its `--on-done` had succeeded."""
        with self._lock:
            return (os.fspath(recording.path), recording.digest) in self._index.pending

    def on_done_finished(self, recording: Recording) -> None:
        """Keep that `--on-done` has succeeded. Raises DiskFullError or OutputError: the journal cannot be written."""
        self._append({"schema": SCHEMA, "input": self._input(recording), "on_done": "finished"})

    def record(
        self,
        recording: Recording,
        recipe: CacheKey,
        duration: float,
        outputs: Sequence[OutputRecord],
        *,
        warnings: Sequence[str] = (),
        on_done: bool = False,
    ) -> None:
        """Announce outputs that are about to get their final names; `on_done`: a command is then run. Raises
        DiskFullError or OutputError: the journal cannot be written; the outputs must not be named then.
        """
        record = {
            "schema": SCHEMA,
            **({"on_done": "pending"} if on_done else {}),
            "input": self._input(recording),
            "model": recipe.model,
            "options": recipe.options,
            "duration": round(duration, 3),
            **({"warnings": list(warnings)} if warnings else {}),
            "outputs": [made.to_dict(self._relative(made.path), recipe) for made in outputs],
        }
        if not self._holds(parse(record, self._index.place)):
            self._append(record)

    def _holds(self, record: Record) -> bool:
        """Whether a result is the latest that is recorded of its recording and outputs: a process was killed before
        they had their names.
        """
        with self._lock:
            self.refresh()
            made = self._index.outputs_of(self._handle, record.source, LATEST)[-len(record.outputs) :]
            due = record.on_done is None or (os.fspath(record.source), record.content) in self._index.pending
            same = due and list(made) == [path for path, _ in record.outputs]
            same = same and all(self.written(path)[-1:] == (output,) for path, output in record.outputs)
            return same and os.fstat(self._handle).st_nlink > 0

    def merge(self, path: Path) -> tuple[int, int]:
        """Append the records of another journal that are not in this one; how many were added, and how many lines were
        damaged. Raises OSError: it cannot be read; UsageError: no line of it is a record; DiskFullError or OutputError:
        this one cannot be written.
        """
        self.refresh()
        with open(self.path, "rb") as stream:
            present = {_digest(line.rstrip(b"\n")) for line in stream}
        read = added = damaged = 0
        with open(path, "rb") as stream:
            while lines := list(islice(stream, _MERGED_AT_ONCE)):
                records = []
                for line in filter(bytes.strip, lines):
                    try:
                        record = json.loads(line)
                        parse(record, Path)
                        record = moved(record, lambda name: self._relative(path.parent / name))
                    except MALFORMED:
                        damaged += 1
                        continue
                    read += 1
                    if (digest := _digest(_line(record))) not in present:
                        present.add(digest)
                        records.append(record)
                added += len(records)
                self._append(*records)
        if damaged and not read:
            raise UsageError(f"{path} is not a journal: none of its lines is a record.", "Name the journal of a run.")
        return added, damaged

    def _append(self, *records: Mapping[str, Any]) -> None:
        lines = [_line(record) + b"\n" for record in records]
        with self._lock:
            if not self._writable:
                return
            try:
                with self._exclusive():
                    self.refresh()
                    self._write_lines(b"".join(lines))
            except OSError as error:
                raise write_error(self.path, error) from error
            for line in lines:
                self._index.learn(line, self._end)
                self._end += len(line)

    def _write_lines(self, lines: bytes) -> None:
        """Write behind the last whole line, whose end stays where it is until the lines are read."""
        if self._torn:
            os.ftruncate(self._handle, self._end)
        try:
            write_all(self._handle, lines)
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, self._end)
            raise

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the lock under which the file grows or goes; opens a new file if ours was removed meanwhile."""
        while True:
            lock_byte(self._handle, 0, wait=True)
            if os.fstat(self._handle).st_nlink:
                break
            removed, self._handle = self._handle, self._open()
            os.close(removed)
            self._forget()
            if not self._writable:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            yield
        finally:
            unlock_byte(self._handle, 0)

    # Claims

    def claim(self, output: Path) -> bool:
        """Take on an input, known by its first output; false while another process has it.

        Where the file system has no locks everything can be claimed: two runs then do some work twice, no more.
        """
        return not self._writable or lock_byte(self._handle, _offset(output), wait=False)

    def release(self, output: Path) -> None:
        if self._writable:
            unlock_byte(self._handle, _offset(output))

    # Paths

    def _input(self, recording: Recording) -> dict[str, Any]:
        return {
            "path": self._relative(recording.path),
            **asdict(recording.stamp),
            "digest": recording.digest,
            "hashed_ns": recording.hashed_ns,
            **({"version": recording.version} if recording.version else {}),
        }

    def _relative(self, path: Path) -> str:
        absolute = real_place(path)
        folder = self.path.parent
        return absolute.relative_to(folder).as_posix() if absolute.is_relative_to(folder) else os.fspath(absolute)


def _offset(output: Path) -> int:
    """The byte of the journal that is locked for an output; nothing is ever written there."""
    name = os.fsencode(real_place(output))
    return 1 + int.from_bytes(hashlib.blake2b(name, digest_size=6).digest(), "big")


def _line(record: Mapping[str, Any]) -> bytes:
    # ASCII with escapes: names that are no valid UTF-8 (lone surrogates) come back as they were.
    return json.dumps(record, separators=(",", ":")).encode("ascii")


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()
