"""The Wyoming port with Home Assistant's own client, and with clients that no server should trust."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from asrcli.server.http import uvicorn_protocols
from asrcli.server.protocols.wyoming import events
from tests.server.conftest import MODEL, Running, SlowReader

from .conftest import PATIENCE, pcm, plain

BYTES = 2048


@pytest.fixture(scope="module")
def server(serving: Callable[..., Any]) -> Iterator[Running]:
    with serving(wyoming_port=1, preload=(MODEL,)) as found:
        yield found


@asynccontextmanager
async def connected(server: Running, host: str = "127.0.0.1") -> AsyncIterator[AsyncTcpClient]:
    async with AsyncTcpClient(host, server.wyoming_port, read_timeout=PATIENCE) as client:
        yield client


async def play(client: AsyncTcpClient, data: bytes, rate: int = 16000, width: int = 2, channels: int = 1) -> None:
    await client.write_event(AudioStart(rate, width, channels).event())
    for start in range(0, len(data), BYTES):
        await client.write_event(AudioChunk(rate, width, channels, data[start : start + BYTES]).event())


async def events_until(client: AsyncTcpClient, last: str) -> list[Event]:
    """All events up to one of a kind, or to the end of the connection."""
    found: list[Event] = []
    while (event := await client.read_event()) is not None:
        found.append(event)
        if event.type == last:
            break
    return found


async def transcript_of(client: AsyncTcpClient, data: bytes, **form: int) -> str:
    await play(client, data, **form)
    await client.write_event(AudioStop().event())
    found = {event.type: event for event in await events_until(client, "transcript-stop")}
    return plain(Transcript.from_event(found["transcript"]).text)


def test_the_server_describes_its_models(server: Running) -> None:
    async def run() -> tuple[Info, Pong]:
        async with connected(server) as client:
            await client.write_event(Describe().event())
            info = Info.from_event(await client.read_event())
            await client.write_event(Event("synthesize", {"text": "ignored"}, b"also ignored"))
            await client.write_event(Ping("a").event())
            return info, Pong.from_event(await client.read_event())

    info, pong = asyncio.run(run())
    [program] = info.asr
    assert (program.name, program.installed, program.supports_transcript_streaming) == ("asrcli", True, True)
    assert program.models[0].name == MODEL
    assert program.models[0].languages == ["en"]
    assert pong.text == "a"


def test_sentences_are_sent_while_the_recording_continues(server: Running, speech: np.ndarray) -> None:
    async def run() -> tuple[list[Event], list[Event], str]:
        async with connected(server) as client:
            await client.write_event(Transcribe(name=MODEL, language="en-US").event())
            await play(client, pcm(speech[: 16000 * 4]) + bytes(32000 * 2))
            first = await events_until(client, "transcript-chunk")
            await play_more(client, pcm(speech[16000 * 5 : 16000 * 9]))
            await client.write_event(AudioStop().event())
            rest = await events_until(client, "transcript-stop")
            return first, rest, await transcript_of(client, pcm(speech[: 16000 * 4]))

    async def play_more(client: AsyncTcpClient, data: bytes) -> None:
        await client.write_event(AudioChunk(16000, 2, 1, data).event())

    first, rest, again = asyncio.run(run())
    assert [event.type for event in first] == ["transcript-start", "transcript-chunk"]
    assert [event.type for event in rest[-2:]] == ["transcript", "transcript-stop"]
    chunks = [TranscriptChunk.from_event(event).text for event in first + rest if event.type == "transcript-chunk"]
    whole = Transcript.from_event(rest[-2])
    assert whole.text == "".join(chunks)
    assert plain(whole.text).startswith("it was the best of times")
    assert "foolishness" in plain(whole.text)
    assert whole.language == "en"
    assert again.startswith("it was the best of times")


@pytest.mark.parametrize(("rate", "width", "channels"), [(8000, 1, 1), (48000, 2, 2), (22050, 3, 1), (44100, 4, 2)])
def test_every_form_of_samples(server: Running, speech: np.ndarray, rate: int, width: int, channels: int) -> None:
    at = np.arange(0, 4, 1 / rate) * 16000
    samples = np.repeat(np.interp(at, np.arange(16000 * 4), speech[: 16000 * 4])[:, None], channels, axis=1)
    scale = 2 ** (8 * width - 1) - 1
    if width == 1:
        data = (samples * scale + 128).astype(np.uint8).tobytes()
    else:
        wide = (samples * scale).astype("<i4")
        data = np.ascontiguousarray(wide.view(np.uint8).reshape(-1, 4)[:, :width]).tobytes()

    async def run() -> str:
        async with connected(server) as client:
            return await transcript_of(client, data, rate=rate, width=width, channels=channels)

    assert "best of times" in asyncio.run(run())


def test_a_recording_without_audio_has_an_empty_transcript(server: Running) -> None:
    async def run() -> list[str]:
        async with connected(server) as client:
            await client.write_event(AudioStop().event())
            return [await transcript_of(client, b""), await transcript_of(client, bytes(32000))]

    async def stop_alone() -> list[str]:
        async with connected(server) as client:
            await client.write_event(AudioStop().event())
            return [event.type for event in await events_until(client, "transcript-stop")]

    assert asyncio.run(stop_alone()) == ["transcript-start", "transcript", "transcript-stop"]
    assert asyncio.run(run()) == ["", ""]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Transcribe(name="no such model").event(), "model_not_found"),
        (Transcribe(language="tlh").event(), "unsupported_language"),
        (Transcribe(language="no language").event(), "invalid_request"),
        (Event("transcribe", {"transcript_terms": ["x" * 200]}), "invalid_request"),
        (Event("audio-chunk", {"rate": 10**400, "width": 2, "channels": 1}, b"ab"), "invalid_request"),
    ],
)
def test_what_cannot_be_served_is_an_error_and_the_end(server: Running, event: Event, code: str) -> None:
    async def run() -> list[Event]:
        async with connected(server) as client:
            await client.write_event(event)
            await client.write_event(AudioStart(16000, 2, 1).event())
            return await events_until(client, "nothing")

    found = asyncio.run(run())
    assert [each.type for each in found] == ["error"]
    assert found[0].data["code"] == code


JUNK = {
    "http": b"POST / HTTP/1.1\r\nhost: x\r\n\r\n" + b'{"type":"describe"}\n',
    "not an object": b"[]\n",
    "no type": b"{}\n",
    "type": b'{"type": 1}\n',
    "data": b'{"type": "ping", "data": [1]}\n',
    "data is no object": b'{"type": "ping", "data_length": 2}\n[]',
    "negative": b'{"type": "ping", "payload_length": -1}\n',
    "length is no number": b'{"type": "ping", "payload_length": "1"}\n',
    "long line": b'{"type": "' + b"x" * 200_000 + b'"}\n',
    "long data": b'{"type": "ping", "data_length": 300000}\n',
    "long payload": b'{"type": "ping", "payload_length": 99999999999}\n',
    "deep": b'{"type": "ping", "data": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}\n",
    "bytes": b"\x00\xff\xfe\n",
    "surrogate": b'{"type": "ping", "data": {"text": "\\ud800"}}\n[]\n',
}


@pytest.mark.bound("first line, data and payload of a Wyoming event; its `error`")
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_ends_the_connection_with_an_error(server: Running, junk: bytes, speech: np.ndarray) -> None:
    async def run() -> list[dict[str, Any]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.wyoming_port)
        writer.write(junk)
        data = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        return [json.loads(line) for line in data.replace(b"}{", b"}\n{").splitlines()]

    found = asyncio.run(run())
    assert "error" in [each.get("type") for each in found]
    assert "info" not in [each.get("type") for each in found]


@pytest.mark.bound("head of a request, a Wyoming event; the connection is closed")
def test_an_incomplete_event_has_a_time_limit(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEAD_TIMEOUT", 0.2)

    async def run(start: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.wyoming_port)
        writer.write(start)
        data = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        return data

    chunk = b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}, "payload_length": 100}\nab'
    for start in (b'{"type": ', b'{"type": "ping", "data_length": 9}\n{', chunk):
        assert b"timeout" in asyncio.run(run(start))


def test_an_idle_client_gets_the_results_of_its_audio(serving: Callable[..., Any], speech: np.ndarray) -> None:
    async def run(server: Running) -> list[Event]:
        async with connected(server) as client:
            # In one event: a slow machine must not make pauses between several.
            await client.write_event(AudioChunk(16000, 2, 1, pcm(speech[: 16000 * 4])).event())
            return await events_until(client, "nothing")

    with serving(wyoming_port=1, idle_timeout=0.5) as server:
        found = asyncio.run(run(server))
    assert [event.type for event in found[-2:]] == ["transcript", "transcript-stop"]
    assert "best of times" in plain(found[-2].data["text"])


def test_the_end_of_the_server_ends_recordings_with_their_results(
    serving: Callable[..., Any], speech: np.ndarray
) -> None:
    async def run(server: Running) -> list[Event]:
        async with connected(server) as client:
            await play(client, pcm(speech[: 16000 * 4]) + bytes(32000 * 2))
            first = await events_until(client, "transcript-chunk")
            server.stop()
            return first + await events_until(client, "nothing")

    with serving(wyoming_port=1) as server:
        found = asyncio.run(run(server))
    assert "best of times" in plain(found[-2].data["text"])


def test_clients_that_disconnect_leave_nothing_behind(server: Running, speech: np.ndarray) -> None:
    async def run() -> None:
        for cut in (b"", b'{"type": "audio-ch', b'{"type": "audio-chunk", "data_length": 100}\n{'):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.wyoming_port)
            start = b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}\n'
            writer.write(start + cut)
            await writer.drain()
            writer.transport.abort()
            del reader

    asyncio.run(run())
    with server.client() as http:
        deadline = time.monotonic() + PATIENCE
        # A session ends after its connection.
        while "asrcli_live_sessions 0.0" not in http.get("/metrics").text or server.app.state.live._open:
            assert time.monotonic() < deadline


def test_with_keys_only_this_machine_and_named_networks_may_connect(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from asrcli.server.protocols.wyoming import listener

    def codes(**settings: Any) -> list[str]:
        async def run(running: Running) -> list[str]:
            async with connected(running) as client:
                await client.write_event(Ping("a").event())
                return [event.data.get("code", event.type) for event in await events_until(client, "pong")]

        with serving(wyoming_port=1, **settings) as found:
            return asyncio.run(run(found))

    assert codes(api_keys=("key",)) == ["pong"]
    # The address of another machine.
    monkeypatch.setattr(listener, "unmapped", lambda client: ("192.0.2.7", client[1]))
    assert codes() == ["pong"]
    assert codes(api_keys=("key",)) == ["forbidden"]
    assert codes(wyoming_networks=("198.51.100.0/24",)) == ["forbidden"]
    assert codes(api_keys=("key",), wyoming_networks=("192.0.2.0/24",)) == ["pong"]


@pytest.mark.bound("open connections; 503")
def test_connections_and_sessions_are_bounded(serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(server: Running) -> tuple[list[Event], list[Event]]:
        async with connected(server) as first, connected(server) as second:
            await play(first, bytes(3200))
            await first.write_event(Ping("a").event())
            await first.read_event()
            await play(second, bytes(3200))
            session = await events_until(second, "nothing")
            monkeypatch.setattr(uvicorn_protocols, "MAX_CONNECTIONS", 1)
            async with connected(server) as third:
                return session, await events_until(third, "nothing")

    with serving(wyoming_port=1, max_sessions=1) as server:
        session, connection = asyncio.run(run(server))
        monkeypatch.undo()
    assert [event.data["code"] for event in session + connection] == ["rate_limit_exceeded"] * 2


@pytest.mark.bound("a client that does not read; the connection is closed")
def test_a_client_that_never_reads_is_disconnected(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "WRITE_TIMEOUT", 0.3)

    async def run() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.wyoming_port, limit=1024)
        ping = json.dumps({"type": "ping", "data": {"text": "x" * 30_000}}).encode() + b"\n"
        with suppress(ConnectionError):
            for _ in range(2000):
                writer.write(ping)
                await asyncio.wait_for(writer.drain(), PATIENCE)
            raise AssertionError("the connection was kept")

    asyncio.run(run())


@pytest.mark.slow
def test_a_client_that_reads_slowly_gets_all_answers(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = SlowReader.watch(monkeypatch, events)
    text, count, received = "x" * 200_000, 40, 0
    data = json.dumps({"text": text}).encode()
    ping = b'{"type": "ping", "data_length": %d}\n' % len(data) + data
    with SlowReader.connect(server.wyoming_port) as line:
        reader = SlowReader(line)
        sender = threading.Thread(target=line.sendall, args=(ping * count,))
        sender.start()
        while received < len(text) * count:
            piece = reader.read()
            assert piece, f"closed after {received} bytes"
            received += len(piece)
        sender.join()
    assert len(looks) > count + 2  # one for each answer, and two for each time at which it looks again
