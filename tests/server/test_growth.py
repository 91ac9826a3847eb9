"""Patterns and parsers that get clients' text: four times the text takes about four times the time, never sixteen.

The ratio of CPU times is compared, not a time: it does not depend on the machine.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import asrcli
from asrcli.errors import AsrcliError
from asrcli.language_codes import language_code
from asrcli.server.http import uploads, values
from asrcli.server.jobs.fields import NAMES, read_job_request
from asrcli.server.protocols.aliyun.common import vocabulary
from asrcli.server.protocols.funasr.fields import Utterance, check_chunk_size
from asrcli.server.protocols.funasr.replies import Unit, page_stamps
from asrcli.server.protocols.openai.realtime_config import RealtimeConfig

#: packages that get texts of clients, or of the model
PACKAGES = ("server", "text", "formats", "assemble", "options", "language_codes", "script", "models", "backends")
SIZE = 4000
#: CPU seconds below which a text of `SIZE` characters is no quadratic one: it would take ten times as long
FAST = 0.003
SIGNS = [
    *":,;[{\"\\01.-<>|'&%(=\n\t ",
    "a",
    "é",
    "中",
    "a:1,",
    "a 1 ",
    "<|",
    "=>",
    '{"a":1,',
    "[[",
    "a=>b,",
    " :",
    "1:",
    "a,",
]


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(asrcli.__path__, "asrcli."):
        if found.name.split(".")[1] in PACKAGES and not found.name.endswith("__main__"):
            with suppress(ImportError):  # a backend whose engine is not installed
                yield importlib.import_module(found.name)


def uses() -> list[tuple[str, re.Pattern[str], bool]]:
    """Every pattern: its name, and whether it is searched for (else it is matched at the start only)."""
    found = {}
    for module in modules():
        source = Path(module.__file__).read_text(encoding="utf-8")
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                searched = re.search(rf"\b{name}\.(search|find|sub|split)", source) is not None
                label = f"{module.__name__}.{name}"
                found[label] = value, searched
        for literal in re.findall(r"\bre\.(?:sub|search|split|findall|finditer)\(\s*r(\"[^\"\n]*\")", source):
            found[f"{module.__name__} {literal}"] = re.compile(literal[1:-1]), True
    return [(label, pattern, searched) for label, (pattern, searched) in found.items()]


def signs(pattern: str) -> list[str]:
    """Characters that a pattern mentions."""
    for escape, sign in ((r"\d", "1"), (r"\s", " "), (r"\w", "a"), (r"\n", "\n"), (r"\t", "\t")):
        pattern = pattern.replace(escape, sign)
    return sorted({*pattern.replace("\\", ""), "a"})[:16]


def cpu(work: Callable[[str], object], text: str, rounds: int = 1) -> float:
    best = float("inf")
    for _ in range(rounds):
        started = time.thread_time()
        with suppress(AsrcliError):
            work(text)
        best = min(best, time.thread_time() - started)
    return best


def grows(work: Callable[[str], object], unit: str, tail: str = "") -> str | None:
    """How much longer four times the text takes, if that is more than eight times (quadratic: sixteen)."""
    text, longer = (unit * (size // len(unit)) + tail for size in (SIZE, 4 * SIZE))
    if cpu(work, text) < FAST:
        return None
    for _ in range(3):  # the clock is not exact: a pattern that is slow is slow each time
        ratio = cpu(work, longer, 3) / cpu(work, text, 3)
        if ratio <= 8:
            return None
    return f"{unit!r} {ratio:.1f}"


def search_all(pattern: re.Pattern[str], text: str) -> None:
    for _ in pattern.finditer(text):
        pass


@pytest.mark.slow
def test_no_pattern_takes_quadratic_time() -> None:
    found = uses()
    assert len(found) > 40
    slow = {}
    for label, pattern, searched in found:
        mentioned = signs(pattern.pattern)

        work: Callable[[str], object] = partial(search_all, pattern) if searched else pattern.fullmatch
        units = {*mentioned, *(a + b for a in mentioned for b in mentioned)}
        results = [grows(work, unit, tail) for unit in units for tail in ("", "\x00")]
        slow[label] = [result for result in results if result]
    assert not {label: results for label, results in slow.items() if results}


PARSERS: dict[str, Callable[[str], object]] = {
    "hotwords": values.hotwords,
    "hotwords of FunASR": partial(values.hotwords, spaced=True),
    "a list of hotwords": lambda text: values.hotwords([text] * 100),
    "flag": lambda text: values.flag(text, "flag"),
    "number": lambda text: values.number(text, "number", 0, 1),
    "language": language_code,
    "base64": values.decode_base64,
    "file name": uploads.shown_name,
    "vocabulary": vocabulary,
    "chunk_size": check_chunk_size,
    "utterance": lambda text: Utterance().updated({"hotwords": text, "svs_lang": text, "wav_name": text}),
    "time stamps of the page": lambda text: page_stamps(text, [Unit(text, [0, 1])]),
    "realtime": lambda text: RealtimeConfig().updated({"audio": {"input": {"transcription": {"keywords": [text]}}}}),
    **{f"job: {name}": lambda text, name=name: read_job_request({name: text}) for name in NAMES},  # type: ignore[misc]
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_no_parser_takes_quadratic_time(name: str) -> None:
    results = [grows(PARSERS[name], sign) for sign in SIGNS]
    assert not [result for result in results if result]
