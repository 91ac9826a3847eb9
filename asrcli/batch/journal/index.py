"""What a journal has of each recording and output.

The records themselves stay on disk: those of a million results would take 3 GB of memory, their index takes 0.2 GB.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from asrcli.batch.journal.records import MALFORMED, OutputFile, Record, parse, summarise
from asrcli.batch.recording import FileStamp

#: records of a recording in which its hash is sought
LATEST = 16
#: bytes of a line that are read at once, and records that are kept in memory
_LINE, _RECENT = 4096, 256
#: a file changed so shortly before it was hashed may change again without its time of change telling
_RACY_NS = 2_000_000_000
#: parts of a path that `normpath` changes; most paths have none, and it is slow
_NOT_NORMAL = re.compile(r"//|/\.|/$")

#: hash of a path -> offset of its line, or those of several; what is found has to be compared
_Places = dict[int, int | list[int]]


def is_settled(hashed_ns: int, stamp: FileStamp) -> bool:
    """Whether a recording that has changed since it was hashed would have another stamp."""
    return hashed_ns - stamp.changed_ns > _RACY_NS


class RecordIndex:
    """Where the records are in a journal, whose handle each call is given."""

    def __init__(self, folder: Path) -> None:
        """`folder`: that of the journal."""
        self._folder = os.fspath(folder).rstrip("/")
        self._outputs: _Places = {}
        self._recordings: _Places = {}
        self._recent: dict[int, Record] = {}
        #: recordings, with their hashes, of which `--on-done` is due
        self.pending: set[tuple[str, str]] = set()
        #: hash and error code of the latest failure of a recording
        self.failures: dict[Path, tuple[str, str]] = {}
        #: lines that are no records
        self.damaged = 0

    def learn(self, line: bytes, offset: int) -> None:
        """Take note of the line at an offset, behind those that are known."""
        if not line.strip():
            return
        try:
            summary = summarise(line)
        except MALFORMED:
            self.damaged += 1
            return
        source = self._absolute(summary.source)
        _add(self._recordings, source, offset)
        for path in summary.outputs:
            _add(self._outputs, self._absolute(path), offset)
        if summary.on_done == "pending":
            self.pending.add((source, summary.content))
        elif summary.on_done == "finished":
            self.pending.discard((source, summary.content))
        if summary.failed is not None:
            self.failures[Path(source)] = (summary.content, summary.failed)

    def written(self, handle: int, output: Path) -> Sequence[OutputFile]:
        """Everything that was ever recorded of an output, the latest last."""
        known: dict[OutputFile, None] = {}
        for record in self._records_at(handle, _offsets(self._outputs, output)):
            for path, file in record.outputs:
                if path == output:
                    known.pop(file, None)
                    known[file] = None
        return tuple(known)

    def outputs_of(self, handle: int, recording: Path, last: int = 0) -> Sequence[Path]:
        """The outputs that were made from a recording (of its `last` records; 0: all), the latest last."""
        made: dict[Path, None] = {}
        for record in self._of_recording(handle, recording, last):
            for path, _ in record.outputs:
                made.pop(path, None)
                made[path] = None
        return tuple(made)

    def outputs(self, handle: int) -> Sequence[Path]:
        """All outputs."""
        offsets: dict[int, None] = {}
        for known in self._outputs.values():
            offsets.update(dict.fromkeys([known] if isinstance(known, int) else known))
        return tuple({path: None for record in self._records_at(handle, offsets) for path, _ in record.outputs})

    def known_digest(self, handle: int, recording: Path, stamp: FileStamp) -> str | None:
        """The hash of a recording in a state, if one of its latest records has it."""
        for record in self._of_recording(handle, recording, LATEST):
            if record.stamp == stamp and is_settled(record.hashed_ns, stamp):
                return record.content
        return None

    def place(self, path: str) -> Path:
        """A path of a record, absolute."""
        return Path(self._absolute(path))

    def _absolute(self, path: str) -> str:
        absolute = path if path.startswith("/") else f"{self._folder}/{path}"
        return os.path.normpath(absolute) if _NOT_NORMAL.search(absolute) else absolute

    def _of_recording(self, handle: int, path: Path, last: int) -> Iterator[Record]:
        for record in self._records_at(handle, _offsets(self._recordings, path)[-last:]):
            if record.source == path:
                yield record

    def _records_at(self, handle: int, offsets: Iterable[int]) -> Iterator[Record]:
        """The records of some lines, without those that were cut off since they were read."""
        for offset in offsets:
            with contextlib.suppress(*MALFORMED):
                yield self._record_at(handle, offset)

    def _record_at(self, handle: int, offset: int) -> Record:
        record = self._recent.get(offset)
        if record is None:
            line = b""
            while b"\n" not in line and (block := os.pread(handle, _LINE, offset + len(line))):
                line += block
            record = parse(json.loads(line.partition(b"\n")[0]), self.place)
            if len(self._recent) >= _RECENT:
                self._recent.clear()
            self._recent[offset] = record
        return record


def _add(index: _Places, path: str, offset: int) -> None:
    key = hash(path)
    known = index.get(key)
    if known is None:
        index[key] = offset  # most paths have one line, and a list takes three times as much
    elif isinstance(known, int):
        index[key] = [known, offset]
    else:
        known.append(offset)


def _offsets(index: _Places, path: Path) -> Sequence[int]:
    known = index.get(hash(os.fspath(path)), [])
    return [known] if isinstance(known, int) else known
