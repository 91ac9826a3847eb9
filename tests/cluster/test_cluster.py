"""A batch on a Ray cluster: the outputs of a local run, also when nodes, engines and drivers are killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asrcli.errors import ExitCode
from tests.cluster.two_nodes import TwoNodes, events_to_end, events_until, wait_for

pytestmark = pytest.mark.slow

Start = Callable[..., subprocess.Popen[str]]


def kinds(events: list[dict[str, Any]]) -> Counter[str]:
    return Counter(event["event"] for event in events)


def assert_all_done(events: list[dict[str, Any]]) -> None:
    """All recordings have their outputs. An engine that is killed after it has named the outputs of a file, and before
    it has replied, leaves one that is found done when it is tried again.
    """
    found = kinds(events)
    assert found["file_done"] + found["file_skipped"] == 24, found


def test_outputs_events_and_exit_code_are_those_of_a_local_run(start: Start, assert_same: Callable[[], None]) -> None:
    process = start()
    events = events_to_end(process)
    assert process.returncode == ExitCode.SOME_FAILED, events[-3:]
    assert_same()
    found = kinds(events)
    assert (found["file_started"], found["file_done"], found["file_failed"]) == (25, 24, 1)
    assert found["segment"] >= 24
    order = [(event["event"], event["index"]) for event in events if event["event"] in {"segment", "file_done"}]
    done: set[int] = set()
    for kind, index in order:
        assert index not in done
        if kind == "file_done":
            done.add(index)


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_the_files_of_a_killed_node_are_done_by_the_other(
    start: Start, cluster: TwoNodes, assert_same: Callable[[], None], share: float
) -> None:
    process = start()
    events = events_until(process, "file_done", round(24 * share))
    cluster.kill_node()
    events += events_to_end(process)
    assert process.returncode == ExitCode.SOME_FAILED, events[-3:]
    assert_all_done(events)
    assert_same()


def test_a_killed_engine_is_started_again(start: Start, cluster: TwoNodes, assert_same: Callable[[], None]) -> None:
    process = start()
    events = events_until(process, "file_done", 4)
    for pid in cluster.engines():
        os.kill(pid, signal.SIGKILL)
    events += events_to_end(process)
    assert process.returncode == ExitCode.SOME_FAILED, events[-3:]
    assert_all_done(events)
    assert_same()


@pytest.mark.timeout(300)
def test_interrupted_and_killed_runs_are_resumed_here_and_there(
    start: Start, cluster: TwoNodes, assert_same: Callable[[], None], run_asrcli: Callable[..., Any], speech: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = start()
        events_until(process, "file_done", 2)
        process.send_signal(number)
        summary = events_to_end(process)[-1]["summary"]
        assert process.returncode == code
        assert summary["dropped"] > 0
        wait_for(lambda: not cluster.engines())
    process = start()
    events_until(process, "file_done", 2)
    process.kill()
    process.communicate()
    wait_for(lambda: not cluster.engines())
    process = start("--exclude", "part1?.wav")
    found = kinds(events_to_end(process))
    assert found["file_skipped"] >= 2
    assert found["file_skipped"] + found["file_done"] == 14
    done = run_asrcli(speech, "-d", tmp_path / "out", "--format", "txt,srt,json")
    assert done.stderr.count("done already") >= 14
    assert_same()
