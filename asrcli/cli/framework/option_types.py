"""Parsers of option values.

Each takes text (or a default that is already a value) and refuses with `typer.BadParameter`, which Typer completes with
the option's name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import typer

from asrcli.errors import UsageError
from asrcli.options import Hotword

_CLOCK = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?([0-5]?\d(?:[.,]\d+)?)")


def time(text: str | float) -> float:
    """Seconds from "90", "90.5", "1:30" or "1:02:03.5"."""
    if isinstance(text, float | int):
        return float(text)
    try:
        seconds = float(text)
    except ValueError:
        match = _CLOCK.fullmatch(text.strip())
        if match is None:
            raise typer.BadParameter(
                f"'{text}' is no time; write seconds (90.5) or hours:minutes:seconds (1:02:03)."
            ) from None
        hours, minutes, rest = match.groups(default="0")
        seconds = int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
    if not math.isfinite(seconds) or seconds < 0:
        raise typer.BadParameter(f"'{text}' is no time in a recording; write seconds from its start, 0 or more.")
    return seconds


def channels(text: str | int) -> Literal["mix", "split"] | int:
    """What `--channels` takes: "mix", "split" or a number."""
    if text == "mix":
        return "mix"
    if text == "split":
        return "split"
    if isinstance(text, int) or text.isdecimal():
        return int(text)
    raise typer.BadParameter(f"'{text}' is none of mix, split or a number.")


def formats(text: str) -> str:
    """Names of formats in any case, separated by commas; stays text, `split_list` takes it apart."""
    from asrcli.formats import FORMATS

    names = split_list([text.lower()])
    for name in names:
        if name not in FORMATS:
            raise typer.BadParameter(f"'{name}' is no format. Choose from {', '.join(FORMATS)}.")
    return ",".join(names)


def split_list(values: Iterable[str]) -> tuple[str, ...]:
    """The items of a repeatable, comma-separated option, each once, in order."""
    items = (item.strip() for value in values for item in value.split(","))
    return tuple(dict.fromkeys(item for item in items if item))


def language(text: str) -> str:
    """The code of a language in any usual spelling, or "auto"."""
    from asrcli.language_codes import language_code

    try:
        return language_code(text) or "auto"
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None


def hotwords(texts: Iterable[str]) -> tuple[Hotword, ...]:
    """Hotwords of a repeatable option: each text in a form that `text.hotwords` reads, or @FILE.

    Raises:
        UsageError: a file cannot be read, or a weight is not in 1..100.
    """
    from asrcli.text.steps.hotwords import parse_hotwords, read_hotwords

    found: dict[str, Hotword] = {}
    for text in texts:
        for hotword in read_hotwords(Path(text[1:])) if text.startswith("@") else parse_hotwords(text):
            found[hotword.text] = hotword
    return tuple(found.values())
