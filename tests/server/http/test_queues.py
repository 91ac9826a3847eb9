"""Bounds at which clients wait instead of being refused."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from asrcli.server.bounds import MAX_HELD_BYTES, MAX_RENDERINGS
from asrcli.server.http import admission
from tests.server.conftest import Running
from tests.server.http.test_bounds import transcribe, wait_for
from tests.server.http.test_limits import engine_held, in_work
from tests.server.http.test_renderings import LONG


@pytest.mark.bound("frames kept for a busy session; the client waits")
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


@pytest.mark.bound("recordings that are read and wait for their last chunks; others wait")
def test_recordings_that_are_read_wait_for_the_engine_beside_the_workers(
    serving: Callable[..., Any], cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "MAX_AWAITED", 2)
    with serving(num_threads=1) as server, server.client() as client, ThreadPoolExecutor(8) as threads:
        text = transcribe(client, cities).json()["text"]
        with engine_held(server):
            asked = [threads.submit(transcribe, client, cities) for _ in range(8)]
            # Two workers, and two recordings for each of them that wait for the engine alone.
            wait_for(lambda: (in_work(server), server.app.state.admission.queued) == (6, 2))
            wait_for(lambda: server.app.state.pool.models.engine.in_flight == 6)
        assert {each.result().json()["text"] for each in asked} == {text}
        assert in_work(server) == 0


#: imported by each Python process that starts: it waits for a byte
WAITING = """
import os
open(f"{folder}/started-{{os.getpid()}}", "x").close()
os.read(os.open("{folder}/gate", os.O_RDONLY), 1)
"""


@pytest.mark.bound("results of jobs being rendered; others wait")
def test_renderings_wait_for_each_other(
    server: Running, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = server.app.state.jobs
    part = replace(LONG, segments=LONG.segments[:300])  # long enough for a process of its own
    job = runner.store.add(client="a", name="long", fields={}, upload=None, url="http://example.com/", webhook=None)
    runner.store.finish(job.id, result=json.dumps(part.to_dict()))
    os.mkfifo(tmp_path / "gate")
    (tmp_path / "sitecustomize.py").write_text(WAITING.format(folder=tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    fetch: Callable[..., Any] = lambda _: client.get(f"/v1/jobs/{job.id}", params={"format": "txt"})  # noqa: E731
    with ThreadPoolExecutor(MAX_RENDERINGS + 1) as pool, (tmp_path / "gate").open("r+b", buffering=0) as gate:
        answers = pool.map(fetch, range(MAX_RENDERINGS + 1))
        wait_for(lambda: len(list(tmp_path.glob("started-*"))) == MAX_RENDERINGS)
        wait_for(lambda: runner._renderers._work_queue.qsize() == 1)
        assert client.get("/health").status_code == 200
        assert len(list(tmp_path.glob("started-*"))) == MAX_RENDERINGS, "one more waits"
        gate.write(bytes(MAX_RENDERINGS + 1))
        assert {answer.status_code for answer in answers} == {200}
