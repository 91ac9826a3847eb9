"""Hotwords: every way in which people and clients write them, as `Hotword`s.

Weights are FunASR's, 1..100. The dialects are those of the FunASR, Aliyun and OpenAI-compatible clients in use.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asrcli.errors import UsageError
from asrcli.options import Hotword

MIN_WEIGHT, MAX_WEIGHT = 1.0, 100.0

_SEPARATORS = re.compile(r"[,，;；\n\r]+")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_WEIGHTED = re.compile(rf"(?P<text>.*\S)(?:[\s:：]+)(?P<weight>{_NUMBER.pattern})")


def parse_hotwords(value: Any, *, spaced: bool = False) -> tuple[Hotword, ...]:
    """Hotwords from whatever a user or client sent.

    Args:
        value: one of
            - None, "", "{}": none;
            - a JSON object, or text that holds one: `{"阿里巴巴": 20}`;
            - a list of phrases, or text that holds one as JSON;
            - text: phrases parted by commas, semicolons or lines, each with its weight behind it or without:
              `阿里巴巴 20, Hedy Lamarr 30, Zvon`;
            - Aliyun's `word1 20 word2 30`.
        spaced: whether text without commas is a list of words parted by spaces (FunASR's "nn" dialect), rather than one
            phrase.

    Returns:
        each phrase once, with the last weight that was given.

    Raises:
        UsageError: a weight is no number in 1..100, or the value is none of these.
    """
    found: dict[str, Hotword] = {}
    for hotword in _parse(value, spaced=spaced):
        found[hotword.text] = hotword
    return tuple(found.values())


def read_hotwords(path: Path) -> tuple[Hotword, ...]:
    """Hotwords from a file of UTF-8 text: a phrase a line, with its weight or without; `#` begins a comment line.

    Raises:
        UsageError: the file cannot be read, or a weight is no number in 1..100.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"The hotwords file {path} cannot be read: {error.strerror}.", "Check its name.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The hotwords file {path} is not UTF-8 text.", "Save it as UTF-8.") from error
    if text.lstrip().startswith(("{", "[")):
        return parse_hotwords(text)
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return parse_hotwords("\n".join(lines))


def _parse(value: Any, *, spaced: bool) -> Iterator[Hotword]:
    if value is None:
        return
    if isinstance(value, str):
        yield from _parse_text(value.strip(), spaced=spaced)
    elif isinstance(value, Mapping):
        for text, weight in value.items():
            yield _hotword(str(text), weight)
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        for item in value:
            if not isinstance(item, str):
                raise _unreadable(item)
            yield from _phrases([item])
    else:
        raise _unreadable(value)


def _parse_text(text: str, *, spaced: bool) -> Iterator[Hotword]:
    if text.startswith(("{", "[")):
        try:
            yield from _parse(json.loads(text), spaced=spaced)
        except ValueError as error:
            raise _unreadable(text) from error
        return
    if _SEPARATORS.search(text):
        yield from _phrases(_SEPARATORS.split(text))
        return
    words = text.split()
    pairs = len(words) > 2 and len(words) % 2 == 0 and all(_NUMBER.fullmatch(word) for word in words[1::2])
    if pairs and not any(_NUMBER.fullmatch(word) for word in words[::2]):
        for word, weight in zip(words[::2], words[1::2], strict=True):
            yield _hotword(word, weight)
    elif spaced and not any(_NUMBER.fullmatch(word) for word in words):
        yield from _phrases(words)
    else:
        yield from _phrases([text])


def _phrases(items: Iterable[str]) -> Iterator[Hotword]:
    for item in items:
        text = item.strip()
        match = _WEIGHTED.fullmatch(text)
        if match:
            yield _hotword(match["text"], match["weight"])
        elif text:
            yield Hotword(text=" ".join(text.split()))


def _hotword(text: str, weight: Any) -> Hotword:
    try:
        number = float(weight)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(weight, bool) or not MIN_WEIGHT <= number <= MAX_WEIGHT:
        raise UsageError(f'The weight of the hotword "{text}" is {weight!r}.', "Weights are numbers from 1 to 100.")
    clean = " ".join(text.split()).rstrip(":：").strip()
    if not clean:
        raise UsageError("A hotword is empty.", "Write a word or phrase before each weight.")
    return Hotword(text=clean, weight=number)


def _unreadable(value: Any) -> UsageError:
    shown = repr(value)
    return UsageError(
        f"These are no hotwords: {shown if len(shown) < 60 else shown[:57] + '...'}.",
        'Write phrases parted by commas, with weights if you like ("word 20, other word"), or a JSON object.',
    )
