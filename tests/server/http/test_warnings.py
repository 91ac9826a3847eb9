"""What is missing from a text is stated in every protocol's reply."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile as sf
from websockets.sync.client import connect

from asrcli.server.http.auth import _header_text
from tests.server.conftest import Running
from tests.server.live.test_not_samples import FRAMES

#: the embedded model, which fails at chunks with a tone of 3 kHz
FAILS_AT_A_TONE = """
import numpy as np
from asrcli.backends.moonshine.recognizer import load as load_model
from asrcli.errors import EngineError

def fails(job):
    for start in range(0, len(job.samples) - 3999, 4000):
        power = np.abs(np.fft.rfft(job.samples[start : start + 4000])) ** 2
        if power[740:761].sum() > 0.3 * power.sum() > 0:
            return True
    return False

class Failing:
    def __init__(self, model):
        self._model, self.batch_size = model, model.batch_size

    def run(self, jobs):
        results = self._model.run(jobs)
        return [EngineError("a tone") if fails(job) else each for job, each in zip(jobs, results)]

def load(spec, threads):
    return Failing(load_model(spec, threads))
"""
WARNING = "the engine failed there"


@pytest.fixture(scope="module")
def failing(serving: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "failing_service.py").write_text(FAILS_AT_A_TONE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # before the engine's process starts
        with serving() as found:
            pool = found.app.state.pool
            pool.serve(replace(pool.spec(None), name="failing"), "failing_service:load")
            pool.default = "failing"
            yield found


@pytest.fixture(scope="module")
def marred(cities: Path) -> bytes:
    """Three sentences, the second with the tone: "It was the age of wisdom"."""
    samples, rate = sf.read(cities, dtype="float32")
    at = np.arange(round(5.0 * rate), round(6.2 * rate))
    samples[at] += 0.15 * np.sin(2 * np.pi * 3000 * at / rate)
    file = io.BytesIO()
    sf.write(file, samples, rate, format="WAV")
    return file.getvalue()


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
def test_replies_in_json(failing: Running, marred: bytes, ask: Callable[..., httpx.Response]) -> None:
    with failing.client() as client:
        text = ask(client, marred).text
    assert WARNING in text
    assert "best of times" in text
    assert "wisdom" not in text


@pytest.mark.parametrize(
    "ask", [*map(openai, ("text", "srt", "vtt")), post("/asr", "audio_file"), post("/asr?output=srt", "audio_file")]
)
def test_replies_in_text_have_a_header(failing: Running, marred: bytes, ask: Callable[..., httpx.Response]) -> None:
    with failing.client() as client:
        answer = ask(client, marred)
    assert WARNING in answer.headers["x-asrcli-warnings"]
    assert "best of times" in " ".join(answer.text.split())


def test_complete_replies_have_no_warning(client: httpx.Client, cities: Path) -> None:
    answer = openai("json")(client, cities.read_bytes())
    assert "warnings" not in answer.json()
    assert "x-asrcli-warnings" not in answer.headers


@pytest.mark.parametrize("protocol", FRAMES)
def test_live_sentences_name_their_gaps(failing: Running, marred: bytes, protocol: str) -> None:
    path, start, end = FRAMES[protocol]
    with connect(f"{failing.ws}{path}", proxy=None, max_size=None) as line:
        for frame in (*start, marred, *end):
            line.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))
        heard = ""
        while "engine error" not in heard and WARNING not in heard:
            heard = str(line.recv(60))
    [found] = re.findall(r'"gaps": ?\[\{"start": ?([\d.]+), ?"end": ?([\d.]+)', heard)
    unit = 1 if protocol in {"qwen", "deepgram"} else 1000
    assert 4 * unit < float(found[0]) < float(found[1]) < 7 * unit


def test_the_header_carries_whatever_a_warning_holds() -> None:
    text = _header_text("tracks: é\r\nset-cookie: a=b\x1b[1m" + "x" * 5000)
    assert text.startswith("tracks: ?  set-cookie: a=b [1mxxx")
    assert text.isprintable()
    assert len(text) <= 2048
