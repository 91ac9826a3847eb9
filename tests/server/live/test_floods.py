"""Clients that send as fast as they can what costs them little: memory and the event loop stay free."""

from __future__ import annotations

import gc
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from asrcli.server.http import uvicorn_protocols, uvicorn_websocket
from asrcli.server.http.uvicorn_protocols import CONNECTIONS
from asrcli.server.http.uvicorn_websocket import WebSocketProtocol
from tests.server.conftest import MODEL, Running

_UPGRADE = (
    b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
#: bits of a frame's first byte, and a mask that changes nothing
_LAST, _CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x80, 0, 1, 2, 8, 9, 10
_MASK = b"\0\0\0\0"


#: the start of a message of 60,000 bytes
_START = bytes((_LAST | _BINARY, 0x80 | 126)) + (60_000).to_bytes(2, "big") + _MASK


def _frame(kind: int, data: bytes = b"") -> bytes:
    assert len(data) < 126
    return bytes((kind, 0x80 | len(data))) + _MASK + data


@contextmanager
def _connected(server: Running) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if not server.secure:
            yield line
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(line) as secured:
            yield secured


@contextmanager
def _raw(server: Running) -> Iterator[socket.socket]:
    """A connection that has become a WebSocket, without a client that answers for it."""
    with _connected(server) as line:
        line.sendall(_UPGRADE)
        assert b" 101 " in line.recv(4096)
        yield line


def _protocols() -> list[WebSocketProtocol]:
    """The open WebSockets of the server in this process."""
    return [each for each in gc.get_objects() if type(each) is WebSocketProtocol and not each.disconnected]


def _protocol() -> WebSocketProtocol:
    """The only open one, once the server has noticed the end of earlier tests' connections."""
    _wait_for(lambda: len(_protocols()) == 1)
    [protocol] = _protocols()
    return protocol


@pytest.fixture(scope="module")
def secure(serving: Callable[..., Any], certificate: tuple[Path, Path]) -> Iterator[Running]:
    with serving(certfile=certificate[0], keyfile=certificate[1], preload=(MODEL,)) as found:
        yield found


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_bodies_in_tiny_chunks_do_not_hold_the_event_loop(server: Running, secure: Running, tls: bool) -> None:
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-type: "
    body = b"1\r\na\r\n" * 40_000 + b"0\r\n\r\n"
    with _connected(secure if tls else server) as line:
        line.sendall(head + b"multipart/form-data; boundary=b\r\n\r\n" + body)
        assert line.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_tiny_frames_do_not_hold_the_event_loop(server: Running, secure: Running, tls: bool) -> None:
    with _raw(secure if tls else server) as line:
        line.sendall(_frame(_TEXT, b"{}") + _frame(_CONTINUATION) * 60_000 + _frame(_LAST | _PING))
        assert line.recv(100) == bytes((_LAST | _PONG, 0))


def test_a_client_that_is_costly_to_read_is_read_in_small_parts(
    server: Running, client: httpx.Client, cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that many of them do not hold up the others for long in turn."""
    monkeypatch.setattr(uvicorn_protocols, "_COSTLY", 0.0)
    files = {"file": cities.read_bytes()}
    assert "best of times" in client.post("/v1/audio/transcriptions", files=files).json()["text"].lower()
    with _raw(server) as line:
        line.sendall(_frame(_TEXT, b"{}") + _frame(_CONTINUATION) * 20_000 + _frame(_LAST | _PING))
        assert line.recv(100) == bytes((_LAST | _PONG, 0))
        protocol = _protocol()
        transport: Any = protocol.transport
        assert transport.max_size <= 1024


def test_a_body_of_any_size_arrives_over_tls(secure: Running, cities: Path) -> None:
    with secure.client(verify=False) as client:
        for size in (0, 1, 16_000, 16_385, 20_000, 1_000_000):
            files = {"file": cities.read_bytes() + bytes(size)}
            assert client.post("/v1/jobs", files=files).status_code == 202


@pytest.mark.slow
def test_answers_to_pings_that_are_not_read_do_not_gather(server: Running) -> None:
    with _raw(server) as line:
        pings = _frame(_LAST | _PING, b"x" * 125) * 500
        for _ in range(200):  # 13 MB, of which the kernel's buffers take a few
            line.sendall(pings)
        protocol = _protocol()
        assert protocol.transport.get_write_buffer_size() < 1 << 20
        with connect(f"{server.ws}/", proxy=None) as other:
            assert other.ping().wait(30)
        line.sendall(_frame(_LAST | _PING) + _frame(_LAST | _CLOSE, (1000).to_bytes(2, "big")))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        answers = b"".join(iter(lambda: line.recv(1 << 16), b""))
    assert answers.endswith(bytes((_LAST | _CLOSE, 2)) + (1000).to_bytes(2, "big"))


@pytest.mark.parametrize("data", [b"", b"abc"], ids=len)
def test_small_fragments_of_a_message_take_no_more_than_their_bytes(server: Running, data: bytes) -> None:
    with _raw(server) as line:
        line.sendall(_frame(_TEXT, b'{"mode": "x'))
        for _ in range(6):
            line.sendall(_frame(_CONTINUATION, data) * 1000 + _frame(_LAST | _PING))
            assert line.recv(100) == bytes((_LAST | _PONG, 0))  # all fragments were received
        protocol = _protocol()
        assert sum(map(sys.getsizeof, protocol.frames), sys.getsizeof(protocol.frames)) < 6000 * len(data) + 1024
        line.sendall(_frame(_LAST | _CONTINUATION, b'"}'))
        assert b"The mode" in line.recv(4096)


@pytest.mark.parametrize(
    ("path", "character"),
    [("/", "x"), ("/", "\U0001f600")]
    + [(path, "\u00df") for path in ("/", "/v1/listen", "/v1/realtime", "/ws/v1/asr", "/ws/v1/asr/qwen")],
)
def test_long_texts_are_refused_and_do_not_hold_the_event_loop(server: Running, path: str, character: str) -> None:
    text = character * ((15 << 20) // len(character.encode()))
    with connect(f"{server.ws}{path}", proxy=None, compression=None, max_size=None) as line:
        line.send(text)
        message = line.recv(30)
        while "session.created" in message:
            message = line.recv(30)
        assert "rror" in message or "TaskFailed" in message


@pytest.mark.bound("the rest of a WebSocket message; closed with 1008")
def test_the_rest_of_a_message_must_arrive(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Incomplete messages that are kept open would use up the bytes that all connections share."""
    monkeypatch.setattr(uvicorn_websocket, "MESSAGE_TIMEOUT", 0.2)
    monkeypatch.setattr(uvicorn_websocket, "LEAST_SENT", 1000)
    monkeypatch.setattr(uvicorn_websocket, "LINGER", 0.1)
    before = CONNECTIONS.message_bytes
    with _raw(server) as line:
        line.sendall(_START + bytes(5000))
        assert line.recv(100)[2:4] == (1008).to_bytes(2, "big")
        assert line.recv(100) == b""
    _wait_for(lambda: CONNECTIONS.message_bytes <= before)


@pytest.mark.bound("the rest of a WebSocket message; closed with 1008")
def test_a_message_that_keeps_arriving_is_kept(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test ends each period of time: a slow machine must not make pauses."""
    monkeypatch.setattr(uvicorn_websocket, "MESSAGE_TIMEOUT", 3600)
    monkeypatch.setattr(uvicorn_websocket, "LEAST_SENT", 1000)
    with _raw(server) as line:
        line.sendall(_START + bytes(1000))
        protocol = _protocol()
        _wait_for(lambda: protocol._rest_timer is not None)
        for _ in range(58):
            line.sendall(bytes(1000))
            _wait_for(lambda: protocol._arrived >= 1000)
            protocol.loop.call_soon_threadsafe(protocol._check_rest)
            _wait_for(lambda: protocol._arrived == 0)
        line.sendall(bytes(1000))
        line.sendall(_frame(_LAST | _TEXT, b'{"is_speaking": false}'))
        assert b'"is_final":true' in line.recv(4096)


def _wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_is_silent_between_two_messages_is_kept(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for a result, or its microphone is muted."""
    monkeypatch.setattr(uvicorn_websocket, "MESSAGE_TIMEOUT", 0.1)
    with _raw(server) as line:
        line.sendall(_frame(_TEXT, b'{"mode": "2pass", ') + _frame(_LAST | _CONTINUATION, b'"is_speaking": true}'))
        line.settimeout(0.5)
        with pytest.raises(TimeoutError):
            line.recv(100)
        line.settimeout(30)
        line.sendall(_frame(_LAST | _TEXT, b'{"is_speaking": false}'))
        assert b'"is_final":true' in line.recv(4096)
