"""Every resource that a client can take has a bound, and a refusal in the protocol's form."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import socket
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from asrcli.server import bounds
from asrcli.server.errors import BusyError
from asrcli.server.http import admission, uploads, uvicorn_protocols, uvicorn_websocket, websocket, workspaces
from asrcli.server.live.pcm import PcmStream
from asrcli.server.recognition import transcription
from tests.server.conftest import Running


def wait_for(condition: Callable[..., Any], seconds: int = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.02)


def start_upload(
    server: Running,
    path: str = "/v1/audio/transcriptions",
    kind: str = "multipart/form-data; boundary=b",
    start: bytes = b"--b\r\n",
) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: 100000\r\n\r\n"
    line.sendall(head.encode() + start)
    return line


def transcribe(client: httpx.Client, audio: Path, **fields: Any) -> httpx.Response:
    with audio.open("rb") as file:
        return client.post("/v1/audio/transcriptions", files={"file": file}, data=fields)


@pytest.mark.bound("--max-queue")
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/audio/transcriptions", "multipart/form-data; boundary=b"),
        ("/v1/jobs", "multipart/form-data; boundary=b"),
        ("/stream/v1/asr", "application/octet-stream"),
        ("/asr", "application/json"),
    ],
)
def test_uploads_under_way_are_bounded(serving: Callable[..., Any], cities: Path, path: str, kind: str) -> None:
    with serving(num_threads=1, max_queue=1) as server, server.client() as client, contextlib.ExitStack() as stack:
        lines = [stack.enter_context(start_upload(server, path, kind)) for _ in range(3)]
        wait_for(lambda: server.app.state.admission.receiving == 3)
        refused = stack.enter_context(start_upload(server, path, kind))
        answer = refused.recv(4096)
        while path == "/asr" and b"\r\n\r\n{" not in answer:
            answer += refused.recv(4096)
        if path == "/asr":  # its clients read the body
            assert b'"code":1' in answer
            assert b"too many" in answer
        else:
            assert answer.startswith(b"HTTP/1.1 429 ")
        assert client.get("/health").status_code == 200
        for line in lines:
            line.close()
        wait_for(lambda: server.app.state.admission.receiving == 0)
        assert transcribe(client, cities).status_code == 200


@pytest.mark.bound("an upload while others find no place; 408")
@pytest.mark.parametrize("drips", [False, True])
def test_slow_uploads_do_not_keep_others_out(
    serving: Callable[..., Any], cities: Path, monkeypatch: pytest.MonkeyPatch, drips: bool
) -> None:
    monkeypatch.setattr(admission, "MESSAGE_TIMEOUT", 0.3)
    monkeypatch.setattr(uploads, "LINGER", 0.1)
    with serving(num_threads=1, max_queue=1) as server, server.client() as client, contextlib.ExitStack() as stack:
        lines = [stack.enter_context(start_upload(server)) for _ in range(3)]
        wait_for(lambda: server.app.state.admission.receiving == 3)
        arrivals = list(server.app.state.admission._arrivals)
        for _ in range(10 if drips else 0):
            time.sleep(0.05)
            for line in lines:
                line.sendall(b"-")
        wait_for(lambda: all(arrival.slow for arrival in arrivals))
        assert server.app.state.admission.receiving == 3, "they are kept while there is room"
        assert transcribe(client, cities).status_code == 200
        assert lines[0].recv(100).startswith(b"HTTP/1.1 408 ")
        wait_for(lambda: server.app.state.admission.receiving == 2)
        assert [arrival.replaced for arrival in arrivals] == [True, False, False]


def test_slow_json_bodies_do_not_block_others(serving: Callable[..., Any], cities: Path) -> None:
    with serving() as server, server.client() as client, contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(start_upload(server, "/asr", "application/json", b'{"wav": "'))
        wait_for(lambda: server.app.state.admission.receiving == 8)
        body = {"wav": base64.b64encode(cities.read_bytes()).decode()}
        assert "best of times" in client.post("/asr", json=body).json()["res"].lower()


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"0," * 2_000_000 + b"0]",
        b'{"wav": ' + b"[" * 1_000_000,
        b'{"a": [' + b'"x",' * 500_000 + b'"x"], "wav": "AAAA"}',
        b'{"wav": "' + b"A" * 100_000,
        b'{"wav": "' + b"\\" * 100_001 + b'"}',
        b'{"wav": "' + b"*" * 100_000 + b'"}',
        b'{"wav": "' + b'\\"' * 5_000_000 + b'"}',
    ],
)
def test_json_of_many_values_is_refused_without_being_parsed(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/asr", content=body, headers={"content-type": "application/json"})
    assert answer.json()["code"] == 1


def test_base64_with_escaped_slashes_and_a_data_url_is_read(client: httpx.Client, cities: Path) -> None:
    text = base64.b64encode(cities.read_bytes()).decode()
    for sent in (text.replace("/", "\\/"), f"data:audio/wav;base64,{text}", "\\n".join([text[:1000], text[1000:]])):
        body = f'{{"key": "a", "wav": "{sent}", "lang": "en"}}'
        assert "best of times" in client.post("/asr", content=body).json()["res"].lower(), sent[:40]


@pytest.mark.bound("open connections; 503")
def test_connections_are_bounded(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    total = uvicorn_protocols.CONNECTIONS.addresses.total
    wait_for(lambda: total() == 0)  # those of earlier tests may be closed only now
    monkeypatch.setattr(uvicorn_protocols, "MAX_CONNECTIONS", 3)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        wait_for(lambda: total() == 3)
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
            assert line.recv(1000).startswith(b"HTTP/1.1 503 ")
    wait_for(lambda: total() == 0)
    with connect(f"{server.ws}/", proxy=None):
        pass
    wait_for(lambda: total() == 0)


@pytest.mark.bound("open connections; 503")
def test_connections_of_an_address_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = uvicorn_protocols.Connections()
    for _ in range(bounds.MAX_CONNECTIONS_OF_ADDRESS):
        connections.addresses["192.0.2.1"] += 1
        connections.addresses["127.0.0.1"] += 1
    assert connections.refuses("192.0.2.1")
    assert not connections.refuses("192.0.2.2")
    assert not connections.refuses("127.0.0.1")
    connections.left("192.0.2.1")
    assert not connections.refuses("192.0.2.1")


@pytest.fixture(scope="module")
def locked(serving: Callable[..., Any]) -> Iterator[Running]:
    with serving(api_keys=("k",)) as server:
        yield server


@pytest.fixture
def brief_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are closed soon after their last message."""
    monkeypatch.setattr(uvicorn_websocket, "LINGER", 0.3)


@pytest.mark.bound("the first WebSocket message without a valid key; closed")
@pytest.mark.usefixtures("brief_linger")
def test_without_a_key_little_is_read(locked: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(f"{locked.ws}/ws/v1/asr", proxy=None, max_size=None) as line:
        with contextlib.suppress(ConnectionClosed, ConnectionError):
            line.send(b"x" * (8 << 20))
            line.recv(30)
        wait_for(lambda: line.protocol.close_code is not None or line.protocol.state.name == "CLOSED")
    monkeypatch.setattr(websocket, "FIRST_MESSAGE_TIMEOUT", 0.2)
    with connect(f"{locked.ws}/ws/v1/asr", proxy=None) as line, pytest.raises(ConnectionClosed) as closed:
        line.recv(30)
    assert closed.value.rcvd.code == 4401
    with connect(f"{locked.ws}/?token=k", proxy=None, max_size=None) as line:
        line.send('{"mode": "offline", "is_speaking": true}')
        line.send(bytes(4 << 20))
        line.send('{"is_speaking": false}')
        assert json.loads(line.recv(60))["is_final"]


@pytest.mark.bound("all WebSocket messages being received or in work; closed with 1013")
def test_messages_in_memory_are_bounded(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_websocket, "MAX_MESSAGES", 33 << 20)
    monkeypatch.setattr(uvicorn_websocket, "LINGER", 1.0)
    before = uvicorn_protocols.CONNECTIONS.message_bytes
    with connect(f"{server.ws}/", proxy=None, max_size=None, compression=None, close_timeout=0.1) as line:
        with contextlib.suppress(ConnectionClosed, ConnectionError):
            line.send(bytes(4 << 20))
            line.recv(30)
        wait_for(lambda: line.protocol.state.name in {"CLOSING", "CLOSED"})
        # Others are served while the rest of the message is still dropped.
        wait_for(lambda: uvicorn_protocols.CONNECTIONS.message_bytes < before + 4096)
        with connect(f"{server.ws}/", proxy=None) as other:
            other.send('{"mode": "offline", "is_speaking": false}')
            assert json.loads(other.recv(60))["is_final"]


def _forget_messages() -> None:
    """Wait until the messages of earlier tests do not count any more."""
    gc.collect()
    wait_for(lambda: uvicorn_protocols.CONNECTIONS.message_bytes == 0)


@pytest.mark.bound("all WebSocket messages being received or in work; closed with 1013")
def test_an_old_incomplete_message_makes_room_for_others(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_websocket, "MAX_MESSAGES", 33 << 20)
    _forget_messages()
    with _upgraded(server) as slow, connect(f"{server.ws}/", proxy=None) as other:
        slow.sendall(b"\x82\xff" + (4 << 20).to_bytes(8, "big") + bytes(4) + bytes(800 << 10))
        wait_for(lambda: uvicorn_protocols.CONNECTIONS.message_bytes >= 800 << 10)
        other.send('{"mode": "offline", "is_speaking": true}')
        other.send(bytes(400 << 10))
        assert slow.recv(100)[2:4] == (1013).to_bytes(2, "big")
        other.send('{"is_speaking": false}')
        assert "error" not in json.loads(other.recv(60))


@pytest.mark.bound("all WebSocket messages being received or in work; closed with 1013")
def test_small_messages_are_received_whatever_others_hold(server: Running) -> None:
    held = uvicorn_websocket._MessageBytes(bounds.MAX_MESSAGES)  # in work
    with connect(f"{server.ws}/", proxy=None) as line:
        line.send('{"mode": "2pass", "is_speaking": true}')
        line.send(bytes(32000))
        line.send('{"is_speaking": false}')
        assert "error" not in json.loads(line.recv(60))
    del held


@contextlib.contextmanager
def _upgraded(server: Running) -> Iterator[socket.socket]:
    """A connection that has become a WebSocket, whose frames the test writes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert b"101" in line.recv(4096)
        yield line


@pytest.mark.bound("all WebSocket messages being received or in work; closed with 1013")
@pytest.mark.slow
def test_messages_in_work_count(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget_messages()
    message = bytes(4 << 20)
    feed, gate = PcmStream.feed, threading.Event()

    async def gated(stream: PcmStream, data: bytes) -> None:
        await asyncio.to_thread(gate.wait, 60)
        await feed(stream, data)

    monkeypatch.setattr(PcmStream, "feed", gated)
    with connect(f"{server.ws}/", proxy=None, max_size=None, compression=None) as line:
        line.send('{"mode": "2pass", "is_speaking": true}')
        line.send(message)
        assert line.ping().wait(30)  # all of the message was received
        assert uvicorn_protocols.CONNECTIONS.message_bytes >= len(message)
        gate.set()
        line.send('{"is_speaking": false}')
        assert json.loads(line.recv(60))["is_final"]
        wait_for(lambda: uvicorn_protocols.CONNECTIONS.message_bytes < 4096)


@pytest.mark.parametrize("then", [b"", b"\xff" * 100], ids=["idle", "damaged"])
def test_finished_messages_are_not_kept(server: Running, then: bytes) -> None:
    """Neither by the parser of frames, nor by the traceback of its error."""
    message, mask = bytearray(8 << 20), bytes(4)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.sendall(
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert b"101" in line.recv(4096)
        first = b'{"mode": "offline", "is_speaking": true}'
        line.sendall(bytes((0x81, 0x80 | len(first))) + mask + first)
        tracemalloc.start(1)
        try:
            line.sendall(b"\x82\xff" + len(message).to_bytes(8, "big") + mask)
            line.sendall(message)
            line.sendall(then)
            wait_for(lambda: tracemalloc.get_traced_memory()[1] > len(message))
            wait_for(lambda: tracemalloc.get_traced_memory()[0] < len(message) // 4)
        finally:
            tracemalloc.stop()


@pytest.mark.bound("--max-sessions")
def test_offline_recordings_count_as_sessions(serving: Callable[..., Any]) -> None:
    with serving(max_sessions=1) as server, connect(f"{server.ws}/", proxy=None) as first:
        first.send('{"mode": "offline", "is_speaking": true}')
        first.send(bytes(32000))
        wait_for(lambda: server.app.state.live._open == 1)
        with connect(f"{server.ws}/", proxy=None) as second:
            second.send('{"mode": "offline", "wav_name": "b", "is_speaking": true}')
            second.send(bytes(32000))
            assert "Too many" in json.loads(second.recv(60))["error"]
        first.send('{"is_speaking": false}')
        assert "error" not in json.loads(first.recv(60))


@pytest.mark.bound("--max-address-sessions")
def test_one_address_leaves_sessions_to_others(serving: Callable[..., Any]) -> None:
    with (
        serving(max_sessions=2, max_address_sessions=1, forwarded_allow_ips="127.0.0.1") as server,
        contextlib.ExitStack() as stack,
    ):

        def started(address: str, path: str, mode: str) -> Any:
            headers = {"x-forwarded-for": address}
            line = stack.enter_context(connect(f"{server.ws}{path}", additional_headers=headers, proxy=None))
            line.send(json.dumps({"mode": mode, "wav_name": "a", "is_speaking": True}))
            line.send(bytes(32000))
            return line

        started("192.0.2.1", "/", "offline")
        wait_for(lambda: server.app.state.live._open == 1)
        for mode in ("offline", "2pass"):
            refused = json.loads(started("192.0.2.1", "/", mode).recv(60))
            assert "from this address" in refused["error"]
        other = started("192.0.2.2", "/", "2pass")
        other.send('{"is_speaking": false}')
        assert "error" not in json.loads(other.recv(60))


def test_an_address_may_hold_three_quarters_of_the_sessions(serving: Callable[..., Any]) -> None:
    with serving(max_sessions=5) as server, contextlib.ExitStack() as stack:
        live = server.app.state.live
        for _ in range(4):
            stack.enter_context(live.place("192.0.2.1"))
        with pytest.raises(BusyError, match="from this address"), live.place("192.0.2.1"):
            pass
        stack.enter_context(live.place("127.0.0.1"))
        stack.close()
        for _ in range(5):  # of this machine: a proxy may be on it
            stack.enter_context(live.place("127.0.0.1"))


class _Stalling(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self.server.waiting.wait(30)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.bound("recordings being fetched; 429")
def test_slow_addresses_do_not_block_others(
    serving: Callable[..., Any], cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "MAX_FETCHES", 2)
    stalling: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Stalling)
    stalling.waiting = threading.Event()
    threading.Thread(target=stalling.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{stalling.server_port}/a.wav"
    settings = {"allow_url_fetch": True, "fetch_networks": ("127.0.0.0/8",), "num_threads": 1}
    try:
        with serving(**settings) as server, server.client() as client, contextlib.ExitStack() as stack:
            for _ in range(4):
                body = f"audio_address={address}".encode()
                line = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
                line.sendall(head.encode() + b"content-type: application/x-www-form-urlencoded\r\n\r\n" + body)
            wait_for(lambda: server.app.state.service._fetches.under_way == 4)
            refused = client.post("/v1/audio/transcriptions", data={"audio_address": address})
            assert refused.status_code == 429
            assert transcribe(client, cities).status_code == 200
    finally:
        stalling.waiting.set()
        stalling.shutdown()
        stalling.server_close()


@pytest.mark.bound("form fields of all requests; 429")
def test_form_fields_of_all_requests_are_bounded(
    server: Running, client: httpx.Client, cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspaces, "MAX_ALL_FIELDS", 1 << 20)
    start = b'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\n'
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            line.sendall(head + b"content-length: 9999999\r\n\r\n" + start + bytes(400_000))
        wait_for(lambda: workspaces.Workspace.fields_in_memory == 800_000)
        refused = transcribe(client, cities, prompt="x" * 400_000)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        encoded = client.post("/v1/audio/transcriptions", data={"prompt": "x" * 400_000})
        assert encoded.status_code == 429
        assert workspaces.Workspace.fields_in_memory == 800_000
    wait_for(lambda: workspaces.Workspace.fields_in_memory == 0)
    assert transcribe(client, cities, prompt="x" * 400_000).status_code == 200
    wait_for(lambda: workspaces.Workspace.fields_in_memory == 0)


@pytest.mark.bound("form fields of all requests; 429")
def test_small_fields_are_received_whatever_others_hold(
    client: httpx.Client, cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspaces, "MAX_ALL_FIELDS", 0)
    assert transcribe(client, cities, prompt="x" * 1000).status_code == 200
    assert transcribe(client, cities, prompt="x" * 100_000).status_code == 429


@pytest.mark.bound("a form field, other than the clips of known speakers; 413")
@pytest.mark.bound("form fields of a request; 413")
def test_form_fields_of_a_request_are_bounded(client: httpx.Client, cities: Path) -> None:
    for fields in (
        {"prompt": "x" * (bounds.MAX_FIELD + 1)},
        {"known_speaker_references[]": "x" * (bounds.MAX_FIELDS + 1)},
        {f"f{number}": "x" * bounds.MAX_FIELD for number in range(17)},
    ):
        answer = transcribe(client, cities, **fields)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    encoded = client.post("/v1/audio/transcriptions", data={"prompt": "x" * (bounds.MAX_FIELD + 1)})
    assert encoded.status_code == 413
    clip = transcribe(client, cities, **{"known_speaker_references[]": "A" * (2 << 20), "known_speaker_names[]": "a"})
    assert clip.status_code == 200
    wait_for(lambda: workspaces.Workspace.fields_in_memory == 0)


@pytest.mark.bound("hotwords of a request; 400 or the protocol's error")
@pytest.mark.bound("the name of a model; 404")
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model": "m" * (bounds.MAX_NAME + 1)}, 404),
        ({"hotwords": ",".join(f"w{number}" for number in range(bounds.MAX_HOTWORDS + 1))}, 400),
        ({"hotwords": "w" * (bounds.MAX_HOTWORD_LENGTH + 1)}, 400),
        ({"hotwords": "w, " * bounds.MAX_HOTWORDS_TEXT}, 400),
        ({"keywords[]": ["w"] * (bounds.MAX_PARTS + 1)}, 400),
    ],
)
def test_names_and_hotwords_are_bounded(
    client: httpx.Client, cities: Path, fields: dict[str, Any], status: int
) -> None:
    assert transcribe(client, cities, **fields).status_code == status


@pytest.mark.bound("parts of a form; 400")
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"--b\r\nx: y\r\n\r\n\r\n" * (bounds.MAX_PARTS + 1), "multipart/form-data; boundary=b"),
        (b"--b\r\nx: " + b"y" * bounds.MAX_PART_HEADER + b"\r\n\r\n", "multipart/form-data; boundary=b"),
        (b"a=b&" * (bounds.MAX_URL_FIELDS + 1), "application/x-www-form-urlencoded"),
    ],
)
def test_parts_of_forms_are_bounded(client: httpx.Client, body: bytes, kind: str) -> None:
    for path in ("/v1/audio/transcriptions", "/v1/jobs", "/api/v1/asr", "/detect-language"):
        answer = client.post(path, content=body, headers={"content-type": kind})
        assert answer.status_code == 400
        assert any(word in answer.text for word in ("at most", "may have", "too long", "damaged")), answer.text


@pytest.mark.bound("JSON with base64; its `code` 1")
def test_json_with_base64_is_bounded(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        head = f"POST /asr HTTP/1.1\r\nhost: x\r\ncontent-length: {bounds.MAX_JSON + 1}\r\nconnection: close\r\n"
        line.sendall(head.encode() + b"content-type: application/json\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert b'"code":1' in answer
    assert b"larger than 64 MiB" in answer


@pytest.mark.bound("a JSON message; the protocol's error")
@pytest.mark.parametrize(
    ("path", "first", "field"),
    [
        ("/", {"mode": "2pass", "is_speaking": True}, "error"),
        ("/ws/v1/asr", {"header": {"namespace": "SpeechTranscriber", "name": "StartTranscription"}}, "header"),
        ("/ws/v1/asr/qwen", {"type": "start"}, "error_code"),
    ],
)
def test_json_messages_are_bounded(server: Running, path: str, first: dict[str, Any], field: str) -> None:
    with connect(f"{server.ws}{path}", proxy=None, max_size=None) as line:
        line.send(json.dumps(first | {"wav_name": "x" * bounds.MAX_TEXT_FRAME}))
        answer = json.loads(line.recv(60))
        assert answer[field]
        assert "x" * 1000 not in json.dumps(answer)


@pytest.mark.bound("a WebSocket message; closed with 1009")
@pytest.mark.usefixtures("brief_linger")
def test_messages_larger_than_allowed_close_the_connection(server: Running) -> None:
    with connect(f"{server.ws}/", proxy=None, max_size=None, compression=None) as line:
        with contextlib.suppress(ConnectionClosed, ConnectionError):
            # The head of the frame alone: bytes that the server does not read would reset the connection.
            line.socket.sendall(b"\x82\xff" + (bounds.MAX_MESSAGE + 1).to_bytes(8, "big") + bytes(4))
            line.recv(60)
        wait_for(lambda: line.protocol.close_rcvd is not None)
        assert line.protocol.close_rcvd.code == 1009


@pytest.mark.parametrize("data", [b"\xff", b",", b"a=b&", b"\r\n--b\r"])
@pytest.mark.parametrize("name", ["prompt", "keys", "hotwords", "stream"])
def test_huge_fields_do_not_hold_the_event_loop(client: httpx.Client, cities: Path, name: str, data: bytes) -> None:
    body = (data * (1 << 20))[: 1 << 20]
    for path, file in (("/v1/audio/transcriptions", "file"), ("/api/v1/asr", "files")):
        answer = client.post(path, files={file: cities.read_bytes(), name: (None, body)})
        assert answer.status_code in {200, 400}


@pytest.mark.bound("the Content-Type of a form; 400 or the protocol's error")
@pytest.mark.parametrize("parameters", [";" * 10_000, ";a=b" * 2500, ";a*0*=b" * 1500, '; a="' + '\\"' * 5000])
@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/jobs", "/asr", "/stream/v1/asr", "/recognition"])
def test_long_content_types_are_refused(client: httpx.Client, path: str, parameters: str) -> None:
    answer = client.post(path, content=b"a", headers={"content-type": f"multipart/form-data{parameters}"})
    assert "Content-Type is too long" in answer.text


@pytest.mark.bound("head of a request, with its path, query and headers; 400")
@pytest.mark.parametrize(
    "request_",
    [
        f"GET /health?{'a=b&' * 7500} HTTP/1.1\r\nhost: a\r\n\r\n",
        f"POST /asr?{'&' * 60_000} HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\na",
        f"GET /{'a/' * 15_000} HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /health HTTP/1.1\r\nhost: a\r\n" + "a: b\r\n" * 5000 + "\r\n",
        f"GET /health HTTP/1.1\r\nhost: a\r\ncookie: {'a' * 30_000}\r\n\r\n",
    ],
    ids=["query", "separators", "path", "headers", "header"],
)
def test_long_heads_are_refused(server: Running, request_: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.sendall(request_.encode())
        assert line.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_client_that_is_refused_while_it_sends_gets_the_answer(server: Running) -> None:
    """The body behind a head that is too long is not read by the application, but the connection is not reset."""
    head = f"POST /asr?{'a=b&' * 8000} HTTP/1.1\r\nhost: a\r\ncontent-length: 3000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.sendall(head.encode() + bytes(3_000_000))
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"has more than 16 KiB.")


def _reads_body(client: tuple[str, int]) -> bool:
    """Whether the connection of this client is read in larger pieces."""
    found = [each for each in gc.get_objects() if type(each) is uvicorn_protocols.HttpProtocol]
    transports = [each.transport for each in found if each.client == client]
    return any(getattr(transport, "max_size", 0) == bounds.MAX_BODY_READ for transport in transports)


def test_long_heads_behind_a_request_in_work_are_refused(server: Running) -> None:
    """What follows a body is read in larger pieces, and may be a complete head."""
    head = b"POST /asr HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.sendall(head)
        wait_for(lambda: _reads_body(line.getsockname()))
        line.sendall(b"a" + b"GET /health?" + b"a=b&" * 10_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n")
        answers = b"".join(iter(lambda: line.recv(4096), b""))
    assert answers.count(b"HTTP/1.1 ") == 2
    assert answers.endswith(b"has more than 16 KiB.")


def test_a_body_that_is_not_valid_is_refused_while_the_application_reads_it(server: Running) -> None:
    head = "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=b\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.sendall(head.encode() + b"transfer-encoding: chunked\r\n\r\n5\r\n--b\r\n\r\n")
        line.sendall(b"no size\r\n" + bytes(100_000))
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_compressed_messages_are_not_negotiated(server: Running) -> None:
    """A small compressed message could take 16 MiB, and the event loop's time."""
    with connect(f"{server.ws}/", proxy=None, compression="deflate") as line:
        assert line.protocol.extensions == []


def test_long_commands_and_many_tiny_frames_do_not_hold_the_event_loop(server: Running) -> None:
    with connect(f"{server.ws}/", proxy=None, max_size=None) as line:
        line.send("LANGUAGE:" + "x" * (10 << 20))
        assert "too long" in json.loads(line.recv(60))["error"]
    with connect(f"{server.ws}/", proxy=None) as line:
        line.send('{"mode": "2pass", "is_speaking": true}')
        line.socket.sendall(b"\x82\x82\0\0\0\0\0\0" * 20_000)
        line.send('{"is_speaking": false}')
        assert json.loads(line.recv(60))["is_final"]


@pytest.mark.slow
def test_no_message_names_a_path_of_the_server(server: Running, client: httpx.Client) -> None:
    bodies = [
        b"A" * 100_000,
        b"RIFF" + bytes(3000),
        b"OggS" + bytes(3000),
        b"\x1aE\xdf\xa3" + bytes(3000),
        b"fLaC" + b"x" * 999,
    ]
    for body in bodies:
        for path, field in (("/v1/audio/transcriptions", "file"), ("/recognition", "audio"), ("/api/v1/asr", "files")):
            text = client.post(path, files={field: body}).text
            assert tempfile.gettempdir() not in text, text
            assert "request-" not in text, text


@pytest.mark.slow
def test_the_reason_arrives_although_the_whole_message_is_sent(server: Running) -> None:
    with connect(f"{server.ws}/", proxy=None, max_size=None, compression=None) as line:
        line.send(bytes(2 * bounds.MAX_MESSAGE))
        with pytest.raises(ConnectionClosed) as closed:
            line.recv(60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
