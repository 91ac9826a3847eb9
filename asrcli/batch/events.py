"""What happens in a batch, as values: progress bars, plain lines and `--log-json` are three readers of one stream.

The JSON form of an event is versioned by `SCHEMA`. `event` is its name, `index` and `name` identify the input
(its place in the plan, from 0; the name that messages use).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from asrcli.batch.inputs.paths import printable
from asrcli.batch.summary import Summary, error_dict
from asrcli.errors import AsrcliError
from asrcli.transcript import Segment

SCHEMA = "asrcli/event/1"


@dataclass(frozen=True, slots=True)
class Event:
    """Root of the events."""

    kind: ClassVar[str]

    def __init_subclass__(cls, kind: str = "") -> None:
        if kind:  # else it is a root, or the class that `slots` makes of one that has its kind
            cls.kind = kind

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON form."""
        body = {item.name: _plain(getattr(self, item.name)) for item in fields(self)}
        return {"schema": SCHEMA, "event": self.kind, **body}


def _plain(value: Any) -> Any:
    if isinstance(value, AsrcliError):
        return error_dict(value)
    if isinstance(value, (Segment, Summary)):
        return value.to_dict()
    if isinstance(value, Path):
        return printable(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return round(value, 3)
    return value


@dataclass(frozen=True, slots=True)
class BatchStarted(Event, kind="batch_started"):
    files: int
    #: a guess from file sizes, seconds of audio; what is skipped is part of it
    estimate: float
    jobs: int


@dataclass(frozen=True, slots=True)
class FileEvent(Event):
    """Root of what happens to one input."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class FileStarted(FileEvent, kind="file_started"):
    #: a word of `decision.Reason`
    reason: str
    #: a guess at its length, seconds
    estimate: float


@dataclass(frozen=True, slots=True)
class FileProgress(FileEvent, kind="file_progress"):
    """At most about ten a second for each file."""

    #: seconds of the recording
    done: float
    #: None where the length is unknown before the end
    total: float | None


@dataclass(frozen=True, slots=True)
class FileDownload(FileEvent, kind="file_download"):
    """Progress of fetching an input by its address, before it is transcribed."""

    #: bytes
    done: int
    #: None where the server does not announce the size
    total: int | None


@dataclass(frozen=True, slots=True)
class SegmentReady(FileEvent, kind="segment"):
    """A segment as it is recognised; its id and speaker may still change."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class FileDone(FileEvent, kind="file_done"):
    """The outputs have their final names, or the text is on stdout."""

    #: format -> file; empty for stdout
    outputs: Mapping[str, Path]
    #: seconds of audio, seconds it took
    duration: float
    wall: float
    language: str | None = None
    segments: int = 0
    warnings: tuple[str, ...] = ()
    #: spans with speech that could not be recognised
    gaps: int = 0
    #: formats that were not written, as a file that is not ours has their name
    blocked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSkipped(FileEvent, kind="file_skipped"):
    #: a word of `decision.Reason`
    reason: str
    explanation: str
    duration: float | None = None
    #: those of the result that is kept
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileFailed(FileEvent, kind="file_failed"):
    """`index` is -1 for an input that could not be planned."""

    error: AsrcliError


@dataclass(frozen=True, slots=True)
class Notice(Event, kind="notice"):
    """Information that is not a failure."""

    message: str


@dataclass(frozen=True, slots=True)
class BatchFinished(Event, kind="batch_finished"):
    summary: Summary
