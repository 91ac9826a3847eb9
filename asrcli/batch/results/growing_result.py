"""The result of a stream while it grows: its segments, in a hidden file beside the outputs.

A stream cannot be read again. If the program is killed, the next run that writes to the folder finds the file, and
writes what was recognised as `NAME.recovered.EXT`.
"""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from asrcli.batch.journal.records import MALFORMED
from asrcli.batch.naming import DETECTED, UNKNOWN_LANGUAGE, fit
from asrcli.batch.stop_signal import DroppedError
from asrcli.errors import CancelledError
from asrcli.storage.atomic import create_hidden, write_all
from asrcli.transcript import Segment, Transcript

#: of the hidden file
KIND = "partial"


class GrowingResult:
    """The segments of one stream. A context manager: if the stream fails, what was recognised stays."""

    def __init__(self, source: str, outputs: Mapping[str, Path], on_failure: Callable[[OSError], None]) -> None:
        """`outputs`: format -> file; `on_failure` is called once, if a segment cannot be written."""
        self._on_failure, self._failed = on_failure, False
        self._head = {"source": source, "outputs": {suffix: path.name for suffix, path in outputs.items()}}
        self._folder = Path(os.path.abspath(next(iter(outputs.values())))).parent
        self._path: Path | None = None
        self._handle = -1

    def __enter__(self) -> Self:
        return self

    def add(self, segment: Segment) -> None:
        """Append a segment."""
        try:
            if self._path is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._path, self._handle = create_hidden(self._folder, KIND)
                try:
                    self._write(self._head)
                except OSError:
                    self.discard()  # without it the segments are of no use; the next one tries again
                    raise
            self._write(segment.to_dict())
        except OSError as error:
            if not self._failed:
                self._failed = True
                self._on_failure(error)

    def _write(self, line: Mapping[str, Any]) -> None:
        write_all(self._handle, json.dumps(line).encode() + b"\n")
        os.fsync(self._handle)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, (DroppedError, CancelledError)):
            self.discard()

    def discard(self) -> None:
        """Delete the file: the result is written, or not wanted."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            os.close(self._handle)
            self._path = None


def read_growing(folder: Path, handle: int) -> tuple[dict[str, Path], Transcript]:
    """The outputs for what a file in `folder` holds, and the transcript. An incomplete last line is left out; damaged
    ones before it are a warning.
    """
    with open(handle, "rb", closefd=False) as file:
        lines = file.read().split(b"\n")[:-1]
    segments: list[Segment] = []
    outputs: dict[str, Path] = {}
    source = ""
    with contextlib.suppress(*MALFORMED):
        head = json.loads(lines[0] if lines else b"{}")
        outputs = {suffix: _recovered(folder / os.path.basename(name)) for suffix, name in head["outputs"].items()}
        source = head["source"]
        for line in lines[1:]:
            with contextlib.suppress(*MALFORMED):
                segments.append(Segment.from_dict(json.loads(line)))
    damaged = len(lines) - 1 - len(segments)
    segments.sort(key=lambda segment: (segment.start, segment.channel or 0))
    end = max((segment.end for segment in segments), default=0.0)
    warnings = [f"truncated: the program was killed; the text ends at {end:.1f} s"]
    if damaged > 0:
        warnings.append(f"damaged: {damaged} segments could not be read")
    return outputs, Transcript(source, end, tuple(segments), warnings=tuple(warnings))


def _recovered(path: Path) -> Path:
    stem = path.stem.replace(DETECTED, UNKNOWN_LANGUAGE)
    return path.with_name(fit(f"{stem}.recovered", path.suffix))
