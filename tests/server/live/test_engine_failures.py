"""The engine's process ends at each decode: every live protocol answers, also a client that has become idle."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from wyoming.asr import Transcribe
from wyoming.audio import AudioStop

from tests.server.conftest import MODEL, Running
from tests.server.http.test_limits import CRASHES

from .conftest import PATIENCE, Client, pcm, plain
from .test_not_samples import FRAMES, OPENAI
from .test_openai_realtime import COMMIT, TRANSCRIPTION, append, is_transcribed, quiet
from .test_wyoming import connected, events_until, play


@pytest.fixture(scope="module")
def server(serving: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "crashing_service.py").write_text(CRASHES)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # before the engine's process starts
        with serving(wyoming_port=1) as found:
            pool = found.app.state.pool
            pool.serve(replace(pool.spec(None), name="crashing"), "crashing_service:load")
            yield found


@pytest.fixture
def soon_idle(server: Running) -> Iterator[None]:
    """Only for clients that send audio in one frame: a slow machine makes pauses between several."""
    settings = server.app.state.settings
    server.app.state.settings = replace(settings, idle_timeout=0.5)
    yield
    server.app.state.settings = settings


@pytest.mark.slow
@pytest.mark.parametrize("ends", [True, False], ids=["ended", "idle"])
@pytest.mark.parametrize("protocol", [*FRAMES, "openai"])
def test_every_protocol_answers(
    talk: Callable[..., Any], speech: np.ndarray, request: pytest.FixtureRequest, protocol: str, ends: bool
) -> None:
    if not ends:
        request.getfixturevalue("soon_idle")
    path, start, end = FRAMES.get(protocol, OPENAI)
    audio: list[Any] = [pcm(speech[: 16000 * 2])]
    if protocol == "openai":
        audio = [{"type": "input_audio_buffer.append", "audio": base64.b64encode(audio[0]).decode()}]

    async def story(client: Client) -> str:
        found = ""
        for frame in [*start, *audio, *(end if ends else ())]:
            await client.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))
        while "exit status 255" not in found:
            found = str(await asyncio.wait_for(client.socket.recv(), PATIENCE))
        return found

    found = talk(path + ("&" if "?" in path else "?") + "model=crashing", story)
    assert "error" in found or "Error" in found or "TaskFailed" in found


@pytest.mark.slow
@pytest.mark.parametrize("turns", [True, False], ids=["vad", "committed"])
@pytest.mark.parametrize("pause", [0.0, 1.5], ids=["in speech", "after a pause"])
def test_openai_gets_one_failure_for_each_item(
    talk: Callable[..., Any], said: bytes, turns: bool, pause: float
) -> None:
    session: dict[str, Any] = {"audio": {"input": {"transcription": {"model": "crashing"}}}}
    session |= {} if turns else {"audio": {"input": {"turn_detection": None, **session["audio"]["input"]}}}

    async def story(client: Client) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        await client.send_json({"type": "session.update", "session": session})
        await append(client, said + quiet(pause))
        await client.send_json(COMMIT)
        await client.send_json({"type": "input_audio_buffer.clear"})
        found = await client.hear_until(lambda message: message["type"] == "input_audio_buffer.cleared")
        other = {"audio": {"input": {"transcription": {"model": MODEL}, "turn_detection": None}}}
        await client.send_json({"type": "session.update", "session": other})
        await append(client, said)
        await client.send_json(COMMIT)
        return found, (await client.hear_until(is_transcribed))[-1]

    found, after = talk(OPENAI[0], story)
    results = [message for message in found if is_transcribed(message)]
    items = [message["item_id"] for message in found if message["type"] == "input_audio_buffer.committed"]
    assert [message["item_id"] for message in results] == items
    failed = [message["error"] for message in results if message["type"] == TRANSCRIPTION + "failed"]
    assert [error["code"] for error in failed] == ["engine_error"]
    assert "exit status 255" in failed[0]["message"]
    assert plain(after["transcript"]).startswith("it was the best of times")


@pytest.mark.slow
@pytest.mark.parametrize("turns", [True, False], ids=["vad", "committed"])
def test_openai_gets_a_failure_for_each_item_of_a_model_that_is_given_up(
    talk: Callable[..., Any], said: bytes, turns: bool
) -> None:
    session: dict[str, Any] = {"audio": {"input": {"transcription": {"model": "crashing"}}}}
    session |= {} if turns else {"audio": {"input": {"turn_detection": None, **session["audio"]["input"]}}}

    async def story(client: Client) -> list[dict[str, Any]]:
        await client.send_json({"type": "session.update", "session": session})
        results = []
        for _ in range(5):
            await append(client, said)
            await client.send_json(COMMIT)
            results.append((await client.hear_until(is_transcribed))[-1])
        return results

    results = talk(OPENAI[0], story)  # the third ends the model's chances, and the next session loads it again
    assert [message["type"] for message in results] == [TRANSCRIPTION + "failed"] * 5
    assert {message["error"]["code"] for message in results} == {"engine_error"}
    assert all("exit status 255" in message["error"]["message"] for message in results)


@pytest.mark.slow
def test_realtime_answers_stop_after_a_failure(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> list[dict[str, Any]]:
        frames: list[str | bytes] = ["START", pcm(speech[: 16000 * 2]), "STOP"]
        for frame in frames:
            await client.socket.send(frame)
        return await client.hear_until(lambda message: message.get("event") == "stopped")

    assert sum(message.get("event") == "error" for message in talk("/?model=crashing", story)) == 1


@pytest.mark.usefixtures("soon_idle")
def test_an_idle_client_whose_container_cannot_be_decoded(talk: Callable[..., Any]) -> None:
    async def story(client: Client) -> tuple[dict[str, Any], int]:
        await client.socket.send(b"OggS" + bytes(range(256)) * 8)
        return await client.hear(), await client.gone()

    message, code = talk("/v1/listen", story)
    assert (message["type"], code) == ("Error", 1000)


def test_wyoming(server: Running, speech: np.ndarray) -> None:
    async def run() -> list[Any]:
        async with connected(server) as client:
            await client.write_event(Transcribe(name="crashing").event())
            await play(client, pcm(speech[: 16000 * 2]))
            await client.write_event(AudioStop().event())
            return await events_until(client, "transcript-stop")

    assert asyncio.run(run())[-1].type == "error"
