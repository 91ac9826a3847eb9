"""Messages to people and to machines on stderr. Results never come through here."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, TextIO

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

#: control characters, but for line ends, tabs and the colours above
_CONTROLS = re.compile(r"(?!\x1b\[[0-9;]*m)[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """A message without what would command the terminal: a file's name may hold any character."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which the cursor can be moved."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wants_colour(stream: TextIO) -> bool:
    """Whether colours belong on a stream (https://no-color.org: any non-empty value of NO_COLOR forbids them)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


class Console:
    """Writes notices, warnings and errors: as lines for people, or as JSON events with `--log-json`."""

    def __init__(self, *, quiet: bool = False, log_json: bool = False) -> None:
        self.quiet = quiet
        self.log_json = log_json

    def style(self, text: str, style: str, *, stdout: bool = False) -> str:
        """The text in a colour of `_STYLES` where the terminal wants colours."""
        stream = sys.stdout if stdout else sys.stderr
        return f"\033[{_STYLES[style]}m{text}\033[0m" if wants_colour(stream) else text

    def line(self, text: str) -> None:
        """Write one line, whatever the mode. A closed stderr is no reason to stop working."""
        try:
            print(harmless(text), file=sys.stderr, flush=True)
        except OSError:
            sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- stays open as our stderr

    def event(self, kind: str, **fields: Any) -> None:
        """Write one event for machines, in the form of `batch.events`."""
        head = {"schema": "asrcli/event/1", "event": kind, "time": round(time.time(), 3)}
        self.line(json.dumps(head | fields))

    def notice(self, text: str) -> None:
        """Something good to know; silent with `--quiet`."""
        if self.log_json:
            self.event("notice", message=text)
        elif not self.quiet:
            self.line(f"asrcli: {text}")

    def warning(self, text: str) -> None:
        """Something the user should look at; said even with `--quiet`."""
        if self.log_json:
            self.event("warning", message=text)
        else:
            self.line(f"asrcli: {self.style('warning:', 'yellow')} {text}")

    def error(self, message: str, hint: str = "", **fields: Any) -> None:
        """What stopped the program, and on a line of its own what to do next."""
        if self.log_json:
            self.event("error", message=message, hint=hint, **fields)
            return
        self.line(f"asrcli: {self.style('error:', 'red')} {message}")
        if hint:
            self.line(f"  {hint}")
