"""Writers: a transcript as text in one format or another.

`FORMATS` names them; a writer's module is loaded when it is first used. Every writer gives one string with LF line
ends (csv: CRLF, as RFC 4180 has it) that encodes as UTF-8; an empty transcript gives a valid empty file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from asrcli.options import CueOptions
    from asrcli.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a transcript.

    Attributes:
        name: what `--format` calls it.
        extension: of its files, without the dot.
        media_type: for HTTP.
        shaped: whether `CueOptions` change what is written.
        about: what it is for, in a few words.
    """

    name: str
    extension: str
    media_type: str
    about: str
    shaped: bool = False

    def render(self, transcript: Transcript, options: CueOptions) -> str:
        """The whole file as text. Characters that UTF-8 cannot carry (of odd file names) become U+FFFD."""
        text = cast("str", import_module(f"asrcli.formats.{self.name}").render(transcript, options))
        return _SURROGATE.sub("\ufffd", text)


_ALL = (
    Format("txt", "txt", "text/plain", "plain text, a segment a line"),
    Format("json", "json", "application/json", "everything that is known ('asrcli schema' describes it)"),
    Format("jsonl", "jsonl", "application/jsonl", "a JSON object a segment"),
    Format("srt", "srt", "application/x-subrip", "SubRip subtitles", shaped=True),
    Format("vtt", "vtt", "text/vtt", "WebVTT subtitles", shaped=True),
    Format("ass", "ass", "text/x-ssa", "Advanced SubStation subtitles with karaoke times", shaped=True),
    Format("lrc", "lrc", "text/plain", "timed lyrics", shaped=True),
    Format("tsv", "tsv", "text/tab-separated-values", "tab-separated segments, times in milliseconds"),
    Format("csv", "csv", "text/csv", "comma-separated segments for spreadsheets"),
    Format("md", "md", "text/markdown", "a readable protocol, a heading a speaker's turn"),
    Format("rttm", "rttm", "text/plain", "speaker turns (NIST)"),
    Format("ctm", "ctm", "text/plain", "timed words (NIST)"),
    Format("textgrid", "TextGrid", "text/plain", "Praat's annotation tiers"),
)

_SURROGATE = re.compile("[\ud800-\udfff]")

FORMATS: Mapping[str, Format] = MappingProxyType({entry.name: entry for entry in _ALL})


def format_of(path: str | PurePath) -> Format | None:
    """The format that a file name asks for by its ending, in any case; None if it names none."""
    suffix = PurePath(path).suffix.lower()
    return next((entry for entry in _ALL if suffix == f".{entry.extension.lower()}"), None)


def schema_text() -> str:
    """The JSON Schema (draft 2020-12) of the format json, as text."""
    from importlib.resources import files

    return files("asrcli.formats").joinpath("transcript.schema.json").read_text(encoding="utf-8")


def transcript_schema() -> dict[str, Any]:
    """The JSON Schema of the format json; `#/$defs/line` describes a line of jsonl."""
    import json

    return cast("dict[str, Any]", json.loads(schema_text()))
