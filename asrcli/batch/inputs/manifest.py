"""`--manifest`: inputs as lines of JSON, with the field names of this program, of NeMo's manifests or of Lhotse's
recordings and cuts. Fields that are not listed in docs/cluster.md are ignored.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Literal, cast

from asrcli.batch.inputs.addresses import as_url
from asrcli.batch.inputs.paths import PlanError
from asrcli.errors import AsrcliError, InputError, UsageError
from asrcli.options import TranscribeOptions, readers
from asrcli.storage.places import place_of

#: Lhotse rounds the times of a cut to samples; a cut whose end differs by less from that of its recording is all of it
_ROUNDING = 0.001


@dataclass(frozen=True, slots=True)
class InputOptions:
    """What a line of a manifest sets for its input, in place of the run's options; None: as in the run."""

    #: seconds of the recording
    start: float | None = None
    end: float | None = None
    channels: Literal["mix", "split"] | int | None = None
    language: str | None = None

    def applied(self, options: TranscribeOptions) -> TranscribeOptions:
        """The run's options with those of the input."""
        audio, recognition = options.audio, options.recognition
        if self.start is not None:
            audio = replace(audio, start=self.start, end=self.end)
        if self.channels is not None:
            audio = replace(audio, channels=self.channels)
        if self.language is not None:
            recognition = replace(recognition, language=None if self.language == "auto" else self.language)
        return replace(options, audio=audio, recognition=recognition)

    @property
    def span(self) -> str:
        """The part of the recording, for names; empty: all of it."""
        parts = [f"{time:.3f}".rstrip("0").rstrip(".") for time in (self.start, self.end) if time is not None]
        if self.channels is not None:
            parts.append(f"channel{self.channels}")
        return "-".join(parts)


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One line."""

    #: the recording as a path, or an address
    path: Path
    #: the same as the manifest has it
    given: str
    options: InputOptions
    #: what the outputs are called, without suffix; None: after the recording
    name: str | None = None
    #: path of the outputs, without the format's suffix
    output: Path | None = None

    @property
    def key(self) -> str:
        """What distinguishes it from other lines with its recording."""
        return repr((self.name, self.output, self.options))


def read_manifest(stream: BinaryIO, source: str, folder: Path) -> Iterator[ManifestEntry | PlanError]:
    """Read a manifest line by line; `source` is its name for messages, relative paths are below `folder`. A line that
    is not valid becomes the problem of one input.
    """
    lines = io.BufferedReader(cast("io.RawIOBase", stream)) if isinstance(stream, io.RawIOBase) else stream
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not text.strip():
            continue
        try:
            yield _entry(json.loads(text), folder)
        except (AsrcliError, ValueError, RecursionError) as error:
            name = f"{source}, line {number}"
            reason = str(error) if isinstance(error, _FieldError) else "not a JSON object in UTF-8"
            yield PlanError(name, InputError(f"{name}: {reason}.", "Correct the line; see docs/cluster.md."))


class _FieldError(ValueError):
    """A field has a value that cannot be used."""


def _entry(line: Any, folder: Path) -> ManifestEntry:
    if not isinstance(line, dict):
        raise ValueError("no object")  # noqa: TRY004 -- as a line that is no JSON
    if line.get("model") is not None:
        raise _FieldError("a run has one model, so a line has no 'model'; use a manifest for each model")
    recording = line.get("recording")
    whole: Mapping[str, Any] = recording if isinstance(recording, dict) else line
    path = _text(line, "input", "audio_filepath", "audio") or _lhotse_source(whole)
    if path is None:
        raise _FieldError("it names no recording ('input', 'audio_filepath' or 'audio')")
    if line is not whole and _is_all(line, whole):
        line = {key: value for key, value in line.items() if key not in {"start", "offset", "duration", "end"}}
    options = _options(line, whole)
    output, name = _text(line, "output"), _text(line, "id")
    target = PurePath(output or "a")
    if ".." in target.parts or not target.name or target.is_absolute():
        raise _FieldError(f"'output' {output!r} is not a file below a folder")
    try:
        place = place_of(path) or (Path(path) if as_url(path) else folder / path)
    except UsageError as error:
        raise _FieldError(error.message.rstrip(".")) from error
    return ManifestEntry(place, path, options, name, None if output is None else Path(output))


def _text(line: Mapping[str, Any], *names: str) -> str | None:
    """The first of some fields that is set; numbers are allowed."""
    for name in names:
        value = line.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value) and "\0" not in str(value):
            return str(value)
        if value is not None:
            raise _FieldError(f"'{name}' is {value!r}, not a text")
    return None


def _lhotse_source(recording: Mapping[str, Any]) -> str | None:
    sources = recording.get("sources")
    if sources is None:
        return None
    if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], dict):
        raise _FieldError("a recording in several files, or in none, cannot be read")
    if sources[0].get("type", "file") not in {"file", "url"}:
        raise _FieldError(f"a source of type {sources[0]['type']!r} cannot be read")
    return _text(sources[0], "source")


def _is_all(cut: Mapping[str, Any], recording: Mapping[str, Any]) -> bool:
    """Whether a cut of Lhotse's is its whole recording."""
    length, start = recording.get("duration"), cut.get("start", 0)
    numbers = isinstance(length, (int, float)) and isinstance(cut.get("duration"), (int, float))
    return numbers and start == 0 and abs(cut["duration"] - cast("float", length)) < _ROUNDING


def _options(line: Mapping[str, Any], recording: Mapping[str, Any]) -> InputOptions:
    # Without a start, `duration` describes the file: NeMo's manifests have it rounded, and nothing must be cut off.
    start = _read(line, "offset", readers.time) if line.get("offset") is not None else None
    if start is None and "sources" not in line:
        start = _read(line, "start", readers.time)
    end, duration = _read(line, "end", readers.time), None
    if start is not None:
        duration = _read(line, "duration", readers.time)
    elif end is not None:
        start = 0.0
    if start is not None and duration is not None:
        end = start + duration
    if start is not None and end is not None and end <= start:
        raise _FieldError("the part of the recording has no length")
    return InputOptions(start, end, _channels(line, recording), _language(line))


def _channels(line: Mapping[str, Any], recording: Mapping[str, Any]) -> Literal["mix", "split"] | int | None:
    if not isinstance(asked := line.get("channel"), list):
        asked = _read(line, "channel", readers.channels)
        return None if recording.get("channel_ids") == [asked] else asked
    if asked != recording.get("channel_ids"):
        raise _FieldError("'channel' must be one channel, or all channels of the recording")
    return None


def _language(line: Mapping[str, Any]) -> str | None:
    supervisions = line.get("supervisions") or []
    if not isinstance(supervisions, list):
        raise _FieldError(f"'supervisions' is {supervisions!r}, not a list")
    spoken = [one.get("language") for one in supervisions if isinstance(one, dict)]
    same = {"language": spoken[0]} if spoken and len(set(map(str, spoken))) == 1 else {}
    for fields, name in ((line, "language"), (line, "lang"), (line, "source_lang"), (same, "language")):
        if (code := _read(fields, name, readers.language)) is not None:
            return cast("str", code)
    return None


def _read(line: Mapping[str, Any], name: str, reader: Any) -> Any:
    """A field as an option of that kind is read; None: it is not set."""
    value = line.get(name)
    if value is None:
        return None
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        try:
            return reader(str(value))
        except ValueError as error:
            raise _FieldError(f"'{name}': {error}") from None
    raise _FieldError(f"'{name}' is {value!r}")
