"""What is missing from a text is stated in every protocol's reply."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from asrcli.server.live import session
from asrcli.server.recognition.transcription import TranscriptionService
from asrcli.transcript import Gap
from tests.server.conftest import Running
from tests.server.live.test_not_samples import FRAMES

GAP = Gap(1.0, 2.0, "engine error")


@pytest.fixture
def incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine failed at one second of each recording and each sentence."""
    work = TranscriptionService._work

    def cut(*arguments: Any) -> Any:
        return replace(work(*arguments), gaps=(GAP,), warnings=(GAP.warning,))

    monkeypatch.setattr(TranscriptionService, "_work", cut)
    monkeypatch.setattr(session, "gaps_of", lambda _: (GAP,))


def post(path: str, field: str, **options: Any) -> Callable[[httpx.Client, bytes], httpx.Response]:
    return lambda client, body: client.post(path, files={field: ("a.wav", body)}, **options)


def openai(form: str, **fields: str) -> Callable[[httpx.Client, bytes], httpx.Response]:
    return post("/v1/audio/transcriptions", "file", data={"response_format": form} | fields)


def as_json(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/asr", json={"wav": base64.b64encode(body).decode()})


@pytest.mark.parametrize(
    "ask",
    [
        *map(openai, ("json", "verbose_json", "diarized_json")),
        openai("json", stream="true"),
        post("/stream/v1/asr", "file"),
        post("/recognition", "audio"),
        post("/api/v1/asr", "files"),
        post("/asr", "file"),
        post("/asr?output=json", "audio_file"),
        as_json,
    ],
)
@pytest.mark.usefixtures("incomplete")
def test_replies_in_json(client: httpx.Client, cities: Path, ask: Callable[..., httpx.Response]) -> None:
    assert GAP.warning in ask(client, cities.read_bytes()).text


@pytest.mark.parametrize(
    "ask", [*map(openai, ("text", "srt", "vtt")), post("/asr", "audio_file"), post("/asr?output=srt", "audio_file")]
)
@pytest.mark.usefixtures("incomplete")
def test_replies_in_text_have_a_header(client: httpx.Client, cities: Path, ask: Callable[..., httpx.Response]) -> None:
    assert ask(client, cities.read_bytes()).headers["x-asrcli-warnings"] == GAP.warning


def test_complete_replies_have_no_warning(client: httpx.Client, cities: Path) -> None:
    answer = openai("json")(client, cities.read_bytes())
    assert "warnings" not in answer.json()
    assert "x-asrcli-warnings" not in answer.headers


@pytest.mark.parametrize("protocol", FRAMES)
@pytest.mark.usefixtures("incomplete")
def test_live_sentences_name_their_gaps(server: Running, cities: Path, protocol: str) -> None:
    path, start, end = FRAMES[protocol]
    with connect(f"{server.ws}{path}", proxy=None, max_size=None) as line:
        for frame in (*start, cities.read_bytes(), *end):
            line.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))
        heard = ""
        while "engine error" not in heard and GAP.warning not in heard:
            heard = str(line.recv(60))
    unit = 1 if protocol in {"qwen", "deepgram"} else 1000
    assert f'"start":{GAP.start * unit:g}' in heard.replace(" ", "").replace("1.0", "1")
