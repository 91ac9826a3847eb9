"""Addresses that answer slowly or not at all hold up their own requests only."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from asrcli.server.bounds import MAX_ADDRESS, MAX_FETCHES, MAX_JOB_FIELDS, MAX_NOTIFIED
from asrcli.server.jobs import runner
from asrcli.server.jobs.store import JobStore
from asrcli.server.recognition.transcription import TranscriptionService
from tests.server.http.test_bounds import transcribe, wait_for

#: more than the server has threads for blocking work
MANY = 45
SETTINGS = {"webhook_secret": "s3cret", "fetch_networks": ("127.0.0.0/8",)}


class _Stalling(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        assert self.server.gate.wait(110)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"])))["id"])
        assert self.server.gate.wait(110)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def stalling() -> Iterator[Any]:
    found: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Stalling)
    found.gate, found.asked, found.body = threading.Event(), [], b""
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.gate.set()
    found.shutdown()
    found.server_close()
    thread.join()


@pytest.mark.bound("addresses of jobs and webhooks being looked up; 429")
def test_names_that_take_long_to_look_up(
    serving: Callable[..., Any], silence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, original = threading.Event(), socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **named: Any) -> Any:
        if host == "slow.example":
            assert gate.wait(110)
            raise OSError
        return original(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    def submit(_: int) -> httpx.Response:
        webhook = {"webhook": "http://slow.example/"}
        return client.post("/v1/jobs", files={"file": silence.read_bytes()}, data=webhook)

    with serving(**SETTINGS) as server, server.client() as client, ThreadPoolExecutor(MANY) as threads:
        asked = [threads.submit(submit, number) for number in range(MANY)]
        wait_for(lambda: sum(each.done() for each in asked) == MANY - 2 * MAX_FETCHES)
        assert {each.result().status_code for each in asked if each.done()} == {429}
        with server.client() as other:
            assert transcribe(other, silence).status_code == 200
        gate.set()
        assert [each.result().status_code for each in asked].count(400) == 2 * MAX_FETCHES


def test_recordings_that_are_fetched_slowly_do_not_hold_up_other_jobs(
    serving: Callable[..., Any], silence: Path, stalling: Any
) -> None:
    stalling.body = silence.read_bytes()
    settings = SETTINGS | {"allow_url_fetch": True, "num_threads": 1}
    with serving(**settings) as server, server.client() as client:
        url = f"http://127.0.0.1:{stalling.server_port}/a.wav"
        slow = [client.post("/v1/jobs", data={"url": url}).json()["id"] for _ in range(MAX_FETCHES + 3)]
        wait_for(lambda: len(stalling.asked) == MAX_FETCHES)
        for _ in range(2):
            quick = client.post("/v1/jobs", files={"file": stalling.body}).json()["id"]
            wait_for(lambda quick=quick: client.get(f"/v1/jobs/{quick}").json()["state"] == "done")
        assert len(stalling.asked) == MAX_FETCHES
        stalling.gate.set()
        for each in slow:
            wait_for(lambda each=each: client.get(f"/v1/jobs/{each}").json()["state"] == "done")
        assert len(stalling.asked) == len(slow)


@pytest.mark.bound("webhooks being notified; others wait")
def test_webhooks_that_answer_slowly(
    serving: Callable[..., Any], silence: Path, tmp_path: Path, stalling: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MAX_NOTICES", MANY - 5)
    monkeypatch.setattr(runner, "_SWEEP", 0.1)
    guard = TranscriptionService.guard
    # On a slow machine, half a minute could be over before the addresses answer.
    monkeypatch.setattr(TranscriptionService, "guard", lambda service, seconds: guard(service, 10 * seconds))
    webhook = f"http://127.0.0.1:{stalling.server_port}/"
    store = JobStore(tmp_path)
    ids = [
        store.add(client="a", name="n", fields={}, upload=None, url="http://x", webhook=webhook).id for _ in range(MANY)
    ]
    for each in ids:
        store.finish(each, result="{}")
    store.close()
    with serving(data_dir=tmp_path, **SETTINGS) as server, server.client() as client:
        wait_for(lambda: len(stalling.asked) == MAX_NOTIFIED)
        assert len(server.app.state.jobs._notices) == MANY - 5
        assert transcribe(client, silence).status_code == 200
        assert len(stalling.asked) == MAX_NOTIFIED
        stalling.gate.set()
        wait_for(lambda: len(stalling.asked) == MANY)
        wait_for(lambda: not server.app.state.jobs._notices)
        assert server.app.state.jobs.store.to_notify(MANY) == []
    assert sorted(stalling.asked) == sorted(ids), "each once"


@pytest.mark.bound("options of a job; 413")
@pytest.mark.bound("the address of a job's recording or webhook; 400")
def test_what_is_stored_with_a_job_is_small(serving: Callable[..., Any], silence: Path) -> None:
    long: list[tuple[dict[str, str], int]] = [
        ({"start": "0" * (MAX_JOB_FIELDS + 1)}, 413),
        ({"start": " " * (MAX_JOB_FIELDS // 2) + "1", "end": "0" * (MAX_JOB_FIELDS // 2) + "2"}, 413),
        ({"webhook": "http://127.0.0.1/" + "a" * MAX_ADDRESS}, 400),
    ]
    with serving(allow_url_fetch=True, **SETTINGS) as server, server.client() as client:
        for fields, status in long:
            answer = client.post("/v1/jobs", files={"file": silence.read_bytes()}, data=fields)
            assert answer.status_code == status, answer.text
        answer = client.post("/v1/jobs", data={"url": "http://127.0.0.1/" + "a" * MAX_ADDRESS})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "url")
        assert client.get("/v1/jobs").json()["data"] == []
