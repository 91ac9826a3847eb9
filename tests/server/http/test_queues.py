"""Bounds at which clients wait instead of being refused."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from asrcli.server.bounds import MAX_HELD_BYTES, MAX_RENDERINGS
from asrcli.server.jobs.runner import JobRunner
from tests.server.conftest import Running
from tests.server.http.test_bounds import wait_for
from tests.server.http.test_limits import engine_held, in_work


def test_frames_for_a_busy_session_are_held_up_to_a_bound(server: Running, cities: Path) -> None:
    with connect(f"{server.ws}/", proxy=None, max_size=None, compression=None) as line:
        for frame in ('{"mode": "offline", "is_speaking": true}', cities.read_bytes()):
            line.send(frame)
        with engine_held(server):
            line.send('{"is_speaking": false}')
            wait_for(lambda: in_work(server))
            line.socket.settimeout(1)
            # of the kernels' buffers, and of one read
            most, accepted, frame = MAX_HELD_BYTES + (16 << 20), 0, b"\x82\xfe\x80\0" + bytes(4) + bytes(1 << 15)
            with contextlib.suppress(TimeoutError):
                while accepted < 4 * most:
                    line.socket.sendall(frame)
                    accepted += len(frame)
            assert accepted < most
        line.socket.settimeout(60)
        assert "best of times" in json.loads(line.recv(60))["text"].lower()


def test_renderings_wait_for_each_other(client: httpx.Client, cities: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = client.post("/v1/jobs", files={"file": cities.read_bytes()}).json()["id"]
    wait_for(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "done")
    render, started, go = JobRunner._render, threading.Semaphore(0), threading.Event()

    def slow(*arguments: Any) -> Any:
        started.release()
        assert go.wait(60)
        return render(*arguments)

    monkeypatch.setattr(JobRunner, "_render", slow)
    with ThreadPoolExecutor(MAX_RENDERINGS + 1) as pool:
        fetch: Callable[..., Any] = lambda _: client.get(f"/v1/jobs/{job}", params={"format": "txt"})  # noqa: E731
        answers = pool.map(fetch, range(MAX_RENDERINGS + 1))
        for _ in range(MAX_RENDERINGS):
            assert started.acquire(timeout=60)
        assert client.get("/health").status_code == 200
        assert not started.acquire(timeout=0.2), "one more waits"
        go.set()
        assert {answer.status_code for answer in answers} == {200}
