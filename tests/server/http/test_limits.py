"""Bounds, overload, clients that leave, engines that die: what one request does is no other's business."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from asrcli.audio import opening
from asrcli.audio.ffmpeg.reader import FfmpegReader
from asrcli.backends.process import engine_client
from asrcli.backends.types import ModelSpec
from asrcli.models import builtin
from asrcli.vad.silero import load_network
from tests.server.conftest import MODEL, Running

PATH = "/v1/audio/transcriptions"


def transcribe(client: httpx.Client, audio: Path, **fields: Any) -> httpx.Response:
    with audio.open("rb") as file:
        return client.post(PATH, files={"file": (audio.name, file)}, data=fields)


def eventually(what: Callable[..., Any], seconds: int = 60) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.02)


@contextlib.contextmanager
def engine_held(server: Running) -> Iterator[None]:
    """The engine process is still in here, so that what it was asked for stays in work."""
    process = server.app.state.pool.models.engine.process_id
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # killed, and its end was noticed
            os.kill(process, signal.SIGCONT)


def in_work(server: Running) -> int:
    return server.app.state.admission.running


def left_on_disk(server: Running) -> list[Path]:
    return list(server.app.state.service.workspace_root.iterdir())


def begin_upload(server: Running, head: bytes) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    line.sendall(head)
    return line


def form_head(length: bytes = b"transfer-encoding: chunked") -> bytes:
    return (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n"
        + length
        + b"\r\n\r\n"
    )


PART = b'--b\r\ncontent-disposition: form-data; name="file"; filename="../../evil.wav"\r\n\r\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.fixture(scope="module")
def small(serving: Callable[..., Any]) -> Iterator[Running]:
    with serving(max_upload=1 << 20, max_duration=3, num_threads=1) as server:
        yield server


@pytest.mark.bound("--max-upload")
def test_large_bodies_are_refused_while_they_are_received(small: Running) -> None:
    with begin_upload(small, form_head() + chunk(PART)) as line:
        sent = 0
        while not select.select([line], [], [], 0)[0] and sent < 200 << 20:
            with contextlib.suppress(ConnectionError):  # the answer is there all the same
                line.sendall(chunk(b"x" * 65536))
            sent += 65536
        assert line.recv(1000).startswith(b"HTTP/1.1 413 ")
    eventually(lambda: not left_on_disk(small))


def test_announced_large_bodies_are_refused_at_once(small: Running) -> None:
    with begin_upload(small, form_head(b"content-length: 99999999")) as line:
        assert line.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.bound("--max-upload")
def test_raw_bodies_and_json_are_capped_too(small: Running) -> None:
    with small.client() as client:
        big = b"x" * (2 << 20)
        answer = client.post("/stream/v1/asr", content=big)
        assert (answer.status_code, answer.json()["status"]) == (413, 40000002)
        assert client.post("/asr", content=big, headers={"content-type": "application/json"}).json()["code"] == 1
        assert client.post("/v1/jobs", files={"file": big}).status_code == 413


def test_a_form_of_endless_fields(small: Running) -> None:
    with small.client() as client:
        answer = client.post(PATH, files=[("f", (None, "x")) for _ in range(300)])
        assert answer.status_code == 400
        header = b'--b\r\ncontent-disposition: form-data; name="file"; x="' + b"y" * 20_000
        answer = client.post(PATH, content=header, headers={"content-type": "multipart/form-data; boundary=b"})
        assert answer.status_code == 400


@pytest.mark.bound("--max-duration")
def test_too_long_a_recording(small: Running, cities: Path) -> None:
    with small.client() as client:
        answer = transcribe(client, cities)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"


def test_a_client_that_disconnects_during_an_upload_leaves_no_files(small: Running) -> None:
    with begin_upload(small, form_head() + chunk(PART) + chunk(b"x" * 300_000)):
        eventually(lambda: left_on_disk(small))
    eventually(lambda: not left_on_disk(small))


@pytest.mark.slow
def test_the_work_of_a_disconnected_client_is_cancelled(serving: Callable[..., Any], cities: Path) -> None:
    with serving(num_threads=1) as server, server.client() as client:
        body = PART + cities.read_bytes() + b"\r\n--b--\r\n"
        with engine_held(server):
            with begin_upload(server, form_head(b"content-length: %d" % len(body)) + body):
                eventually(lambda: in_work(server) == 1)
            eventually(lambda: all(each.cancelled() for each in server.app.state.admission._running))
        eventually(lambda: in_work(server) == 0)
        eventually(lambda: not left_on_disk(server))
        assert 'asrcli_failures_total{code="cancelled"} 1.0' in client.get("/metrics").text
        assert transcribe(client, cities).status_code == 200


@pytest.mark.bound("--max-queue")
@pytest.mark.slow
def test_overload_is_refused_and_other_requests_are_served(serving: Callable[..., Any], cities: Path) -> None:
    with serving(num_threads=1, max_queue=1) as server, server.client() as client, ThreadPoolExecutor(12) as threads:
        with engine_held(server):
            asked = [threads.submit(transcribe, client, cities) for _ in range(12)]
            eventually(lambda: sum(each.done() for each in asked) == 9)  # two are in work, one waits
            refused = [each.result() for each in asked if each.done()]
        for answer in refused:
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"
        assert sorted(each.result().status_code for each in asked) == [200] * 3 + [429] * 9
        served = {each.result().json()["text"] for each in asked if each.result().status_code == 200}
        assert len(served) == 1
        assert "worst of times" in served.pop()
        assert transcribe(client, cities).status_code == 200
        assert left_on_disk(server) == []


@pytest.mark.bound("--request-timeout")
def test_a_request_that_takes_too_long(
    serving: Callable[..., Any], cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(num_threads=1) as server, server.client() as client:
        service = server.app.state.service
        # Of the work alone: on a slow machine, the time of an upload could be over before.
        monkeypatch.setattr(service, "settings", replace(service.settings, request_timeout=0.5))
        with engine_held(server):
            answer = transcribe(client, cities)
        assert answer.status_code == 504
        assert answer.headers["x-should-retry"] == "false"
        eventually(lambda: in_work(server) == 0)
        assert left_on_disk(server) == []


@pytest.mark.bound("--model-ttl")
@pytest.mark.slow
def test_a_model_is_loaded_once_and_dropped_when_idle(serving: Callable[..., Any], cities: Path) -> None:
    with serving(model_ttl=0.05) as server, server.client() as client, ThreadPoolExecutor(6) as threads:
        pool = server.app.state.pool
        host_load, asked = pool.models.engine.load, []

        def load(name: str, *rest: str | ModelSpec) -> concurrent.futures.Future[Any]:
            asked.append(name)
            return host_load(name, *rest)

        pool.models.engine.load = load
        with engine_held(server):
            # In use until all are answered: a slow machine must not make pauses between them.
            kept = threads.submit(pool.open, None)
            answers = [threads.submit(transcribe, client, cities) for _ in range(5)]
            eventually(lambda: sum(entry.users for entry in pool.models._entries.values()) >= 2)
        with contextlib.closing(kept.result(60)):
            assert {answer.result().status_code for answer in answers} == {200}
        assert asked == ["moonshine-tiny-en"]
        eventually(lambda: not pool.models.names)
        assert "asrcli_models_loaded 0.0" in client.get("/metrics").text
        assert transcribe(client, cities).status_code == 200
        assert asked == ["moonshine-tiny-en"] * 2


@pytest.mark.slow
def test_preloading_includes_what_would_hold_up_all_clients_later(serving: Callable[..., Any]) -> None:
    load_network.cache_clear()
    builtin._offsets.cache_clear()
    with serving(preload=(MODEL,)) as server, server.client() as client:
        eventually(lambda: client.get("/health").json() == {"status": "ok"})
        assert load_network.cache_info().currsize == builtin._offsets.cache_info().currsize == 1


@pytest.mark.slow
def test_one_crash_of_the_engine_is_retried(serving: Callable[..., Any], cities: Path) -> None:
    with serving() as server, server.client() as client, ThreadPoolExecutor(2) as threads:
        expected = transcribe(client, cities).json()["text"]
        assert "worst of times" in expected
        with engine_held(server):
            answers = [threads.submit(transcribe, client, cities) for _ in range(2)]
            eventually(lambda: len(server.app.state.pool.models.engine._in_flight) == 2)
            os.kill(server.app.state.pool.models.engine.process_id, signal.SIGKILL)
        assert [answer.result().json()["text"] for answer in answers] == [expected, expected]
        assert server.app.state.pool.models.engine.restarts == 1
        assert "asrcli_engine_restarts 1.0" in client.get("/metrics").text


CRASHES = """
import os
class Crashing:
    batch_size = 1
    def run(self, jobs):
        os._exit(255)
def load(spec, threads):
    return Crashing()
"""


@pytest.mark.slow
def test_an_engine_abort_costs_its_own_request_only(
    serving: Callable[..., Any], cities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashing_service.py").write_text(CRASHES)
    monkeypatch.syspath_prepend(tmp_path)
    with serving() as server, server.client() as client, ThreadPoolExecutor(2) as threads:
        pool = server.app.state.pool
        expected = transcribe(client, cities).json()["text"]
        assert "worst of times" in expected
        pool.serve(replace(pool.spec(None), name="crashing"), "crashing_service:load")
        with engine_held(server):
            innocent, crashing = (threads.submit(transcribe, client, cities, model=name) for name in ("", "crashing"))
            eventually(lambda: len(pool.models.engine._in_flight) == 1 and in_work(server) == 2)
        answer = crashing.result()
        assert answer.status_code == 500
        assert answer.json()["error"]["type"] == "server_error"
        assert answer.headers["x-should-retry"] == "false"
        assert innocent.result().json()["text"] == expected
        assert transcribe(client, cities).status_code == 200


@pytest.mark.slow
def test_health_answers_while_all_work(serving: Callable[..., Any], cities: Path) -> None:
    with serving(num_threads=2) as server, server.client() as client, ThreadPoolExecutor(4) as threads:
        with engine_held(server):
            work = [threads.submit(transcribe, client, cities) for _ in range(4)]
            eventually(lambda: (in_work(server), server.app.state.admission.queued) == (3, 1))
            for _ in range(5):
                assert client.get("/health").json() == {"status": "ok"}
            assert not any(each.done() for each in work)
        assert all("worst of times" in each.result().json()["text"] for each in work)


@pytest.mark.slow
def test_nothing_but_samples_is_decoded_in_the_server_s_process(
    client: httpx.Client, cities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = []

    class Noted(FfmpegReader):
        def __init__(self, *rest: Any, **named: Any) -> None:
            super().__init__(*rest, **named)
            readers.append(self)

    monkeypatch.setattr(opening, "FfmpegReader", Noted)
    samples, rate = soundfile.read(cities, dtype="int16")
    for suffix, by_ffmpeg in (("wav", False), ("flac", True), ("ogg", True), ("mp3", True)):
        path = tmp_path / f"talk.{suffix}"
        soundfile.write(path, samples, rate)
        readers.clear()
        assert "worst of times" in transcribe(client, path).json()["text"].lower()
        assert bool(readers) == by_ffmpeg, suffix


@pytest.mark.slow
def test_hostile_and_broken_bodies_then_a_good_one(client: httpx.Client, server: Running, cities: Path) -> None:
    good = transcribe(client, cities).json()["text"]
    assert "worst of times" in good
    names = ["../../../etc/passwd", "a\x00b.wav", "con.wav", "x" * 3000, "%d%s.wav", "-i", "concat:a|b", "\r\nx: y"]
    for name in names:
        answer = client.post(PATH, files={"file": (name, cities.read_bytes())})
        assert answer.json()["text"] == good, name
    bodies = [b"", b"\0" * 100, os.urandom(5000), b"RIFF\xff\xff\xff\xffWAVE", b"OggS" * 99]
    bodies += [b"#EXTM3U\nfile:///etc/passwd", b"ffconcat version 1.0\nfile /etc/passwd"]
    bodies += [cities.read_bytes()[:n] for n in (10, 44, 45, 1001)]
    for body in bodies:
        answer = client.post(PATH, files={"file": ("a.wav", body)})
        assert answer.status_code in {200, 400}, body[:20]
    assert transcribe(client, cities).json()["text"] == good
    eventually(lambda: left_on_disk(server) == [])


def test_health_reports_an_engine_that_does_not_start(
    serving: Callable[..., Any], cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: int) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    with serving() as server, server.client() as client:
        assert client.get("/health/ready").status_code == 200
        with monkeypatch.context() as without_memory:
            without_memory.setattr(engine_client, "EngineProcess", refuse)
            os.kill(server.app.state.pool.models.engine.process_id, signal.SIGKILL)
            eventually(lambda: client.get("/health").json() == {"status": "degraded", "failing": ["engine"]})
            assert client.get("/health/ready").status_code == 503
            assert transcribe(client, cities).status_code >= 500
        # The next request starts it again.
        assert transcribe(client, cities).status_code == 200
        assert client.get("/health").json() == {"status": "ok"}
