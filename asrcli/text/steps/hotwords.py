"""Reads hotwords in the forms that users and clients write them.

Weights are FunASR's, 1..100. A number belongs to the phrase ("iPhone 15") unless the form marks it as a weight:
`word:weight`, a JSON object, or a file of two columns.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asrcli.errors import UsageError
from asrcli.options import Hotword

MIN_WEIGHT, MAX_WEIGHT = 1.0, 100.0
#: phrases of a list, and characters of a phrase
MAX_PHRASES, MAX_LENGTH = 1000, 100
_MAX_TEXT = 10 * MAX_PHRASES * MAX_LENGTH

_SEPARATORS = re.compile(r"[,，;；\n\r]+")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def parse_hotwords(value: Any, *, spaced: bool = False) -> tuple[Hotword, ...]:
    """Hotwords from what a user or client sent.

    Args:
        value: one of
            - None, "", "{}": none;
            - a JSON object of phrases and weights, or text that holds one: `{"阿里巴巴": 20}`;
            - a list of phrases, or text that holds one as JSON: each is taken as it is;
            - text: phrases separated by commas, semicolons or lines, with or without weights:
              `阿里巴巴:20, Hedy Lamarr:30, iPhone 15`.
        spaced: whether text without commas is a list of words separated by spaces (FunASR's "nn" dialect), all or none
            followed by a weight (`word1 20 word2 30`), rather than one phrase.

    Returns:
        each phrase once, with its last weight.

    Raises:
        UsageError: a weight is not a number in 1..100, there are more than 1,000 phrases, a phrase has more than 100
            characters, or the value is none of these.
    """
    return _collect(_parse(value, spaced=spaced))


def read_hotwords(path: Path) -> tuple[Hotword, ...]:
    """Hotwords from a file of UTF-8 text: a phrase a line; `#` begins a comment line.

    A weight follows a colon or a tab. If every line ends in a number in 1..100 after a space, the file has two columns,
    as FunASR's hotword files do. A file may also hold JSON.

    Raises UsageError: the file cannot be read, or `parse_hotwords` refuses its contents.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"The hotwords file {path} cannot be read: {error.strerror}.", "Check its name.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The hotwords file {path} is not UTF-8 text.", "Save it as UTF-8.") from error
    if text.lstrip().startswith(("{", "[")):
        return parse_hotwords(text)
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    columns = [line.rsplit(maxsplit=1) for line in lines]
    if columns and all(len(column) == 2 and _is_weight(column[1]) for column in columns):
        return _collect(_hotword(phrase, weight) for phrase, weight in columns)
    return _collect(hotword for line in lines for hotword in _line(line))


def _collect(hotwords: Iterable[Hotword]) -> tuple[Hotword, ...]:
    found: dict[str, Hotword] = {}
    for hotword in hotwords:
        found[hotword.text] = hotword
        if len(hotword.text) > MAX_LENGTH or len(found) > MAX_PHRASES:
            raise _too_many()
    return tuple(found.values())


def _parse(value: Any, *, spaced: bool = False) -> Iterator[Hotword]:
    if value is None:
        return
    if isinstance(value, str):
        if len(value) > _MAX_TEXT:
            raise _too_many()
        yield from _parse_text(value.strip(), spaced=spaced)
    elif isinstance(value, Mapping):
        for text, weight in value.items():
            yield _hotword(str(text), weight)
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        for item in value:
            if not isinstance(item, str):
                raise _unreadable(item)
            if item.strip():
                yield _hotword(item)
    else:
        raise _unreadable(value)


def _parse_text(text: str, *, spaced: bool) -> Iterator[Hotword]:
    if text.startswith(("{", "[")):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _unreadable(text) from error
        yield from _parse(document)
        return
    words = text.split() if spaced and not _SEPARATORS.search(text) else []
    if len(words) > 2 and len(words) % 2 == 0 and all(map(_NUMBER.fullmatch, words[1::2])):
        for word, weight in zip(words[::2], words[1::2], strict=True):
            yield _hotword(word, weight)
    elif words and not any(map(_NUMBER.fullmatch, words)):
        yield from map(_weighted, words)
    else:
        yield from (_weighted(item) for item in _SEPARATORS.split(text) if item.strip())


def _line(line: str) -> Iterator[Hotword]:
    """The phrases of a line of a file."""
    phrase, tab, weight = line.rpartition("\t")
    if tab and _NUMBER.fullmatch(weight.strip()):
        yield _hotword(phrase, weight.strip())
    else:
        yield from _parse(line)


def _weighted(item: str) -> Hotword:
    """A phrase, or `phrase:weight`."""
    phrase, colon, weight = item.replace("：", ":").rpartition(":")
    if colon and _NUMBER.fullmatch(weight.strip()):
        return _hotword(item[: len(phrase)], weight.strip())
    return _hotword(item)


def _is_weight(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and MIN_WEIGHT <= float(text) <= MAX_WEIGHT


def _hotword(text: str, weight: Any = None) -> Hotword:
    clean = " ".join(text.split())
    if not clean:
        raise UsageError("A hotword is empty.", "Write a word or phrase before each weight.")
    if weight is None:
        return Hotword(text=clean)
    try:
        number = float(weight)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(weight, bool) or not MIN_WEIGHT <= number <= MAX_WEIGHT:
        raise UsageError(
            f'The weight of the hotword "{clean[:MAX_LENGTH]}" is {_shown(weight)}.',
            "Weights are numbers from 1 to 100. A phrase that ends in a colon and a number needs one: 'at 10:30:20'.",
        )
    return Hotword(text=clean, weight=number)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        text = "..."
    return text if len(text) < 60 else text[:57] + "..."


def _too_many() -> UsageError:
    return UsageError(
        f"There are more than {MAX_PHRASES:,} hotwords, or one has more than {MAX_LENGTH} characters.",
        "Leave out the less important ones.",
    )


def _unreadable(value: Any) -> UsageError:
    return UsageError(
        f"These are not hotwords: {_shown(value)}.",
        'Write phrases separated by commas, with or without weights ("word:20, other word"), or a JSON object.',
    )
