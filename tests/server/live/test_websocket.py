"""What all WebSocket paths have in common: the door, the subprotocol, and clients that leave or send nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websockets

from asrcli.server.bounds import MAX_UNREAD
from asrcli.server.http import uvicorn_protocols
from tests.server.conftest import Running

from .conftest import PATIENCE, Client, pcm, plain, silence

START = {"header": {"namespace": "SpeechTranscriber", "name": "StartTranscription", "task_id": "1" * 32}, "payload": {}}


@pytest.fixture(scope="module")
def untrusted(serving: Callable[..., Any]) -> Iterator[Running]:
    with serving(api_keys=("right key",)) as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/ws/v1/asr/qwen"])
def test_without_the_key_the_door_is_shut(talk: Callable[..., Any], untrusted: Running, path: str) -> None:
    async def story(client: Client) -> int:
        return await client.gone()

    assert talk(path, story, to=untrusted) == 4401
    assert talk(f"{path}?token=wrong", story, to=untrusted) == 4401


def test_without_the_key_aliyun_s_paths_speak_aliyun_s_protocol_alone(
    talk: Callable[..., Any], untrusted: Running
) -> None:
    async def aliyun(client: Client) -> tuple[dict[str, dict[str, Any]], int]:
        await client.send_json(START)
        return await client.hear(), await client.gone()

    message, _ = talk("/ws/v1/asr", aliyun, to=untrusted)
    assert (message["header"]["name"], message["header"]["status"]) == ("TaskFailed", 40000001)
    assert message["header"]["task_id"] == "1" * 32

    async def other(client: Client) -> int:
        await client.send_json({"mode": "2pass", "is_speaking": True})
        return await client.gone()

    assert talk("/ws/v1/asr", other, to=untrusted) == 4401


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"Authorization": "Bearer right key"}),
        ("/", {"X-NLS-Token": "right key"}),
        ("/?token=right%20key", {}),
        ("/?x_nls_token=right%20key", {}),
    ],
)
def test_the_key_is_accepted_in_every_place(
    talk: Callable[..., Any], untrusted: Running, path: str, headers: dict[str, Any]
) -> None:
    async def story(client: Client) -> dict[str, Any]:
        await client.send_json({"mode": "2pass", "is_speaking": False})
        return await client.hear()

    assert talk(path, story, to=untrusted, additional_headers=headers)["is_final"]


@pytest.mark.bound("bytes of a WebSocket that the kernel holds; the client waits")
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="finds the server's socket in /proc")
def test_little_is_received_ahead_of_a_ping(talk: Callable[..., Any]) -> None:
    """A client that sends 10 minutes at once was closed by its own time-out: the kernel had megabytes before its ping,
    which a model of five times real time did not take in 20 s.
    """

    async def story(client: Client) -> list[int]:
        await (await client.socket.ping())
        ours = client.socket.local_address
        return [size for peer, size in _received_ahead() if peer == ours]

    (size,) = talk("/v1/listen", story)
    assert size == 2 * MAX_UNREAD  # Linux counts what it needs itself; without a limit it grows with the client's haste


def _received_ahead() -> Iterator[tuple[Any, int]]:
    """(peer, bytes that the kernel may receive ahead) of each socket of this process, in which the server is."""
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile, or not connected
            if path.is_socket():
                with socket.socket(fileno=os.dup(int(path.name))) as line:
                    yield line.getpeername(), line.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def test_websockets_of_other_origins_are_refused(talk: Callable[..., Any], server: Running) -> None:
    async def story(client: Client) -> Any:
        return client.socket.subprotocol

    assert talk("/", story, origin=f"http://127.0.0.1:{server.port}") is None
    with pytest.raises(websockets.InvalidStatus):
        talk("/", story, origin="http://elsewhere.example")


def _aliyun_text(messages: list[dict[str, dict[str, Any]]]) -> str:
    assert [message["header"]["name"] for message in messages].count("SentenceEnd") >= 1
    return " ".join(m["payload"]["result"] for m in messages if m["header"]["name"] == "SentenceEnd")


def _funasr_text(mode: str) -> Callable[..., Any]:
    return lambda messages: "".join(message["text"] for message in messages if message["mode"] == mode)


#: name -> path, messages before the audio, the text in all messages up to the end of the connection
IDLE: dict[str, tuple[str, list[Any], Callable[..., str]]] = {
    "aliyun": ("/ws/v1/asr", [START], _aliyun_text),
    "qwen": ("/ws/v1/asr/qwen", [{"type": "start", "payload": {}}], lambda got: got[-1]["result"]["full_text"]),
    "2pass": ("/", [{"mode": "2pass", "is_speaking": True}], _funasr_text("2pass-offline")),
    "online": ("/", [{"mode": "online", "is_speaking": True}], _funasr_text("online")),
    "offline": ("/", [{"mode": "offline", "is_speaking": True, "wav_format": "pcm"}], _funasr_text("offline")),
    "realtime": ("/", ["START"], lambda got: " ".join(each["text"] for each in got[-1]["sentences"])),
}


@pytest.mark.bound("--idle-timeout")
@pytest.mark.slow
@pytest.mark.parametrize("protocol", IDLE)
def test_an_idle_client_gets_the_results_of_its_audio(
    serving: Callable[..., Any], talk: Callable[..., Any], speech: np.ndarray, protocol: str
) -> None:
    path, first, text_of = IDLE[protocol]

    async def story(client: Client) -> tuple[list[dict[str, Any]], int]:
        for message in first:
            await client.socket.send(message if isinstance(message, str) else json.dumps(message))
        await asyncio.sleep(1)  # twice the timeout: without audio there is none
        audio = pcm(speech[: 16000 * 4])
        await client.play(audio, len(audio))  # in one frame: a slow machine must not make pauses between several
        messages = []
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                messages.append(await client.hear())
        return messages, client.socket.close_code

    with serving(idle_timeout=0.5) as server:
        messages, code = talk(path, story, to=server)
    assert "best of times" in plain(text_of(messages))
    assert code in {1000, 1008}


def until_no_session_is_open(server: Running) -> None:
    """A connection ends some time after its client has gone, and its session after that."""
    deadline = time.monotonic() + PATIENCE
    with server.client() as http:
        while "asrcli_live_sessions 0.0" not in http.get("/metrics").text or server.app.state.live._open:
            assert time.monotonic() < deadline


def test_clients_that_disconnect_leave_nothing_behind(
    server: Running, talk: Callable[..., Any], speech: np.ndarray
) -> None:
    async def leave() -> None:
        for first in ({"mode": "2pass", "is_speaking": True}, {"mode": "offline", "is_speaking": True}, START):
            async with websockets.connect(server.ws + "/", ping_interval=None) as socket:
                await socket.send(json.dumps(first))
                await socket.send(pcm(speech[: 16000 * 3]))
                socket.transport.abort()
        append = {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm(speech[: 16000 * 3])).decode()}
        for path, frame in (
            ("realtime", json.dumps(append)),
            ("listen?sample_rate=16000&encoding=linear16", bytes(9600)),
        ):
            async with websockets.connect(f"{server.ws}/v1/{path}", ping_interval=None) as socket:
                await socket.send(frame)
                socket.transport.abort()

    asyncio.run(leave())

    async def story(client: Client) -> list[dict[str, Any]]:
        await client.send_json({"mode": "2pass", "wav_name": "after", "is_speaking": True})
        await client.play(pcm(speech[: 16000 * 4]) + silence(1))
        await client.send_json({"is_speaking": False})
        return await client.hear_until(lambda message: message["is_final"])

    heard = talk("/", story)
    text = "".join(message["text"] for message in heard if message["mode"] == "2pass-offline")
    assert plain(text).startswith("it was the best of times")
    until_no_session_is_open(server)


@pytest.mark.bound("--max-sessions")
def test_sessions_are_bounded(serving: Callable[..., Any], talk: Callable[..., Any]) -> None:
    async def full(client: Client) -> tuple[dict[str, Any], bool]:
        async with websockets.connect(f"{server.ws}/", ping_interval=None) as other:
            await other.send(json.dumps({"mode": "2pass", "wav_name": "other", "is_speaking": True}))
            await other.send(silence(0.5))
            await asyncio.to_thread(opened)
            await client.send_json(START)
            refused = (await client.hear())["header"]
            await other.send(json.dumps({"is_speaking": False}))
            return refused, json.loads(await other.recv())["is_final"]

    def opened() -> None:
        deadline = time.monotonic() + PATIENCE
        while not server.app.state.live._open:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    async def again(client: Client) -> dict[str, Any]:
        await client.send_json(START)
        return (await client.hear())["header"]

    with serving(max_sessions=1) as server:
        refused, served = talk("/ws/v1/asr", full, to=server)
        assert (refused["name"], refused["status"], served) == ("TaskFailed", 40000005, True)
        until_no_session_is_open(server)
        assert talk("/ws/v1/asr", again, to=server)["name"] == "TranscriptionStarted"


def test_simultaneous_streams_get_their_own_texts(server: Running, speech: np.ndarray) -> None:
    async def one(number: int) -> str:
        start = 16000 * (0, 5)[number % 2]
        async with websockets.connect(server.ws + "/", ping_interval=None) as socket:
            client = Client(socket)
            await client.send_json({"mode": "2pass", "wav_name": str(number), "is_speaking": True})
            await client.play(pcm(speech[start : start + 16000 * 4]))
            await client.send_json({"is_speaking": False})
            heard = await client.hear_until(lambda message: message["is_final"])
        assert {message["wav_name"] for message in heard} == {str(number)}
        return plain("".join(message["text"] for message in heard if message["mode"] == "2pass-offline"))

    async def all_at_once() -> list[str]:
        return await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(6))), 2 * PATIENCE)

    texts = asyncio.run(all_at_once())
    assert all(text.startswith("it was the best of times") for text in texts[::2])
    assert all("foolishness" in text for text in texts[1::2])


@pytest.mark.bound("a client that does not read; the connection is closed")
def test_a_client_that_never_reads_is_disconnected(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn_protocols, "WRITE_TIMEOUT", 0.5)

    async def shout(server: Running) -> None:
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", server.port))
        line.setblocking(False)
        options: dict[str, Any] = {"sock": line, "max_queue": 1, "ping_interval": None, "compression": None}
        async with websockets.connect(f"{server.ws}/", **options) as deaf:
            words = "HOTWORDS:" + ",".join(f"word{number}".ljust(90, "x") for number in range(1000))
            with contextlib.suppress(websockets.ConnectionClosed, ConnectionError):
                for _ in range(200):  # each is answered, at length
                    await asyncio.wait_for(deaf.send(words), PATIENCE)
                raise AssertionError("the connection was kept")

    with serving() as server:
        asyncio.run(shout(server))
        until_no_session_is_open(server)


@pytest.mark.bound("--max-duration")
def test_a_stream_and_a_directive_have_bounds(
    serving: Callable[..., Any], talk: Callable[..., Any], speech: np.ndarray
) -> None:
    async def endless(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        await client.send_json({"mode": "2pass", "wav_name": "a", "is_speaking": True})
        await client.play(silence(5))
        failed = await client.hear()
        await client.send_json({"is_speaking": False})
        await client.send_json({"mode": "2pass", "wav_name": "b", "is_speaking": True})
        await client.play(silence(2))
        await client.send_json({"is_speaking": False})
        return failed, await client.hear()

    with serving(max_duration=3) as server:
        failed, after = talk("/", endless, to=server)
        assert (failed["is_final"], "longer than 3 s" in failed["error"]) == (True, True)
        assert (after["wav_name"], after["is_final"], "error" in after) == ("b", True, False)

        async def wordy(client: Client) -> int:
            await client.send_json(START | {"padding": "x" * (2 << 20)})
            return (await client.hear())["header"]["status"]

        assert talk("/ws/v1/asr", wordy, to=server) == 40000002
