"""Streams that are announced as samples and are recordings or texts: decoded or refused, never an empty success."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import websockets

from tests.server.live.conftest import Client, plain

#: protocol -> path, frames before and after the audio
FRAMES: dict[str, tuple[str, list[Any], list[Any]]] = {
    "2pass": ("/", [{"mode": "2pass", "is_speaking": True}], [{"is_speaking": False}]),
    "offline": ("/", [{"mode": "offline", "is_speaking": True}], [{"is_speaking": False}]),
    "aliyun": (
        "/ws/v1/asr",
        [{"header": {"namespace": "SpeechTranscriber", "name": "StartTranscription"}}],
        [{"header": {"namespace": "SpeechTranscriber", "name": "StopTranscription"}}],
    ),
    "qwen": ("/ws/v1/asr/qwen", [{"type": "start"}], [{"type": "stop"}]),
    "realtime": ("/", ["START"], ["STOP"]),
    "deepgram": ("/v1/listen?encoding=linear16&sample_rate=16000", [], [{"type": "CloseStream"}]),
}
OPENAI: tuple[str, list[Any], list[Any]] = ("/v1/realtime", [], [{"type": "input_audio_buffer.commit"}])
HTML = b"<!doctype html><html>" + b"<p>404</p>" * 1000


def encoded(speech: np.ndarray, form: str) -> bytes:
    out = io.BytesIO()
    sf.write(out, speech[: 16000 * 4], 16000, format=form)
    return out.getvalue()


def answers(talk: Callable[..., Any], protocol: str, body: bytes) -> list[dict[str, Any]]:
    path, start, end = FRAMES.get(protocol, OPENAI)
    audio: list[Any] = [body[at : at + 3200] for at in range(0, len(body), 3200)]
    if protocol not in FRAMES:
        audio = [{"type": "input_audio_buffer.append", "audio": base64.b64encode(each).decode()} for each in audio]

    async def story(client: Client) -> list[dict[str, Any]]:
        with suppress(websockets.ConnectionClosed):  # after an error
            for frame in [*start, *audio, *end]:
                await client.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))
        return await client.hear_until(_last)

    return talk(path, story)


def _last(message: dict[str, Any]) -> bool:
    name = message.get("header", {}).get("name")
    return bool(
        message.get("is_final")
        or name in {"TranscriptionCompleted", "TaskFailed"}
        or message.get("type") in {"final", "error", "Error", "Metadata"}
        or message.get("event") in {"error", "stopped"}
    )


def is_refused(last: dict[str, Any]) -> bool:
    failed = "error" in last or last.get("type") in {"error", "Error"} or last["header"]["name"] == "TaskFailed"
    return failed and ("PCM" in json.dumps(last) or "not audio" in json.dumps(last))


@pytest.mark.parametrize("protocol", [*FRAMES, "openai"])
@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "html"])
def test_what_is_no_pcm_is_decoded_or_refused(
    talk: Callable[..., Any], speech: np.ndarray, protocol: str, kind: str
) -> None:
    body = HTML if kind == "html" else encoded(speech, kind)
    last = answers(talk, protocol, body)[-1]
    if protocol in {"2pass", "offline"} and kind != "html":
        assert plain(last["text"]).startswith("it was the best of times")
        return
    assert is_refused(last), last


@pytest.mark.parametrize("protocol", FRAMES)
@pytest.mark.parametrize("body", [b'{"error": {"code": 404, "message": "' + b"not found " * 5 + b'"}}', HTML[:100]])
def test_a_short_text_is_no_empty_success(talk: Callable[..., Any], protocol: str, body: bytes) -> None:
    assert is_refused(answers(talk, protocol, body)[-1])


@pytest.mark.parametrize("encoding", ["linear32", "mulaw", "alaw"])
@pytest.mark.parametrize("kind", ["FLAC", "MP3", "html"])
def test_other_encodings(talk: Callable[..., Any], speech: np.ndarray, encoding: str, kind: str) -> None:
    body = HTML if kind == "html" else encoded(speech, kind)

    async def story(client: Client) -> dict[str, Any]:
        with suppress(websockets.ConnectionClosed):
            await client.play(body, 3200)
            await client.send_json({"type": "CloseStream"})
        return (await client.hear_until(_last))[-1]

    assert is_refused(talk(f"/v1/listen?encoding={encoding}&sample_rate=8000", story))


@pytest.mark.parametrize(("encoding", "silent"), [("mulaw", b"\x7f"), ("alaw", b"U")])
def test_silence_in_one_byte_a_sample_is_no_text(talk: Callable[..., Any], encoding: str, silent: bytes) -> None:
    async def story(client: Client) -> dict[str, Any]:
        await client.play(silent * 8000)
        await client.send_json({"type": "CloseStream"})
        return (await client.hear_until(_last))[-1]

    assert talk(f"/v1/listen?encoding={encoding}&sample_rate=8000", story)["duration"] == 1.0
