"""Records of the journal: one finished or failed transcription each."""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asrcli.batch.cache_key import CacheKey
from asrcli.batch.recording import FileStamp

SCHEMA = "asrcli/journal/1"
#: what `parse` and `json.loads` raise for a line that is no record
MALFORMED = (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError)

_WORDS = rb"[ !#-\[\]-~]*"
_TEXT, _NUMBER = b'"%s"' % _WORDS, rb"(?:0|-?[1-9]\d{0,18})"
_PATHS = re.compile(r'"path":"([^"]*)"')


def _object(**fields: bytes) -> bytes:
    return rb"\{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields.items()) + rb"\}"


_OUTPUT = _object(format=_TEXT, path=_TEXT, size=_NUMBER, digest=_TEXT, options=_TEXT)
#: a line of a result as it is usually written, without escapes: read so, it takes a third of the time
_USUAL = re.compile(
    _object(
        schema=b'"%s"' % SCHEMA.encode(),
        input=_object(
            path=b'"(%s)"' % _WORDS,
            size=_NUMBER,
            mtime_ns=_NUMBER,
            ctime_ns=_NUMBER,
            inode=_NUMBER,
            digest=b'"(%s)"' % _WORDS,
            hashed_ns=_NUMBER,
        ),
        model=_TEXT,
        options=_TEXT,
        duration=_NUMBER + rb"(?:\.\d{1,3})?",
        outputs=rb"\[(" + _OUTPUT + b"(?:," + _OUTPUT + rb")*)\]",
    )
)


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One output as a record describes it."""

    #: the recording it was made from
    source: Path
    content: str
    #: the output's own size and hash
    size: int
    digest: str
    model: str
    options: str
    format_options: str
    #: seconds of audio
    duration: float
    #: of an address, see `Address.version`
    version: str
    #: those of its transcript
    warnings: tuple[str, ...] = ()

    def made_by(self, content: str, recipe: CacheKey, suffix: str) -> bool:
        """Whether doing it again would give the same."""
        return self.content == content and self.same_recipe(recipe, suffix)

    def same_recipe(self, recipe: CacheKey, suffix: str) -> bool:
        wanted = (recipe.model, recipe.options, recipe.formats.get(suffix, ""))
        return (self.model, self.options, self.format_options) == wanted


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One output to be recorded."""

    suffix: str
    path: Path
    size: int
    digest: str

    def to_dict(self, path: str, recipe: CacheKey) -> dict[str, Any]:
        """As a record has it; `path` as the journal writes it."""
        options = recipe.formats.get(self.suffix, "")
        return {"format": self.suffix, "path": path, "size": self.size, "digest": self.digest, "options": options}


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal, paths absolute."""

    source: Path
    #: state and hash of the recording, and when it was hashed, nanoseconds
    stamp: FileStamp
    content: str
    hashed_ns: int
    outputs: tuple[tuple[Path, OutputFile], ...]
    #: "pending" or "finished": the command of `--on-done`
    on_done: str | None
    #: error code, where the input failed
    failed: str | None


def parse(record: Mapping[str, Any], absolute: Callable[[str], Path]) -> Record:
    """A line's JSON as a record. Raises one of `MALFORMED`."""
    if record["schema"] != SCHEMA:
        raise ValueError(record["schema"])
    entry = record["input"]
    source, content = absolute(entry["path"]), str(entry["digest"])
    outputs = [
        (
            absolute(output["path"]),
            OutputFile(
                source=source,
                content=content,
                size=int(output["size"]),
                digest=str(output["digest"]),
                model=sys.intern(record["model"]),
                options=sys.intern(record["options"]),
                format_options=sys.intern(output["options"]),
                duration=float(record["duration"]),
                version=str(entry.get("version", "")),
                warnings=tuple(map(str, record.get("warnings", ()))),
            ),
        )
        for output in record.get("outputs", ())
    ]
    # Earlier versions recorded neither ctime nor inode; their recordings are hashed once more.
    stamp = FileStamp(*(int(entry.get(key, 0)) for key in ("size", "mtime_ns", "ctime_ns", "inode")))
    failed = record.get("failed")
    return Record(
        source=source,
        stamp=stamp,
        content=content,
        hashed_ns=int(entry["hashed_ns"]),
        outputs=tuple(outputs),
        on_done=record.get("on_done"),
        failed=None if failed is None else str(failed),
    )


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """What is kept in memory of a line, its paths as they are there."""

    source: str
    content: str
    outputs: Sequence[str]
    on_done: str | None
    failed: str | None


def summarise(line: bytes) -> RecordSummary:
    """A line, checked as by `parse`, in less time. Raises one of `MALFORMED`."""
    if usual := _USUAL.fullmatch(line):
        path, content, outputs = usual.groups()
        return RecordSummary(path.decode(), content.decode(), _PATHS.findall(outputs.decode()), None, None)
    return _checked(json.loads(line))


def _checked(record: Mapping[str, Any]) -> RecordSummary:
    if record["schema"] != SCHEMA:
        raise ValueError(record["schema"])
    entry, outputs = record["input"], record.get("outputs", ())
    for key in ("size", "mtime_ns", "ctime_ns", "inode"):
        int(entry.get(key, 0))
    int(entry["hashed_ns"])
    texts = [entry["path"]]
    if outputs:
        float(record["duration"])
        texts += [record["model"], record["options"]]
    for output in outputs:
        int(output["size"])
        texts += [output["path"], output["options"]]
        output["digest"]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("no text")
    failed = record.get("failed")
    paths = [output["path"] for output in outputs]
    failure = None if failed is None else str(failed)
    return RecordSummary(entry["path"], str(entry["digest"]), paths, record.get("on_done"), failure)


def moved(record: Mapping[str, Any], place: Callable[[str], str]) -> dict[str, Any]:
    """A line's JSON with its paths as `place` gives them."""
    out = {**record, "input": {**record["input"], "path": place(record["input"]["path"])}}
    if "outputs" in record:
        out["outputs"] = [{**output, "path": place(output["path"])} for output in record["outputs"]]
    return out
