"""`/v1/listen` with Deepgram's own package and with raw clients."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import websockets
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment

from asrcli.audio.ffmpeg.process import find_ffmpeg
from tests.server.conftest import Running

from .conftest import PATIENCE, Client, pcm, plain, silence

#: the package uses deprecated names of websockets
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
RAW = "encoding=linear16&sample_rate=16000"
CLOSE = {"type": "CloseStream"}


def sdk(server: Running, http: httpx.AsyncClient | None = None) -> AsyncDeepgramClient:
    places = DeepgramClientEnvironment(base=server.url, production=server.ws, agent=server.ws, agent_rest=server.url)
    return AsyncDeepgramClient(api_key="any", environment=places, httpx_client=http)


def is_last(message: dict[str, Any]) -> bool:
    return message["type"] == "Metadata"


def text_of(messages: list[dict[str, Any]]) -> str:
    finals = [each for each in messages if each["type"] == "Results" and each["is_final"]]
    return plain(" ".join(each["channel"]["alternatives"][0]["transcript"] for each in finals))


def test_the_sdk_gets_results_and_metadata(server: Running, speech: np.ndarray) -> None:
    async def run() -> list[Any]:
        options: Any = {"model": "nova-3", "encoding": "linear16", "sample_rate": 16000, "interim_results": "true"}
        options |= {"vad_events": "true", "utterance_end_ms": 1000, "language": "en-US"}
        async with sdk(server).listen.v1.connect(**options) as connection:
            await connection.send_media(pcm(speech[: 16000 * 3]))
            found = [await asyncio.wait_for(connection.recv(), PATIENCE) for _ in range(2)]
            await connection.send_media(pcm(speech[16000 * 3 : 16000 * 4]) + silence(1.5))
            await connection.send_keep_alive()
            await connection.send_close_stream()
            while found[-1].type != "Metadata":
                found.append(await asyncio.wait_for(connection.recv(), PATIENCE))
            return found

    events = asyncio.run(run())
    assert (events[0].type, events[-2].type, events[-1].type) == ("SpeechStarted", "UtteranceEnd", "Metadata")
    [final] = [each for each in events if each.type == "Results" and each.is_final]
    assert (final.speech_final, final.channel_index) == (True, [0, 1])
    assert final.metadata.request_id == events[-1].request_id
    [best] = final.channel.alternatives
    assert plain(best.transcript).startswith("it was the best of times")
    assert [word.word for word in best.words[:4]] == ["it", "was", "the", "best"]
    assert best.words[0].punctuated_word == "It"
    assert final.start <= best.words[0].start < best.words[-1].end <= final.start + final.duration + 0.1
    assert events[-1].duration == pytest.approx(5.5, abs=0.05)
    assert (events[1].type, events[1].is_final) == ("Results", False)


def test_finalizing_gives_a_result_and_times_go_on(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> tuple[list[Any], list[Any], list[Any]]:
        await client.play(pcm(speech[: 16000 * 4]))
        await client.send_json({"type": "Finalize"})
        first = await client.hear_until(lambda message: message.get("from_finalize"))
        await client.send_json({"type": "Finalize"})
        empty = [await client.hear()]
        await client.play(pcm(speech[16000 * 5 : 16000 * 9]))
        await client.socket.send(b"")
        return first, empty, await client.hear_until(is_last)

    first, empty, rest = talk(f"/v1/listen?{RAW}", story)
    assert text_of(first).startswith("it was the best of times")
    assert (text_of(empty), empty[0]["from_finalize"], empty[0]["start"]) == ("", True, 4.0)
    assert "foolishness" in text_of(rest)
    words = rest[0]["channel"]["alternatives"][0]["words"]
    assert 4.0 <= rest[0]["start"] <= words[0]["start"] < words[-1]["end"] < 8.5
    assert [message["type"] for message in rest] == ["Results"] * (len(rest) - 1) + ["Metadata"]


def test_containers_are_recognised(talk: Callable[..., Any], cities: Path) -> None:
    command: list[Any] = [find_ffmpeg(), "-v", "error", "-i", cities, "-t", "4", "-c:a", "libopus", "-f", "webm", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout

    async def story(client: Client) -> list[dict[str, Any]]:
        await client.play(data, 4000)
        await client.send_json({"type": "Finalize"})
        await client.send_json(CLOSE)
        return await client.hear_until(is_last)

    messages = talk("/v1/listen?punctuate=false", story)
    assert [each["variant"] for each in messages if each["type"] == "Error"] == ["invalid_request"]
    assert "best of times" in text_of(messages)


def test_messages_that_are_not_valid_are_errors(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> tuple[list[str], list[dict[str, Any]]]:
        kinds = []
        for frame in ("{", "[]", '{"type": 1}', '{"type": "Configure"}', "x" * (2 << 20)):
            await client.socket.send(frame)
            kinds.append((await client.hear())["type"])
        await client.play(pcm(speech[: 16000 * 4]))
        await client.send_json(CLOSE)
        return kinds, await client.hear_until(is_last)

    kinds, messages = talk(f"/v1/listen?{RAW}", story)
    assert kinds == ["Error"] * 5
    assert text_of(messages).startswith("it was the best of times")


@pytest.mark.parametrize(
    ("query", "variant"),
    [
        ("encoding=linear16", "invalid_request"),
        (f"{RAW}&channels=99", "invalid_request"),
        ("encoding=linear16&sample_rate=1e999", "invalid_request"),
        (f"{RAW}&endpointing=soon", "invalid_request"),
        (f"{RAW}&multichannel=true", "invalid_request"),
        (f"{RAW}&callback=http://127.0.0.1/", "invalid_request"),
        (f"{RAW}&redact=pii", "invalid_request"),
        (f"{RAW}&replace=times:days", "invalid_request"),
        (f"{RAW}&profanity_filter=true", "invalid_request"),
        (f"{RAW}&language=tlh", "unsupported_language"),
        (f"{RAW}&model=none", "model_not_found"),
        (f"{RAW}&keyterm={'x' * 300}", "invalid_request"),
    ],
)
def test_parameters_that_are_not_valid_end_the_connection(talk: Callable[..., Any], query: str, variant: str) -> None:
    async def story(client: Client) -> tuple[dict[str, Any], int]:
        with contextlib.suppress(websockets.ConnectionClosed):  # it is closed already
            await client.socket.send(bytes(3200))
        return await client.hear(), await client.gone()

    message, code = talk(f"/v1/listen?{query}", story)
    assert (message["type"], message["variant"], code) == ("Error", variant, 1000)


def test_an_idle_client_gets_the_results_of_its_audio(
    serving: Callable[..., Any], talk: Callable[..., Any], speech: np.ndarray
) -> None:
    async def story(client: Client) -> tuple[list[dict[str, Any]], int]:
        audio = pcm(speech[: 16000 * 4])
        await client.play(audio, len(audio))  # in one frame: a slow machine must not make pauses between several
        return [await client.hear()], await client.gone()

    with serving(idle_timeout=0.5) as server:
        messages, code = talk(f"/v1/listen?{RAW}", story, to=server)
    assert "best of times" in text_of(messages)
    assert code == 1008


def test_keys_in_the_header_and_in_the_subprotocol(serving: Callable[..., Any], talk: Callable[..., Any]) -> None:
    async def story(client: Client) -> str | None:
        await client.send_json(CLOSE)
        assert is_last(await client.hear())
        return client.socket.subprotocol

    path = f"/v1/listen?{RAW}"
    with serving(api_keys=("right",)) as server:
        assert talk(path, story, to=server, additional_headers={"Authorization": "Token right"}) is None
        assert talk(path, story, to=server, subprotocols=["token", "right"]) == "token"
        wrong: list[dict[str, Any]] = [{}, {"subprotocols": ["token", "wrong"]}, {"subprotocols": ["right"]}]
        for options in wrong:
            with pytest.raises(websockets.InvalidStatus) as refused:
                talk(path, story, to=server, **options)
            assert refused.value.response.status_code == 401
        with server.client() as client:
            answer = client.post("/v1/listen", content=b"RIFF")
            assert (answer.status_code, answer.json()["err_code"]) == (401, "invalid_api_key")


def test_recordings_of_the_sdk(server: Running, cities: Path) -> None:
    data = cities.read_bytes()

    async def run() -> Any:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
            media = sdk(server, http).listen.v1.media
            return await media.transcribe_file(request=data, model="nova-3", utterances=True)

    found = asyncio.run(run())
    [best] = found.results.channels[0].alternatives
    assert plain(best.transcript).startswith("it was the best of times")
    assert best.words[0].word == "it"
    assert (best.confidence, best.words[0].confidence) == (None, None), "the model reports none"
    assert plain(" ".join(each.transcript for each in found.results.utterances)) == plain(best.transcript)
    assert (found.metadata.duration, found.metadata.models) == (8.0, ["moonshine-tiny-en"])


def test_recordings_that_cannot_be_served(server: Running, speech: np.ndarray) -> None:
    with server.client() as client:
        answers = [
            client.post("/v1/listen", content=b""),
            client.post("/v1/listen", content=b"no audio"),
            client.post("/v1/listen", json={"address": 1}),
            client.post("/v1/listen", json={"url": "http://127.0.0.1:1/a.wav"}),
            client.post("/v1/listen?callback=http://x/", content=b"RIFF"),
            client.post("/v1/listen?encoding=mulaw&sample_rate=8000", content=bytes(80)),
        ]
        raw = client.post(f"/v1/listen?{RAW}", content=pcm(speech[: 16000 * 4]))
    assert [answer.status_code for answer in answers] == [400, 400, 400, 403, 400, 400]
    assert all(isinstance(answer.json()["err_msg"], str) for answer in answers)
    assert "best of times" in plain(raw.json()["results"]["channels"][0]["alternatives"][0]["transcript"])
