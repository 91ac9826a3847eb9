"""`/v1/realtime?intent=transcription` with the openai package and with raw clients."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import openai
import pytest
import websockets

from tests.server.conftest import Running

from .conftest import PATIENCE, Client, pcm, plain

PATH = "/v1/realtime?intent=transcription"
APPEND = "input_audio_buffer.append"
COMMIT: dict[str, Any] = {"type": "input_audio_buffer.commit"}
TRANSCRIPTION = "conversation.item.input_audio_transcription."


def quiet(seconds: float) -> bytes:
    return bytes(round(24000 * seconds) * 2)


async def append(client: Client, data: bytes, step: int = 9600) -> None:
    for start in range(0, len(data), step):
        await client.send_json({"type": APPEND, "audio": base64.b64encode(data[start : start + step]).decode()})


def is_transcribed(message: dict[str, Any]) -> bool:
    return message["type"] in {TRANSCRIPTION + "completed", TRANSCRIPTION + "failed", "error"}


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    """Types in order, the repeated ones once."""
    return list(dict.fromkeys(message["type"].removeprefix("conversation.item.") for message in messages))


def test_settings_of_voice_detection_that_are_null_keep_their_defaults(talk: Callable[..., Any]) -> None:
    async def story(client: Client) -> dict[str, Any]:
        await client.hear()
        detection = {"type": None, "threshold": None, "prefix_padding_ms": None, "silence_duration_ms": None}
        session = {"type": "transcription", "audio": {"input": {"turn_detection": detection}}}
        await client.send_json({"type": "session.update", "session": session})
        return await client.hear()

    updated = talk(PATH, story)
    expected = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
    assert updated["session"]["audio"]["input"]["turn_detection"] == expected


def test_the_sdk_gets_a_sentence_for_each_pause(server: Running, said: bytes) -> None:
    async def run() -> list[Any]:
        url = f"{server.ws}/v1"
        client = openai.AsyncOpenAI(base_url=f"{server.url}/v1", websocket_base_url=url, api_key="any", max_retries=0)
        extra: Any = {"intent": "transcription"}
        options = cast("Any", {"proxy": None})
        async with client, client.realtime.connect(extra_query=extra, websocket_connection_options=options) as found:
            events = [await found.recv()]
            await found.session.update(
                session={
                    "type": "transcription",
                    "audio": {
                        "input": {
                            "format": {"type": "audio/pcm", "rate": 24000},
                            "transcription": {"model": "gpt-4o-transcribe", "language": "en", "prompt": "x"},
                            "turn_detection": {"type": "server_vad", "silence_duration_ms": 600},
                        }
                    },
                }
            )
            events.append(await found.recv())
            for start in range(0, len(said), 9600):
                await found.input_audio_buffer.append(audio=base64.b64encode(said[start : start + 9600]).decode())
            await found.input_audio_buffer.append(audio=base64.b64encode(quiet(1.5)).decode())
            while events[-1].type != TRANSCRIPTION + "completed":
                events.append(await asyncio.wait_for(found.recv(), PATIENCE))
            return events

    events = asyncio.run(run())
    created, updated, *rest = events
    assert (created.type, updated.type) == ("session.created", "session.updated")
    assert (created.session.type, created.session.audio.input.format.rate) == ("transcription", 24000)
    assert updated.session.audio.input.turn_detection.silence_duration_ms == 600
    assert updated.session.audio.input.transcription.language == "en"
    found = list(dict.fromkeys(event.type for event in rest if not event.type.endswith("delta")))
    assert found == [
        "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed",
        "conversation.item.added", "conversation.item.done", TRANSCRIPTION + "completed",
    ]  # fmt: skip
    started, stopped = rest[0], next(each for each in rest if each.type.endswith("speech_stopped"))
    assert {event.item_id for event in rest if hasattr(event, "item_id")} == {started.item_id}
    assert started.audio_start_ms < 1500
    assert 3000 < stopped.audio_end_ms < 5000
    assert rest[-1].usage.type == "duration"
    assert plain(rest[-1].transcript).startswith("it was the best of times")
    deltas = "".join(event.delta for event in rest if event.type.endswith("delta"))
    assert plain(deltas) == plain(rest[-1].transcript)


def test_a_client_without_voice_detection_commits(talk: Callable[..., Any], said: bytes) -> None:
    async def story(client: Client) -> list[list[dict[str, Any]]]:
        await client.hear()
        await client.send_json({"type": "session.update", "session": {"audio": {"input": {"turn_detection": None}}}})
        found = [[await client.hear()]]
        for _ in range(2):
            await append(client, said + quiet(1.5))
            await client.send_json(COMMIT)
            found.append(await client.hear_until(is_transcribed))
        await append(client, quiet(0.5))
        await client.send_json(COMMIT)
        return [*found, await client.hear_until(is_transcribed)]

    [updated], first, second, silent = talk(PATH, story)
    assert updated["session"]["audio"]["input"]["turn_detection"] is None
    for messages in (first, second):
        assert kinds(messages) == [
            "input_audio_buffer.committed", "added", "done", "input_audio_transcription.delta",
            "input_audio_transcription.completed",
        ]  # fmt: skip
        assert plain(messages[-1]["transcript"]).startswith("it was the best of times")
    assert first[0]["previous_item_id"] is None
    assert second[0]["previous_item_id"] == first[0]["item_id"]
    assert first[-1]["usage"] == {"type": "duration", "seconds": 5.5}
    assert silent[-1]["transcript"] == ""


@pytest.mark.parametrize("name", ["pcm16", "g711_ulaw", "g711_alaw"])
def test_the_beta_shape_and_its_formats(talk: Callable[..., Any], speech: np.ndarray, said: bytes, name: str) -> None:
    samples = said + quiet(1.5)
    if name != "pcm16":
        audioop = pytest.importorskip("audioop")
        narrow = pcm(speech[: 16000 * 4 : 2]) + bytes(8000 * 3)
        samples = audioop.lin2ulaw(narrow, 2) if name == "g711_ulaw" else audioop.lin2alaw(narrow, 2)

    async def story(client: Client) -> list[dict[str, Any]]:
        created = await client.hear()
        settings = {
            "input_audio_format": name,
            "input_audio_transcription": {"model": "whisper-1", "language": ""},
            "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300},
            "input_audio_noise_reduction": {"type": "near_field"},
        }
        await client.send_json({"type": "transcription_session.update", "session": settings})
        updated = await client.hear()
        await append(client, samples)
        return [created, updated, *await client.hear_until(is_transcribed)]

    created, updated, *rest = talk(PATH, story, additional_headers={"OpenAI-Beta": "realtime=v1"})
    assert (created["type"], updated["type"]) == ("transcription_session.created", "transcription_session.updated")
    assert (created["session"]["input_audio_format"], updated["session"]["input_audio_format"]) == ("pcm16", name)
    assert "created" in kinds(rest)
    assert "added" not in kinds(rest)
    assert "best of times" in plain(rest[-1]["transcript"])


def test_committing_and_clearing_within_speech(talk: Callable[..., Any], said: bytes) -> None:
    async def story(client: Client) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        await client.hear()
        await append(client, said)
        await client.send_json(COMMIT)
        committed = await client.hear_until(is_transcribed)
        await append(client, said)
        await client.send_json({"type": "input_audio_buffer.clear"})
        cleared = await client.hear_until(lambda message: message["type"] == "input_audio_buffer.cleared")
        await append(client, quiet(0.5) + said)
        await client.send_json(COMMIT)
        return committed, cleared, await client.hear_until(is_transcribed)

    committed, cleared, again = talk(PATH, story)
    assert plain(committed[-1]["transcript"]).startswith("it was the best of times")
    assert "input_audio_buffer.committed" not in kinds(cleared)
    assert plain(again[-1]["transcript"]).startswith("it was the best of times")
    assert 8500 <= again[0]["audio_start_ms"] < 10500, "milliseconds of all audio of the connection"


def test_events_that_are_not_valid_are_errors_with_their_id(talk: Callable[..., Any], said: bytes) -> None:
    update = {"type": "session.update", "session": {}}
    turns: Any = {"type": "server_vad", "threshold": 2}
    wrong: list[tuple[Any, str, str | None]] = [
        ("{", "invalid_request", None),
        (b"ab", "invalid_request", None),
        ('{"type": "session.update", "session": {"include": [' + "1," * (1 << 20) + "1]}}", "invalid_request", None),
        ({"type": "response.create"}, "invalid_request", "type"),
        ({"type": APPEND, "audio": "~~~"}, "invalid_request", None),
        ({"type": APPEND}, "invalid_request", "audio"),
        (COMMIT, "input_audio_buffer_commit_empty", None),
        (update | {"session": {"type": "realtime"}}, "invalid_request", "session.type"),
        (update | {"session": {"input_audio_format": "mp3"}}, "invalid_request", "format"),
        (update | {"session": {"turn_detection": turns}}, "invalid_request", "threshold"),
        (update | {"session": {"input_audio_transcription": {"language": "tlh"}}}, "unsupported_language", "language"),
        (update | {"session": {"input_audio_transcription": {"model": "none"}}}, "model_not_found", "model"),
    ]

    async def story(client: Client) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        await client.hear()
        found = []
        for event, _, _ in wrong:
            named = json.dumps(event | {"event_id": "mine"}) if isinstance(event, dict) else event
            await client.socket.send(named)
            found.append(await client.hear())
        await append(client, said)
        await client.send_json(COMMIT)
        return found, (await client.hear_until(is_transcribed))[-1]

    found, last = talk(PATH, story)
    for message, (event, code, param) in zip(found, wrong, strict=True):
        error = message["error"]
        assert (message["type"], error["code"], error["param"]) == ("error", code, param), (event, error)
        assert error["event_id"] == ("mine" if isinstance(event, dict) else None)
    assert plain(last["transcript"]).startswith("it was the best of times")


def test_an_idle_client_gets_the_results_of_its_audio(
    serving: Callable[..., Any], talk: Callable[..., Any], said: bytes
) -> None:
    def story(settings: dict[str, Any]) -> Callable[..., Any]:
        async def told(client: Client) -> tuple[str, int]:
            await client.hear()
            await client.send_json({"type": "session.update", "session": settings})
            await client.hear()
            await append(client, said, len(said))  # at once: a slow machine must not make pauses between several frames
            last = (await client.hear_until(is_transcribed))[-1]
            return plain(last["transcript"]), await client.gone()

        return told

    with serving(idle_timeout=0.5) as server:
        for settings in ({}, {"turn_detection": None}):
            text, code = talk(PATH, story(settings), to=server)
            assert "best of times" in text
            assert code == 1008


def test_keys_are_checked_in_the_handshake(serving: Callable[..., Any], talk: Callable[..., Any]) -> None:
    async def story(client: Client) -> tuple[str, str | None]:
        return (await client.hear())["type"], client.socket.subprotocol

    with serving(api_keys=("right",), max_sessions=1) as server:
        for options in (
            {},
            {"additional_headers": {"Authorization": "Bearer wrong"}},
            {"subprotocols": ["realtime", "openai-insecure-api-key.wrong"]},
        ):
            with pytest.raises(websockets.InvalidStatus) as refused:
                talk(PATH, story, to=server, **options)
            assert refused.value.response.status_code == 401
        assert talk(PATH, story, to=server, additional_headers={"Authorization": "Bearer right"}) == (
            "session.created",
            None,
        )
        browser = ["realtime", "openai-insecure-api-key.right", "openai-beta.realtime-v1"]
        assert talk(PATH, story, to=server, subprotocols=browser) == ("transcription_session.created", "realtime")
        with pytest.raises(websockets.InvalidStatus):
            talk(PATH, story, to=server, subprotocols=browser, origin="http://elsewhere.example")


def test_one_stream_too_many_and_one_that_is_too_long_are_errors(
    serving: Callable[..., Any], talk: Callable[..., Any]
) -> None:
    async def story(client: Client) -> tuple[dict[str, Any], int]:
        await client.hear()
        await append(client, quiet(6))
        return await client.hear(), await client.gone()

    with serving(max_duration=3) as server:
        message, code = talk(PATH, story, to=server)
        assert (message["error"]["code"], code) == ("too_large", 1000)
        server.app.state.live._open = 10**6
        message, code = talk(PATH, story, to=server)
        server.app.state.live._open = 0
    assert (message["error"]["code"], message["error"]["type"], code) == (
        "rate_limit_exceeded",
        "rate_limit_error",
        1000,
    )
