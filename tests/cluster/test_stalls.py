"""Connections that are cut for half a minute: processes that are stopped neither send nor receive."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.two_nodes import TwoNodes, events_to_end, events_until

pytestmark = pytest.mark.slow

Start = Callable[..., subprocess.Popen[str]]
_CUT = 30.0


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Stop processes for the length of a cut."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(_CUT)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def finish(process: subprocess.Popen[str], events: list[dict[str, object]]) -> None:
    events += events_to_end(process)
    assert process.returncode == 1, events[-3:]
    assert Counter(event["event"] for event in events)["file_done"] == 24


def test_a_node_that_is_cut_off_for_half_a_minute(
    start: Start, cluster: TwoNodes, assert_same: Callable[[], None]
) -> None:
    process = start()
    events = events_until(process, "file_done", 6)
    with stopped(cluster.processes(0)):
        pass
    finish(process, events)
    assert_same()


def test_a_driver_that_is_cut_off_for_half_a_minute(
    start: Start, cluster: TwoNodes, assert_same: Callable[[], None]
) -> None:
    process = start()
    events = events_until(process, "file_done", 6)
    with stopped([process.pid]):
        pass
    finish(process, events)
    assert_same()
