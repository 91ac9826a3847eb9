"""The results of a batch, read back from its outputs in the format json, with what has no such result."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asrcli.batch.decision import FAILED
from asrcli.batch.inputs.paths import printable
from asrcli.batch.journal import Journal
from asrcli.formats import FORMATS
from asrcli.storage.file_access import read_stored
from asrcli.storage.places import is_stored
from asrcli.transcript import SCHEMA

#: outputs that are read at once, and ahead of the one that is written
_READERS, _AHEAD = 8, 32
_SUFFIX = f".{FORMATS['json'].extension}"


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One result."""

    #: the recording and its output, then the fields of the format json
    fields: dict[str, Any]
    #: bytes of the output
    size: int


@dataclass(frozen=True, slots=True)
class MissingResult:
    """A recording without a result that can be exported."""

    recording: str
    reason: str


def results(journal: Journal) -> Iterator[ResultRow | MissingResult]:
    """Every recorded output in the format json, in the order of its name, then the recordings without one. Raises
    StoreError: a store does not answer; OSError: an output cannot be read.
    """
    failures = journal.failures()
    recordings, exported, complete = set(failures), set[Path](), set[Path]()
    wanted = []
    for output in sorted(journal.outputs()):
        made = journal.written(output)[-1]
        recordings.add(made.source)
        content, _ = failures.get(made.source, (made.content, ""))
        if made.content == content and not made.options.startswith(FAILED):
            complete.add(made.source)
        if output.suffix == _SUFFIX:
            wanted.append((made.source, output))
            exported.add(made.source)
    yield from _in_order(wanted)
    for recording in sorted(recordings - (exported & complete)):
        failed = recording in failures and recording not in complete
        reason = f"failed: {failures[recording][1]}" if failed else "it has no output in the format json"
        yield MissingResult(printable(recording), reason)


def _in_order(outputs: Iterable[tuple[Path, Path]]) -> Iterator[ResultRow | MissingResult]:
    """Read outputs, some of them ahead: those of a store take a request each."""
    with ThreadPoolExecutor(_READERS) as pool:
        waiting: deque[Future[ResultRow | MissingResult]] = deque()
        for recording, output in outputs:
            waiting.append(pool.submit(_read, recording, output))
            if len(waiting) == _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _read(recording: Path, output: Path) -> ResultRow | MissingResult:
    name = printable(recording)
    try:
        data = b"".join(read_stored(output)) if is_stored(output) else output.read_bytes()
    except FileNotFoundError:
        return MissingResult(name, f"{printable(output)} is missing")
    try:
        document = json.loads(data)
        known = document["schema"] == SCHEMA
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        return MissingResult(name, f"{printable(output)} is not of the format json")
    return ResultRow({"recording": name, "output": printable(output), **document}, len(data))
