"""A Ray cluster of two one-core nodes on this machine, and the events of a run on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ports import free_port

_PROGRAM = Path(__file__).with_name("cluster_program.py")


class TwoNodes:
    """The cluster. `nodes` has the process of each node's raylet."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process, self.port = process, port
        self.nodes: list[int] = []
        self._read()

    @property
    def address(self) -> str:
        return f"ray://127.0.0.1:{self.port}"

    def kill_node(self, number: int = 0) -> None:
        os.kill(self.nodes[number], signal.SIGKILL)

    def restore(self) -> None:
        """Start as many nodes as were killed."""
        while len([pid for pid in self.nodes if _is_alive(pid)]) < 2:
            self._process.stdin.write("add\n")
            self._process.stdin.flush()
            self._read()

    def _read(self) -> None:
        line = self._process.stdout.readline()
        assert line, "the cluster has not started"
        self.nodes = [pid for pid in json.loads(line)["raylets"] if _is_alive(pid)]

    def engines(self) -> list[int]:
        """The processes of the engine actors."""
        return [pid for node in self.nodes for pid in _children(node) if b"EngineActor" in _command(pid)]

    def processes(self, number: int) -> list[int]:
        """The processes of a node."""
        found = [self.nodes[number]]
        for pid in found:
            found += _children(pid)
        return found


@contextmanager
def running_cluster(port: int | None = None) -> Iterator[TwoNodes]:
    """A cluster on a free port, or on this one."""
    port = port or free_port()
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    process = subprocess.Popen(
        [sys.executable, str(_PROGRAM), "2", str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    )  # fmt: skip
    try:
        yield TwoNodes(process, port)
    finally:
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdout.close()


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def events_until(process: subprocess.Popen[str], kind: str, count: int) -> list[dict[str, Any]]:
    """Events of a run up to the `count`-th of a kind."""
    events: list[dict[str, Any]] = []
    while sum(event["event"] == kind for event in events) < count:
        line = process.stderr.readline()
        assert line, f"the run has ended: {events[-3:]}"
        events.append(json.loads(line))
    return events


def events_to_end(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """The other events of a run, which is killed if it takes too long.

    Not by `communicate`: it leaves out what the reader of `events_until` holds.
    """
    limit = threading.Timer(110, process.kill)
    limit.start()
    text = process.stderr.read()
    process.wait()
    limit.cancel()
    return [json.loads(line) if line.startswith("{") else {"event": "text", "text": line} for line in text.splitlines()]


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value
