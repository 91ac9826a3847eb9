"""A fault after audio was sent does not lose the text of that audio, in any protocol; it is reported besides."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import websockets
from wyoming.asr import Transcript
from wyoming.audio import AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event

from tests.server.conftest import Running

from .conftest import PATIENCE, Client, pcm, plain
from .test_wyoming import events_until, play

START = "it was the best of times"
END = {"is_speaking": False}


def funasr_text(heard: list[dict[str, Any]], mode: str) -> str:
    return plain("".join(each["text"] for each in heard if each["mode"] == mode.replace("2pass", "2pass-offline")))


@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
@pytest.mark.parametrize("fault", [{"audio_fs": "fast"}, {"hotwords": 7}, {"svs_lang": "xx"}])
def test_funasr_settings_of_the_end_frame(
    talk: Callable[..., Any], speech: np.ndarray, mode: str, fault: dict[str, Any]
) -> None:
    async def story(client: Client) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        await client.send_json({"mode": mode, "wav_name": "a", "is_speaking": True})
        await client.play(pcm(speech[: 16000 * 4]))
        await client.send_json({"is_speaking": False, "is_end": True} | fault)
        return await client.hear_until(lambda message: message["is_final"]), await client.hear()

    heard, end = talk("/", story)
    assert funasr_text(heard, mode).startswith(START)
    assert [message["is_final"] for message in heard] == [False] * (len(heard) - 1) + [True]
    assert "error" in heard[-1]
    assert end["is_end"]
    assert end["error"] == heard[-1]["error"]


@pytest.mark.parametrize("mode", ["offline", "2pass"])
@pytest.mark.parametrize("fault", [json.dumps({"hotwords": 7}), "[]", '{"is_speaking": false'])
def test_funasr_faults_within_the_audio(talk: Callable[..., Any], speech: np.ndarray, mode: str, fault: str) -> None:
    async def story(client: Client) -> list[dict[str, Any]]:
        await client.send_json({"mode": mode, "wav_name": "a", "is_speaking": True})
        await client.play(pcm(speech[: 16000 * 4]))
        await client.socket.send(fault)
        await client.play(pcm(speech[16000 * 4 : 16000 * 9]))
        await client.send_json(END)
        heard = await client.hear_until(lambda message: message["is_final"])
        if fault[-1] != "}" or "false" in fault:  # perhaps it was the end: the rest is an utterance of its own
            heard += await client.hear_until(lambda message: message["is_final"])
        return heard

    heard = talk("/", story)
    text = funasr_text(heard, mode)
    assert text.startswith(START)
    assert "foolishness" in text
    assert sum("error" in message for message in heard) == 1


def transcriber(name: str, **header: Any) -> dict[str, Any]:
    return {"header": {"namespace": "SpeechTranscriber", "task_id": "t", "name": name} | header}


def recognizer(name: str, **header: Any) -> dict[str, Any]:
    return transcriber(name, namespace="SpeechRecognizer", **header)


#: protocol -> path, frames before and after the audio
PROTOCOLS: dict[str, tuple[str, list[Any], list[Any]]] = {
    "offline": ("/", [{"mode": "offline", "is_speaking": True}], [END]),
    "online": ("/", [{"mode": "online", "is_speaking": True}], [END]),
    "2pass": ("/", [{"mode": "2pass", "is_speaking": True}], [END]),
    "aliyun": ("/ws/v1/asr", [transcriber("StartTranscription")], [transcriber("StopTranscription")]),
    "one sentence": ("/ws/v1/asr", [recognizer("StartRecognition")], [recognizer("StopRecognition")]),
    "qwen": ("/ws/v1/asr/qwen", [{"type": "start"}], [{"type": "stop"}]),
    "realtime": ("/", ["START"], ["STOP"]),
    "deepgram": ("/v1/listen?encoding=linear16&sample_rate=16000", [], [{"type": "CloseStream"}]),
    "openai": ("/v1/realtime", [], [{"type": "input_audio_buffer.commit"}]),
}


def answers(
    talk: Callable[..., Any], protocol: str, audio: bytes, faults: list[Any] | None = None, **options: Any
) -> list[dict[str, Any]]:
    """What a client gets that sends audio, then `faults` instead of the end of the recording."""
    path, start, end = PROTOCOLS[protocol]
    pieces: list[Any] = [audio[at : at + 3200] for at in range(0, len(audio), 3200)]
    if protocol == "openai":
        pieces = [{"type": "input_audio_buffer.append", "audio": base64.b64encode(each).decode()} for each in pieces]

    async def story(client: Client) -> list[dict[str, Any]]:
        heard: list[dict[str, Any]] = []
        with suppress(websockets.ConnectionClosed):
            for frame in [*start, *pieces, *(end if faults is None else faults)]:
                await client.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))
        with suppress(websockets.ConnectionClosed):
            while not heard or not _last(heard[-1]):
                heard.append(await client.hear())
        return heard

    return talk(path, story, **options)


def _last(message: dict[str, Any]) -> bool:
    kind, event = message.get("type"), message.get("event")
    if "event" in message or "sentences" in message:
        return event == "error"
    return bool(message.get("is_final") and "mode" in message) or kind in {"final", "error", "Error", "Metadata"}


def _failed(message: dict[str, Any]) -> bool:
    failed = message.get("header", {}).get("name") == "TaskFailed"
    return failed or "error" in message or message.get("type") in {"error", "Error"}


def _text(protocol: str, heard: list[dict[str, Any]]) -> str:
    """The final text, without that of growing sentences."""
    match protocol:
        case "offline" | "online" | "2pass":
            return funasr_text(heard, protocol)
        case "aliyun":
            texts = [each["payload"]["result"] for each in heard if each["header"]["name"] == "SentenceEnd"]
        case "one sentence":
            texts = [each["payload"]["result"] for each in heard if "result" in each.get("payload", {})][-1:]
        case "qwen":
            texts = [each["result"]["segment_text"] for each in heard if each["type"] == "segment_end"]
        case "realtime":
            texts = [part["text"] for each in heard if each.get("is_final") for part in each["sentences"]]
        case "deepgram":
            texts = [
                each["channel"]["alternatives"][0]["transcript"]
                for each in heard
                if each["type"] == "Results" and each["is_final"]
            ]
        case _:
            texts = [each["transcript"] for each in heard if each["type"].endswith("transcription.completed")]
    return plain(" ".join(texts))


@pytest.fixture(scope="module")
def short(serving: Callable[..., Any]) -> Iterator[Running]:
    """A server whose streams may have four seconds."""
    with serving(max_duration=4, wyoming_port=1) as found:
        yield found


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "offline"])
def test_a_stream_that_is_too_long_keeps_what_was_recognised(
    talk: Callable[..., Any], short: Running, speech: np.ndarray, protocol: str
) -> None:
    heard = answers(talk, protocol, pcm(speech[: 16000 * 8]), to=short)
    assert _text(protocol, heard).startswith(START)
    assert [message for message in heard if _failed(message)] == heard[-1:]
    assert "longer than 4 s" in json.dumps(heard[-1])


@pytest.mark.parametrize("protocol", ["aliyun", "one sentence"])
@pytest.mark.parametrize("fault", ["[]", "StopTask", {"task_id": "another"}, {"name": "Start"}], ids=str)
def test_aliyun_faults_after_the_audio(talk: Callable[..., Any], speech: np.ndarray, protocol: str, fault: Any) -> None:
    _, (start,), (stop,) = PROTOCOLS[protocol]
    if isinstance(fault, dict):
        fault = start if "name" in fault else {"header": stop["header"] | fault}
    heard = answers(talk, protocol, pcm(speech[: 16000 * 4]), [fault])
    assert _text(protocol, heard).startswith(START)
    assert heard[-1]["header"]["name"] == "TaskFailed"


@pytest.mark.parametrize("protocol", ["aliyun", "one sentence", "qwen"])
@pytest.mark.parametrize("payload", [[1], "now", {"sample_rate": "fast"}], ids=str)
def test_the_end_has_no_payload_that_could_be_wrong(
    talk: Callable[..., Any], speech: np.ndarray, protocol: str, payload: Any
) -> None:
    (stop,) = PROTOCOLS[protocol][2]
    heard = answers(talk, protocol, pcm(speech[: 16000 * 4]), [stop | {"payload": payload}])
    assert not any(map(_failed, heard))
    assert START in plain(json.dumps(heard[-3:]).replace('"', " "))


@pytest.mark.parametrize("fault", ["form", "type", "long"])
def test_wyoming_faults_after_the_audio(short: Running, speech: np.ndarray, fault: str) -> None:
    async def run() -> list[Event]:
        async with AsyncTcpClient("127.0.0.1", short.wyoming_port, read_timeout=PATIENCE) as client:
            await play(client, pcm(speech[: 16000 * (8 if fault == "long" else 3)]))
            if fault == "form":
                await client.write_event(Event("audio-chunk", {"rate": 8000, "width": 2, "channels": 1}, bytes(64)))
            elif fault == "type":
                await client.write_event(Event("transcribe", {"language": 7}))
            await client.write_event(AudioStop().event())
            return await events_until(client, "transcript")

    heard = asyncio.run(run())
    assert Transcript.is_type(heard[-1].type)
    assert plain(Transcript.from_event(heard[-1]).text).startswith("it was the best of times")
    assert [event.type for event in heard].count("error") == 1
