"""Output formats: a registry entry and a writer for each.

A writer is a function (transcript, cue options) -> text with LF line ends (csv: CRLF, RFC 4180) that encodes as UTF-8,
or bytes where the format is `binary`; an empty transcript gives a valid empty file. Its module is loaded when it is
first used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError

if TYPE_CHECKING:
    from asrcli.options import CueOptions
    from asrcli.transcript import Transcript

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a transcript. The command line, the server, completions and docs/formats.md read the fields.

    Attributes:
        name: what `--format` calls it.
        media_type: for HTTP.
        about: contents and use, in a few words.
        extension: of its files, without the dot.
        writer: "module.function" in this package; "": function `render` of the module with the format's name.
        shaped: whether `CueOptions` change the output.
        streamed: whether it can be written in parts: the text of a segment does not depend on later ones.
        speakers: how speakers are written, "" if not at all; Markdown.
        times: resolution of times, "" without times.
        binary: whether a file is bytes rather than text.
        requires: a module that the writer imports, of the extra with the format's name; "": none.
    """

    name: str
    media_type: str
    about: str
    extension: str = ""
    writer: str = ""
    shaped: bool = False
    streamed: bool = False
    speakers: str = ""
    times: str = ""
    binary: bool = False
    requires: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "extension", self.extension or self.name)
        object.__setattr__(self, "writer", self.writer or f"{self.name}.render")

    def contents(self, transcript: Transcript, options: CueOptions) -> str | bytes:
        """The whole file, bytes if it is `binary`. In text, characters that UTF-8 cannot encode (of odd file names)
        become U+FFFD. Raises MissingExtraError: as `check_installed`.
        """
        self.check_installed()
        module, _, function = self.writer.partition(".")
        written = getattr(import_module(f"asrcli.formats.{module}"), function)(transcript, options)
        return written if isinstance(written, bytes) else _SURROGATE.sub("\ufffd", written)

    def render(self, transcript: Transcript, options: CueOptions) -> str:
        """`contents` of a format that is text."""
        return cast("str", self.contents(transcript, options))

    def check_installed(self) -> None:
        """Raises MissingExtraError: the package that the writer needs is not installed."""
        if self.requires and find_spec(self.requires) is None:
            message = f"The format {self.name} needs a package that is not installed."
            raise MissingExtraError(message, pip_install(self.name))


_TURN = "`[Speaker 1] ` where a turn begins"

_ALL = (
    Format("txt", "text/plain", "plain text, a segment a line", streamed=True, speakers=_TURN),
    Format("json", "application/json", "all data (`asrcli schema` describes it)",
           speakers="fields of segments, words and turns", times="ms"),
    Format("jsonl", "application/jsonl", "a JSON object a segment, with its source, no header",
           writer="json.render_lines", streamed=True, speakers="field", times="ms"),
    Format("whisper-json", "application/json", "JSON of OpenAI's `whisper` command", "json", "whisper_json.render",
           speakers="fields of segments", times="ms"),
    Format("srt", "application/x-subrip", "SubRip subtitles", shaped=True, streamed=True, speakers=_TURN, times="ms"),
    Format("vtt", "text/vtt", "WebVTT subtitles", shaped=True, streamed=True, speakers="`<v Speaker 1>`", times="ms"),
    Format("ass", "text/x-ssa", "Advanced SubStation subtitles, every word with its karaoke time", shaped=True,
           speakers="Name field", times="10 ms"),
    Format("lrc", "text/plain", "timed lyrics, a line a cue", shaped=True, speakers="`Speaker 1: ` before the text",
           times="10 ms"),
    Format("tsv", "text/tab-separated-values", "tab-separated segments", writer="tables.render_tsv", speakers="column",
           times="ms"),
    Format("csv", "text/csv", "comma-separated segments for spreadsheets", writer="tables.render_csv",
           speakers="column", times="s with three decimals"),
    Format("md", "text/markdown", "Markdown to read, a heading for each speaker turn", speakers="heading", times="s"),
    Format("html", "text/html", "a page to read, hear, search and print", speakers="heading and colour", times="ms"),
    Format("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
           "a Word document, uncertain words highlighted (extra `docx`)", speakers="heading", times="s", binary=True,
           requires="docx"),
    Format("rttm", "text/plain", "speaker turns (NIST)", writer="tables.render_rttm", speakers="field", times="ms"),
    Format("ctm", "text/plain", "timed words (NIST)", writer="tables.render_ctm", times="ms"),
    Format("textgrid", "text/plain", "Praat TextGrid, for each speaker a tier of segments and one of words", "TextGrid",
           speakers="name of the tier", times="ms"),
)  # fmt: skip

FORMATS: Mapping[str, Format] = MappingProxyType({entry.name: entry for entry in _ALL})


#: extensions of formats that have to be UTF-8 by their own rules
_ALWAYS_UTF_8 = frozenset({"json", "jsonl", "vtt"})


def encoding_of(extension: str, wanted: str) -> str:
    """The encoding of files with a format's extension, where `wanted` is that of `--encoding`."""
    return "utf-8" if extension in _ALWAYS_UTF_8 else wanted


def format_of(path: str | PurePath) -> Format | None:
    """The format of a file name's extension, in any case; None if no format has it."""
    suffix = PurePath(path).suffix.lower()
    return next((entry for entry in _ALL if suffix == f".{entry.extension.lower()}"), None)


def schema_text(name: str = "transcript") -> str:
    """The JSON Schema (draft 2020-12) of the format json, or of the events of `--log-json` ("event"), as text."""
    from importlib.resources import files

    return files("asrcli.formats").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
