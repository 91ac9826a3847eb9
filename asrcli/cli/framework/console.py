"""Messages on stderr, as text or JSON. Results are not written here."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from asrcli.formats import Format

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

#: control characters and bidirectional controls (Unicode TR 36: a name that is displayed as another)
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: the same, but for line ends and the colours above
_COMMANDS = re.compile(r"(?!\x1b\[[0-9;]*m)[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """A text on one line with control characters escaped: a file name may contain any character."""
    return _CONTROLS.sub(_escaped, text)


def harmless(text: str) -> str:
    """A message with colours and line ends; other control characters are escaped."""
    return _COMMANDS.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _NAMED.get(found[0]) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which the cursor can be moved."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wants_colour(stream: TextIO) -> bool:
    """Whether colours belong on a stream (https://no-color.org: any non-empty value of NO_COLOR forbids them)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def check_stdout(form: Format, results: int = 1) -> None:
    """Raises UsageError: stdout does not take so many results of a format."""
    from asrcli.errors import UsageError

    if form.binary and results and sys.stdout.isatty():
        raise UsageError(f"The format {form.name} is not shown on a terminal.", f"Write a file: -o NAME.{form.name}")
    if form.binary and results > 1:
        raise UsageError(f"Stdout takes one result of the format {form.name}.", "Use --output-dir.")


def _lines(text: str) -> str:
    return "\n".join(map(plain, text.split("\n")))


class Console:
    """Writes notices, warnings and errors: as lines for people, or as JSON events with `--log-json`."""

    def __init__(self, *, quiet: bool = False, log_json: bool = False) -> None:
        self.quiet = quiet
        self.log_json = log_json
        #: show the tracebacks of internal errors
        self.debug = False

    def style(self, text: str, style: str, *, stdout: bool = False) -> str:
        """The text in a colour of `_STYLES` where the terminal wants colours."""
        stream = sys.stdout if stdout else sys.stderr
        return f"\033[{_STYLES[style]}m{text}\033[0m" if wants_colour(stream) else text

    def line(self, text: str) -> None:
        """Write one line in any mode. A closed stderr is ignored."""
        try:
            print(harmless(text), file=sys.stderr, flush=True)
        except OSError:
            sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- stays open as stderr

    def event(self, kind: str, **fields: Any) -> None:
        """Write one event as JSON, in the form of `batch.events`."""
        head = {"schema": "asrcli/event/1", "event": kind, "time": round(time.time(), 3)}
        self.line(json.dumps(head | fields))

    def notice(self, text: str) -> None:
        """Information; suppressed by `--quiet`."""
        if self.log_json:
            self.event("notice", message=text)
        elif not self.quiet:
            self.line(f"asrcli: {plain(text)}")

    def warning(self, text: str) -> None:
        """A warning; not suppressed by `--quiet`."""
        if self.log_json:
            self.event("warning", message=text)
        else:
            self.line(f"asrcli: {self.style('warning:', 'yellow')} {plain(text)}")

    def error(self, message: str, hint: str = "", **fields: Any) -> None:
        """The error that ended the program, and a hint on a line of its own."""
        if self.log_json:
            self.event("error", message=message, hint=hint, **fields)
            return
        self.line(f"asrcli: {self.style('error:', 'red')} {plain(message)}")
        if hint:
            self.line(f"  {_lines(hint)}")
