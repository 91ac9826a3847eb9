"""`kill -9` at any moment, then the same command: the outputs are those of an undisturbed run."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asrcli.batch.journal.records import SCHEMA

TEMPORARY = re.compile(r"\.asrcli-[0-9a-f]{16}\.tmp")


def assert_no_output_is_torn(outputs: dict[Path, str], allowed: list[dict[Path, str]]) -> None:
    """Whatever is under a final name is whole: of one of the runs that wrote there."""
    for path, text in outputs.items():
        if not TEMPORARY.fullmatch(path.name):
            assert text in [texts[path] for texts in allowed], path


@pytest.mark.parametrize("before", ["nothing", "older outputs"])
def test_killed_before_every_single_system_call(
    recordings: Path,
    forked: Callable[..., int],
    expected: Callable[..., dict[Path, str]],
    outputs_in: Callable[..., dict[Path, str]],
    before: str,
) -> None:
    for path in sorted(recordings.rglob("*.mp3"))[2:]:
        path.unlink()  # two inputs: few enough to die everywhere
    old, new = expected(recordings, "v1"), expected(recordings, "v2")
    code = -signal.SIGKILL
    number = 0
    while code == -signal.SIGKILL:
        number += 1
        for path in recordings.rglob("*"):
            if path.is_file() and path.suffix != ".mp3":
                path.unlink()
        if before == "older outputs":
            assert forked(recordings, "--options", "v1") == 0
        code = forked(recordings, "--options", "v2", "--jobs", 1, "--die-at", number)
        assert_no_output_is_torn(outputs_in(recordings), [old, new])
        assert forked(recordings, "--options", "v2") == 0
        assert outputs_in(recordings) == new, f"killed before call {number}"
    assert code == 0
    assert number > 15, "the calls were not seen, so nothing was killed"


def test_killed_again_and_again_at_random(
    recordings: Path,
    start: Callable[..., subprocess.Popen[str]],
    finish: Callable[..., dict[str, Any]],
    expected: Callable[..., dict[Path, str]],
    outputs_in: Callable[..., dict[Path, str]],
) -> None:
    whole = expected(recordings)
    moments = random.Random(7)
    for _ in range(10):
        process = start(recordings, "--pace", 0.05)
        time.sleep(moments.uniform(0.15, 0.5))  # any moment will do: before, amid and after the work
        process.kill()
        process.wait()
        assert_no_output_is_torn(outputs_in(recordings), [whole])
    finish(recordings)
    assert outputs_in(recordings) == whole
    assert finish(recordings)["skipped"] == len(list(recordings.rglob("*.mp3")))


def test_killed_between_journal_and_rename_is_done_again(
    recordings: Path, finish: Callable[..., dict[str, Any]], assert_complete: Callable[[Path], None]
) -> None:
    """A record whose outputs never got their names must not count."""
    finish(recordings)
    victim = recordings / "part1.txt"
    victim.unlink()
    summary = finish(recordings)
    assert (summary["done"], summary["skipped"]) == (1, 5)
    assert_complete(recordings)


@pytest.mark.parametrize(
    "tail",
    [b'{"schema":"asrcli/journal/1","inp', b"\x00" * 100, b"[]", b"{}\n\xff\xfe\nnull\n"],
    ids=["torn", "zeros", "no newline", "not ours"],
)
def test_a_journal_with_a_torn_or_damaged_end_still_serves(
    recordings: Path, finish: Callable[..., dict[str, Any]], tail: bytes
) -> None:
    finish(recordings)
    journal = recordings / ".asrcli-journal.jsonl"
    journal.write_bytes(journal.read_bytes() + tail)
    assert finish(recordings)["skipped"] == 6
    (recordings / "part1.mp3").write_bytes(b"another recording")
    assert finish(recordings)["done"] == 1
    assert finish(recordings)["skipped"] == 6
    last = journal.read_bytes().splitlines()[-1]
    assert json.loads(last)["schema"] == SCHEMA


def test_ctrl_c_drops_what_is_in_flight_and_leaves_no_trace_of_it(
    recordings: Path,
    start_and_hold: Callable[[Path], subprocess.Popen[str]],
    outputs_in: Callable[..., dict[Path, str]],
) -> None:
    process = start_and_hold(recordings)
    process.send_signal(signal.SIGINT)
    _, problems = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in problems, "it was raised on to the caller"
    assert outputs_in(recordings) == {}
