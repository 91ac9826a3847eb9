"""OpenAI's interface as the openai package and plain HTTP clients see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import openai
import openai.types.audio
import pytest
import soundfile
import srt
import yaml

from asrcli.models import builtin
from asrcli.server.protocols.openai.replies import segment_bodies
from asrcli.transcript import Segment, Transcript
from tests.server.conftest import Running


@pytest.fixture
def sdk(server: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{server.url}/v1",
        api_key="any",
        max_retries=0,
        http_client=cast("Any", httpx.Client(trust_env=False)),
    ) as client:
        yield client


def post(client: httpx.Client, path: str, audio: Path, **fields: Any) -> httpx.Response:
    with audio.open("rb") as file:
        return client.post(path, files={"file": (audio.name, file)}, data=fields)


def transcribe(client: httpx.Client, audio: Path, **fields: Any) -> httpx.Response:
    return post(client, "/v1/audio/transcriptions", audio, **fields)


def test_the_sdk_gets_text(sdk: openai.OpenAI, cities: Path) -> None:
    found = sdk.audio.transcriptions.create(model="whisper-1", file=cities)
    assert "worst of times" in found.text.lower()
    assert found.usage.type == "duration"
    assert found.usage.seconds == 8


def test_the_sdk_gets_segments_and_words(sdk: openai.OpenAI, cities: Path) -> None:
    found = sdk.audio.transcriptions.create(
        model="moonshine-tiny-en",
        file=cities,
        language="en",
        prompt="a novel",
        temperature=0.2,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert found.language == "english"
    assert found.duration == pytest.approx(8, abs=0.01)
    assert found.segments[0].start < found.segments[0].end <= 8
    assert " ".join(word.word for word in found.words).lower().startswith("it was the best of times")
    assert all(0 <= word.start <= word.end <= 8 for word in found.words)
    assert found.segments[-1].seek == round(found.segments[-1].start * 100)


def test_the_sdk_receives_segments_while_they_are_recognised(sdk: openai.OpenAI, long_cities: Path) -> None:
    events = list(sdk.audio.transcriptions.create(model="gpt-4o-transcribe", file=long_cities, stream=True))
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    done = events[-1]
    assert len(deltas) > 5, "one delta a segment"
    assert done.type == "transcript.text.done"
    assert "".join(deltas) == done.text
    assert done.text.lower().startswith("it was the best of times")
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens


#: the recogniser itself, which waits before its second chunk until a file is deleted
WAITING = """
import os, time
from asrcli.backends.sherpa import recognizer

class Waiting:
    batch_size = 1
    asked = 0
    def __init__(self, recognizer):
        self.recognizer = recognizer
    def run(self, jobs):
        self.asked += 1
        while self.asked > 1 and os.path.exists({gate!r}):
            time.sleep(0.01)
        return self.recognizer.run(jobs)

def load(spec, threads):
    return Waiting(recognizer.load(spec, threads))
"""


def test_a_stream_begins_before_it_ends(
    serving: Callable[..., Any], long_cities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    (tmp_path / "waiting_service.py").write_text(WAITING.format(gate=str(gate)))
    monkeypatch.syspath_prepend(tmp_path)
    with serving(num_threads=1) as server, server.client() as client, long_cities.open("rb") as file:
        pool = server.app.state.pool
        pool.serve(replace(pool.spec(None), name="waiting"), "waiting_service:load")
        fields = {"stream": "true", "model": "waiting"}
        with client.stream("POST", "/v1/audio/transcriptions", files={"file": file}, data=fields) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            first = json.loads(next(lines).removeprefix("data: "))
            gate.unlink()
            rest = [line for line in lines if line]
    assert first["type"] == "transcript.text.delta"
    assert first["delta"].lower().startswith("it was the best of times")
    assert rest[-1] == "data: [DONE]"
    assert len(rest) > 5


def test_srt_and_vtt_and_text(client: httpx.Client, cities: Path) -> None:
    answer = transcribe(client, cities, response_format="srt")
    cues = list(srt.parse(answer.text))
    assert "best of times" in cues[0].content
    vtt = transcribe(client, cities, response_format="vtt")
    assert vtt.text.startswith("WEBVTT")
    assert vtt.headers["content-type"].startswith("text/vtt")
    text = transcribe(client, cities, response_format="text")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text.startswith("It was")
    assert text.text.endswith("\n")


def test_fields_come_in_every_spelling(client: httpx.Client, cities: Path) -> None:
    with cities.open("rb") as file:
        answer = client.post(
            "/v1/audio/transcriptions",
            # no name of a file that could tell its kind, lists with and without brackets, an object by its members
            files=[
                ("file", ("", file, "application/octet-stream")),
                ("timestamp_granularities[]", (None, "word")),
                ("chunking_strategy[type]", (None, "server_vad")),
                ("chunking_strategy[silence_duration_ms]", (None, "300")),
                ("response_format", (None, "verbose_json")),
                ("language", (None, "auto")),
                ("hotwords", (None, '{"Dickens": 20}')),
                ("vad_filter", (None, "true")),
                ("enable_speaker_diarization", (None, "false")),
                ("unknown", (None, "field")),
            ],
        )
    body = answer.json()
    assert answer.status_code == 200, body
    assert body["words"]
    assert "segments" not in body
    assert body["warnings"] == ["hotwords ignored: moonshine-tiny-en does not support them"]


def test_logprobs_need_json(client: httpx.Client, cities: Path) -> None:
    refused = transcribe(client, cities, **{"include[]": "logprobs", "response_format": "text"})
    assert refused.json()["error"]["param"] == "include[]"


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp_granularities": '["word"]'},
        {"timestamp_granularities[]": "words"},
        {"timestamp_granularities": "word,segment"},
        {"timestamp_granularities[]": ["word", "segment"]},
        {"timestamp_granularities[0]": "word"},
    ],
)
def test_granularities_are_understood_however_they_are_written(
    client: httpx.Client, cities: Path, fields: dict[str, Any]
) -> None:
    body = transcribe(client, cities, response_format="verbose_json", **fields).json()
    assert body["words"]


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp_granularities[]": ""},
        {"stream": "undefined"},
        {"stream": "None"},
        {"stream": "null"},
        {"stream": ""},
        {"stream": "NULL", "model": "none"},
        {"stream": "f", "timestamp_granularities[]": "Word", "response_format": "JSON"},
        {"include[]": ""},
        {"include": "[]"},
        {"temperature": "0.0,0.2,0.4"},
        {"temperature": "[0.0, 0.2]"},
        {"temperature": "null"},
        {"language": "undefined"},
        {"response_format": "null"},
        {"chunking_strategy": '{"type": null}'},
        {"chunking_strategy": '"auto"'},
        {"chunking_strategy": '{"type": "SERVER_VAD", "threshold": null}'},
        {"prompt": "None", "hotwords": "null", "vad_filter": "undefined", "chunking_strategy": "null"},
    ],
)
def test_values_that_mean_nothing_count_as_not_sent(client: httpx.Client, cities: Path, fields: dict[str, Any]) -> None:
    answer = transcribe(client, cities, **fields)
    assert answer.status_code == 200, answer.text
    assert "worst of times" in answer.json()["text"].lower()


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("paraformer-large", "paraformer-zh"),
        ("paraformer", "paraformer-zh"),
        ("iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-pytorch", "paraformer-zh"),
        ("paraformer-realtime-v2", "paraformer-zh"),
        ("sensevoice", "sensevoice-small"),
        ("sensevoice-v1", "sensevoice-small"),
        ("iic/SenseVoiceSmall", "sensevoice-small"),
        ("fun-asr-nano", "funasr-nano"),
        ("FunAudioLLM/Fun-ASR-Nano-2512", "funasr-nano"),
        ("qwen3-asr", "qwen3-asr-0.6b"),
        ("Qwen/Qwen3-ASR-0.6B", "qwen3-asr-0.6b"),
        ("tiny.en", "whisper-tiny.en"),
        ("nvidia/parakeet-tdt-0.6b-v2", "parakeet-tdt-0.6b-v2"),
        ("large-v3", "whisper-large-v3"),
        ("Systran/faster-whisper-small", "whisper-small"),
        ("Systran/faster-distil-whisper-large-v3", "whisper-distil-large-v3"),
        ("distil-whisper/distil-large-v3", "whisper-distil-large-v3"),
        ("openai/whisper-large-v3-turbo", "whisper-turbo"),
        ("deepdml/faster-whisper-large-v3-turbo-ct2", "whisper-turbo"),
        ("ggml-base.en-q5_1.bin", "whisper-base.en"),
        ("iic/speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch", "paraformer-zh"),
    ],
)
def test_names_of_other_servers_models_are_known(client: httpx.Client, cities: Path, name: str, here: str) -> None:
    answer = transcribe(client, cities, model=name)
    assert answer.status_code == 503, "it is not installed here"
    assert f"asrcli download-model {here}" in answer.json()["error"]["message"]


def test_no_confidence_is_made_up(client: httpx.Client, cities: Path) -> None:
    body = transcribe(client, cities, response_format="verbose_json").json()
    assert all("avg_logprob" not in segment for segment in body["segments"])
    assert "logprobs" not in transcribe(client, cities, **{"include[]": "logprobs"}).json()


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"hotwords": ",".join(f"word{n}" for n in range(2000))}, 400, "invalid_request", "hotwords"),
        ({"hotwords": "x" * 5000}, 400, "invalid_request", "hotwords"),
        ({"hotwords": ":" * 16_000}, 400, "invalid_request", "hotwords"),
        ({"keywords[]": "x" * 500}, 400, "invalid_request", "keywords[]"),
        ({"model": "x" * 1_000_000}, 404, "model_not_found", "model"),
        ({"model": "no-such-model"}, 404, "model_not_found", "model"),
        ({"model": "../../etc"}, 404, "model_not_found", "model"),
        ({"model": "sensevoice-small"}, 503, "model_not_installed", "model"),
        pytest.param(
            {"model": "moonshine-base-en"},
            503,
            "model_not_installed",
            "model",
            marks=pytest.mark.skipif(builtin.available(builtin.BASE), reason="base-en is installed"),
        ),
        ({"response_format": "docx"}, 400, "invalid_request", "response_format"),
        ({"temperature": "hot"}, 400, "invalid_request", "temperature"),
        ({"temperature": "nan"}, 400, "invalid_request", "temperature"),
        ({"language": "zh"}, 400, "unsupported_language", "language"),
        ({"stream": "perhaps"}, 400, "invalid_request", "stream"),
        ({"timestamp_granularities[]": "letter"}, 400, "invalid_request", "timestamp_granularities[]"),
        ({"hotwords": '{"a": 1000}'}, 400, "invalid_request", "hotwords"),
        ({"known_speaker_names[]": "Ada"}, 400, "invalid_request", "known_speaker_references[]"),
        ({"chunking_strategy": "{broken"}, 400, "invalid_request", "chunking_strategy"),
    ],
)
def test_invalid_requests_get_openais_errors(
    client: httpx.Client, cities: Path, fields: dict[str, Any], status: int, code: str, param: str
) -> None:
    for streamed in ({}, {"stream": "true"}) if "stream" not in fields else ({},):
        answer = transcribe(client, cities, **fields, **streamed)
        error = answer.json()["error"]
        assert answer.status_code == status
        assert (error["code"], error["param"]) == (code, param)
        assert error["message"]
        assert answer.headers["x-request-id"].startswith("req_")
        if status >= 500:
            assert answer.headers["x-should-retry"] == "false"


def test_errors_become_the_sdks_classes(sdk: openai.OpenAI, cities: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"this is no audio at all" * 100)
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.audio.transcriptions.create(model="whisper-1", file=broken)
    assert refused.value.param == "file"
    assert refused.value.request_id.startswith("req_")
    with pytest.raises(openai.NotFoundError):
        sdk.audio.transcriptions.create(model="no-such-model", file=cities)
    with pytest.warns(DeprecationWarning, match="deprecated"), pytest.raises(openai.BadRequestError) as translated:
        sdk.audio.translations.create(model="whisper-1", file=cities)
    assert translated.value.param == "model"


def test_bodies_that_are_no_form(client: httpx.Client) -> None:
    for body, kind in ((b"{}", "application/json"), (b"x", "multipart/form-data"), (b"", "text/plain")):
        answer = client.post("/v1/audio/transcriptions", content=body, headers={"content-type": kind})
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "file"
    damaged = client.post(
        "/v1/audio/transcriptions",
        content=b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF',
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert damaged.status_code == 400
    nothing = client.post("/v1/audio/transcriptions", files={"file": ("a.wav", b"")})
    assert nothing.json()["error"]["message"].startswith("`file` is empty")
    missing = client.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"other": b"x"})
    assert missing.json()["error"]["message"].startswith("`file` is missing")


def test_silence_is_an_empty_text(client: httpx.Client, silence: Path) -> None:
    assert transcribe(client, silence).json()["text"] == ""
    assert transcribe(client, silence, response_format="text").text == "\n"
    assert transcribe(client, silence, response_format="srt").status_code == 200
    events = transcribe(client, silence, stream="true").text
    assert '"transcript.text.done"' in events


def test_models(sdk: openai.OpenAI) -> None:
    listed = list(sdk.models.list())
    assert listed[0].id == "moonshine-tiny-en"
    assert listed[0].created > 1_700_000_000
    assert sdk.models.retrieve("moonshine-tiny-en").id == "moonshine-tiny-en"
    assert sdk.models.retrieve("whisper-1").id == "moonshine-tiny-en"
    for name in ("org/nothing", "sensevoice-small", "a" * 5000):
        with pytest.raises(openai.NotFoundError):
            sdk.models.retrieve(name)


def test_unknown_paths_and_methods_have_the_same_shape(client: httpx.Client) -> None:
    assert client.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert client.get("/v1/audio/transcriptions").json()["error"]["code"] == "method_not_allowed"


def test_asyncio_sdk_many_at_once(server: Running, cities: Path) -> None:
    import asyncio

    async def ask() -> list[openai.types.audio.Transcription]:
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1",
            api_key="any",
            http_client=cast("Any", httpx.AsyncClient(trust_env=False, timeout=100)),
        ) as sdk:
            calls = [sdk.audio.transcriptions.create(model="whisper-1", file=cities) for _ in range(6)]
            return await asyncio.gather(*calls)

    texts = {found.text for found in asyncio.run(ask())}
    assert len(texts) == 1
    assert "worst of times" in texts.pop()


def test_texts_of_segments_join_without_a_separator(client: httpx.Client, long_cities: Path) -> None:
    body = transcribe(client, long_cities, response_format="verbose_json").json()
    texts = [segment["text"] for segment in body["segments"]]
    assert len(texts) > 3
    assert all(text.startswith(" ") for text in texts)
    assert "".join(texts) == f" {body['text']}"


@pytest.mark.parametrize(
    ("texts", "joined"),
    [(["你好。", "再见。"], "你好。再见。"), (["Hello.", "你好", "Bye."], " Hello.你好Bye."), (["a"], " a"), ([], "")],
)
def test_segments_of_other_scripts_join_as_they_are_written(texts: list[str], joined: str) -> None:
    segments = tuple(Segment(number, float(number), number + 1.0, text) for number, text in enumerate(texts))
    bodies = segment_bodies(Transcript("a", 9.0, segments))
    assert "".join(body["text"] for body in bodies) == joined


def test_a_model_that_can_translates(
    serving: Callable[..., Any], tone_models: Callable[..., Path], tone_audio: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    folder = tone_models("whisper")
    files = {path.stem: path.name for path in [*folder.glob("*.onnx"), *folder.glob("tokens.txt")]}
    models = {"tones": {"type": "whisper", "dir": str(folder), "files": files, "languages": ["en", "zh"]}}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": models}))
    soundfile.write(tmp_path / "a.wav", tone_audio([0, 1, 2]), 16000)
    with serving(model_dir=tmp_path, model="tones") as server, server.client() as client:
        fields = {"response_format": "verbose_json", "vad_filter": "false"}
        said = post(client, "/v1/audio/transcriptions", tmp_path / "a.wav", **fields).json()
        found = post(client, "/v1/audio/translations", tmp_path / "a.wav", **fields).json()
        assert (said["task"], found["task"], found["language"]) == ("transcribe", "translate", "english")
        assert found["text"]
        with (tmp_path / "a.wav").open("rb") as file:
            query = {"task": "translate", "language": "zh", "vad_filter": "false"}
            answer = client.post("/asr", params=query, files={"audio_file": file})
        assert answer.status_code == 200
        assert answer.text.strip()
        listed = [model["id"] for model in client.get("/v1/models").json()["data"]]
        assert listed[0] == "tones"
        assert not any("English" in name for name in listed)
