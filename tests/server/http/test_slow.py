"""Clients that take their time, on purpose or not, keep nothing of the server's for long."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile as sf

from asrcli.server import run
from asrcli.server.bounds import MAX_BODY_READ
from asrcli.server.http import uvicorn_protocols, workspaces
from asrcli.server.http.monitoring import Metrics, MetricsMiddleware
from asrcli.server.settings import ServerSettings
from tests.server.conftest import Running, SlowReader

HEAD = b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n"
PART = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


@pytest.fixture(scope="module")
def brisk(serving: Callable[..., Any]) -> Iterator[Running]:
    with serving(idle_timeout=0.5) as server:
        yield server


@pytest.fixture(scope="module")
def patient(serving: Callable[..., Any]) -> Iterator[Running]:
    with serving(max_duration=60) as server:
        yield server


def drip(line: socket.socket, data: bytes, every: float = 0.05) -> bytes:
    """Send a byte now and then until the other side has had enough; what it said."""
    for number in range(2000):
        if select.select([line], [], [], every)[0]:
            try:
                return line.recv(1000)
            except ConnectionResetError:  # a byte was on its way while the other side closed
                return b""
        with suppress(ConnectionError):  # the other side has closed just now: what it said is there all the same
            line.sendall(data[number % len(data) :][:1])
    raise AssertionError("the connection was kept")


@pytest.mark.bound("head of a request, a Wyoming event; the connection is closed")
@pytest.mark.parametrize("first", [b"", b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"])
def test_a_head_sent_byte_by_byte_times_out(brisk: Running, monkeypatch: pytest.MonkeyPatch, first: bytes) -> None:
    monkeypatch.setattr(uvicorn_protocols, "HEAD_TIMEOUT", 0.5)
    with socket.create_connection(("127.0.0.1", brisk.port), timeout=60) as line:
        if first:
            line.sendall(first)
            answer = b""
            while not answer.endswith(b'{"status":"ok"}'):
                answer += line.recv(1000)
        assert drip(line, b"GET / HTTP/1.1\r\nx: " + b"x" * 5000) == b""


@pytest.mark.bound("--idle-timeout")
def test_a_missing_body_times_out(brisk: Running) -> None:
    with socket.create_connection(("127.0.0.1", brisk.port), timeout=60) as line:
        line.sendall(HEAD + b"content-length: 100000\r\n\r\n" + PART)
        assert line.recv(1000).startswith(b"HTTP/1.1 408 ")
    with brisk.client() as client:
        assert client.get("/health").status_code == 200
        deadline = time.monotonic() + 30
        while list(brisk.app.state.service.workspace_root.iterdir()):
            assert time.monotonic() < deadline


@pytest.mark.bound("--request-timeout")
def test_a_body_sent_byte_by_byte_times_out(serving: Callable[..., Any]) -> None:
    with (
        serving(idle_timeout=30, request_timeout=1) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as line,
    ):
        line.sendall(HEAD + b"content-length: 100000\r\n\r\n" + PART)
        assert drip(line, b"x" * 5000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.bound("the rest of a form with 256 KiB of fields; 408")
@pytest.mark.parametrize(("fields", "kept"), [(2000, False), (500, True)])
def test_a_form_with_large_fields_must_keep_arriving(
    patient: Running, monkeypatch: pytest.MonkeyPatch, fields: int, kept: bool
) -> None:
    """Its fields are in memory; a recording is on the disk, and may take its time."""
    monkeypatch.setattr(workspaces, "MESSAGE_TIMEOUT", 0.2)
    monkeypatch.setattr(workspaces, "LEAST_SENT", 1000)
    part = b'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\n'
    with socket.create_connection(("127.0.0.1", patient.port), timeout=60) as line:
        line.sendall(HEAD + b"content-length: 100000\r\n\r\n" + part + b"x" * fields + b"\r\n" + PART)
        answers = []
        for _ in range(20 if kept else 600):
            answers += [line.recv(1000)] if select.select([line], [], [], 0.05)[0] else []
            if answers:
                break
            with suppress(ConnectionError):  # as in `drip`
                line.sendall(b"x")
    assert (not answers) if kept else answers[0].startswith(b"HTTP/1.1 408 ")


@pytest.mark.bound("a client that does not read; the connection is closed")
def test_an_answer_that_is_not_read_times_out(serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_protocols, "WRITE_TIMEOUT", 0.5)
    lost = threading.Event()

    class Watched(uvicorn_protocols.HttpProtocol):
        def connection_lost(self, exc: Any) -> None:
            super().connection_lost(exc)
            lost.set()

    monkeypatch.setattr(run, "HttpProtocol", Watched)
    ask = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n"
    with serving() as server, socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", server.port))
        line.sendall(ask * 8)
        assert lost.wait(60), "the connection was kept"


@pytest.mark.slow
def test_hours_of_silence_in_a_small_file(patient: Running, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.flac"
    with sf.SoundFile(bomb, "w", 16000, 1, "PCM_16", format="FLAC") as file:
        for _ in range(600):
            file.write(np.zeros(16000 * 10, np.int16))
    assert bomb.stat().st_size < 1 << 20
    with patient.client() as client:
        for body in (bomb.read_bytes(), bomb.read_bytes()[:4] + bytes(22) + bomb.read_bytes()[26:]):
            answer = client.post("/v1/audio/transcriptions", files={"file": body})
            assert answer.status_code in {400, 413}
        answer = client.post("/v1/audio/transcriptions", files={"file": bomb.read_bytes()})
        assert answer.json()["error"]["code"] == "too_large"


@pytest.mark.parametrize("size", [0, 1, MAX_BODY_READ, MAX_BODY_READ + 1, 3 * MAX_BODY_READ])
def test_long_answers_are_sent_in_pieces(size: int) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(range(256)) * (size // 256) + bytes(size % 256)})

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(MetricsMiddleware(app, Metrics())({"type": "http", "method": "GET"}, cast("Any", None), send))
    start, *bodies = sent
    assert start["type"] == "http.response.start"
    assert b"".join(each["body"] for each in bodies) == bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert max(len(each["body"]) for each in bodies) <= MAX_BODY_READ
    assert [each.get("more_body", False) for each in bodies] == [True] * (len(bodies) - 1) + [False]


@pytest.mark.slow
def test_an_answer_that_is_read_slowly_is_sent_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, body = SlowReader.watch(monkeypatch, uvicorn_protocols), b"x" * (8 << 20)

    async def app(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] == "http":
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-length", b"%d" % len(body)), (b"connection", b"close")],
                }
            )
            await send({"type": "http.response.body", "body": body})

    settings = ServerSettings(port=0)
    listener, started = run.listen("127.0.0.1", 0), threading.Event()
    server = run.Server(run.configure(cast("Any", app), settings), started.set)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        assert started.wait(60)
        received = b""
        with SlowReader.connect(listener.getsockname()[1]) as line:
            line.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            reader = SlowReader(line)
            while piece := reader.read():
                received += piece
    finally:
        server.should_exit = True
        thread.join(60)
    assert received.partition(b"\r\n\r\n")[2] == body
    assert len(looks) > 2
