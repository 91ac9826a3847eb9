"""Streams that are announced as samples and are recordings or texts: decoded or refused, never an empty success."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile as sf

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
}
HTML = b"<!doctype html><html>" + b"<p>404</p>" * 1000


def encoded(speech: np.ndarray, form: str) -> bytes:
    out = io.BytesIO()
    sf.write(out, speech[: 16000 * 4], 16000, format=form)
    return out.getvalue()


def answers(talk: Callable[..., Any], protocol: str, body: bytes) -> list[dict[str, Any]]:
    path, start, end = FRAMES[protocol]

    async def story(client: Client) -> list[dict[str, Any]]:
        for frame in start:
            await client.socket.send(frame if isinstance(frame, str) else json.dumps(frame))
        await client.play(body, 3200)
        for frame in end:
            await client.socket.send(frame if isinstance(frame, str) else json.dumps(frame))
        return await client.hear_until(_last)

    return talk(path, story)


def _last(message: dict[str, Any]) -> bool:
    name = message.get("header", {}).get("name")
    return bool(
        message.get("is_final")
        or name in {"TranscriptionCompleted", "TaskFailed"}
        or message.get("type") in {"final", "error"}
        or message.get("event") in {"error", "stopped"}
    )


@pytest.mark.parametrize("protocol", FRAMES)
@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "html"])
def test_what_is_no_pcm_is_decoded_or_refused(
    talk: Callable[..., Any], speech: np.ndarray, protocol: str, kind: str
) -> None:
    body = HTML if kind == "html" else encoded(speech, kind)
    last = answers(talk, protocol, body)[-1]
    if protocol in {"2pass", "offline"} and kind != "html":
        assert plain(last["text"]).startswith("it was the best of times")
        return
    assert "error" in last or last.get("type") == "error" or last["header"]["name"] == "TaskFailed"
    assert "PCM" in json.dumps(last) or "not audio" in json.dumps(last)
