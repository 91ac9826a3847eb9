"""The limits of docs/serving.md: each is in the code, and a test that is marked with its name shows what exceeds it."""

from __future__ import annotations

import ast
import base64
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from asrcli.server import bounds
from asrcli.server.jobs import database
from asrcli.server.jobs.store import JobStore
from asrcli.server.protocols import sensevoice
from tests.server.conftest import Running
from tests.server.http.test_bounds import transcribe, wait_for
from tests.server.http.test_limits import engine_held, in_work

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
#: sizes of reads and of pauses, which refuse nothing
INTERNAL = {"MAX_READ", "MAX_BODY_READ", "LINGER"}


def test_every_limit_is_documented_and_has_a_test() -> None:
    fixed = {what for what, _ in bounds.table()}
    limits = PAGE.partition("\n## Limits\n")[2].partition("\n## ")[0]
    options = set(re.findall(r"^\| .*\| `(--[\w-]+)` \|", limits, re.MULTILINE))
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "server").rglob("test_*.py"))
    assert set(re.findall(r'^@pytest\.mark\.bound\("(.+)"\)$', tests, re.MULTILINE)) == fixed | options
    assert [what for what, value in bounds.table() if f"| {what} | {value} |" not in PAGE] == []


def test_every_constant_is_in_the_table() -> None:
    tree = ast.parse(Path(bounds.__file__).read_text(encoding="utf-8"))
    assigned = {name.id for each in tree.body if isinstance(each, ast.Assign) for name in ast.walk(each)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}  # fmt: skip
    [table] = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "table"]
    assert assigned - {name.id for name in ast.walk(table) if isinstance(name, ast.Name)} == INTERNAL


@pytest.mark.bound("JSON with base64; its `code` 1")
def test_json_bodies_in_memory_are_bounded(server: Running, silence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further ones wait on the disk."""
    entered, original = threading.Semaphore(0), sensevoice._wav_of
    gate = threading.Event()
    held: list[int] = []

    def read(path: Path) -> bytes:
        held.append(1)
        entered.release()
        assert gate.wait(30)
        return original(path)

    monkeypatch.setattr(sensevoice, "_wav_of", read)
    body = {"wav": base64.b64encode(silence.read_bytes()).decode()}
    with server.client() as client, ThreadPoolExecutor(bounds.MAX_IN_MEMORY + 2) as threads:
        answers = [threads.submit(client.post, "/asr", json=body) for _ in range(bounds.MAX_IN_MEMORY + 2)]
        try:
            assert all(entered.acquire(timeout=30) for _ in range(bounds.MAX_IN_MEMORY))
            wait_for(lambda: len(server.app.state.service.in_memory._waiters or ()) == 2)
            assert len(held) == bounds.MAX_IN_MEMORY
        finally:
            gate.set()
        assert {answer.result().json()["code"] for answer in answers} == {0}


@pytest.mark.bound("jobs waiting to be run; 429")
def test_one_job_too_many_gets_429_and_leaves_nothing(
    server: Running, client: httpx.Client, cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MAX_WAITING_JOBS", 0)
    answer = client.post("/v1/jobs", files={"file": cities.read_bytes()})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    recordings = server.app.state.jobs.store.recordings
    wait_for(lambda: not [path for path in recordings.iterdir() if not path.name.startswith(".")])


@pytest.mark.bound("--job-ttl")
def test_results_are_deleted_after_their_time(serving: Callable[..., Any], tmp_path: Path) -> None:
    jobs = JobStore(tmp_path)
    old, new = (
        jobs.add(client="a", name="n", fields={}, upload=None, url="http://x", webhook=None).id for _ in range(2)
    )
    for each in (old, new):
        jobs.finish(each, result='{"duration": 1}')
    with jobs._transaction() as database:
        database.execute("UPDATE jobs SET finished = ? WHERE id = ?", (time.time() - 100, old))
    jobs.close()
    with serving(job_ttl=50, data_dir=tmp_path) as server, server.client() as client:
        wait_for(lambda: client.get(f"/v1/jobs/{old}").status_code == 404)
        assert client.get(f"/v1/jobs/{new}").status_code == 200


@pytest.mark.slow
@pytest.mark.bound("--drain-timeout")
def test_a_request_that_outlasts_the_shutdown_is_ended(serving: Callable[..., Any], cities: Path) -> None:
    with ThreadPoolExecutor(1) as threads, serving(drain_timeout=1) as server, server.client() as client:
        assert transcribe(client, cities).status_code == 200
        with engine_held(server):
            answer = threads.submit(transcribe, client, cities)
            wait_for(lambda: in_work(server))
            server.stop()
            assert answer.result(30).status_code == 503
