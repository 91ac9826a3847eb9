"""`POST /stream/v1/asr`, for Aliyun's clients and for funasr-api's."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile as sf

from asrcli.audio.ffmpeg.process import find_ffmpeg
from asrcli.server.recognition.samples import holds_samples


def asr(client: httpx.Client, body: bytes, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
    return client.post("/stream/v1/asr", params=query, content=body, headers=headers or {})


def pcm(path: Path, rate: int = 16000) -> bytes:
    samples, native = sf.read(path, dtype="int16")
    assert native % rate == 0 or native == rate
    return samples[:: native // rate].tobytes()


def test_aliyuns_clients_get_aliyuns_status(client: httpx.Client, cities: Path) -> None:
    answer = asr(client, cities.read_bytes(), appkey="any", format="wav", sample_rate=16000)
    body = answer.json()
    assert answer.status_code == 200
    assert body["status"] == 20000000
    assert body["message"] == "SUCCESS"
    assert "worst of times" in body["result"].lower()
    assert len(body["task_id"]) == 32
    assert answer.headers["task_id"] == body["task_id"]


def test_funasr_apis_clients_get_200_and_segments(client: httpx.Client, cities: Path) -> None:
    body = asr(client, cities.read_bytes()).json()
    assert body["status"] == 200
    assert body["result"] == "\n".join(segment["text"] for segment in body["segments"])
    assert body["duration"] == pytest.approx(8, abs=0.01)
    assert body["processing_time"] > 0
    for segment in body["segments"]:
        tokens = segment["word_tokens"]
        assert segment["start_time"] <= tokens[0]["start_time"] <= tokens[-1]["end_time"] <= segment["end_time"] + 0.01
    assert "word_tokens" not in asr(client, cities.read_bytes(), word_timestamps="false").json()["segments"][0]


@pytest.mark.parametrize("rate", [16000, 8000])
def test_raw_pcm_is_read_at_its_rate(client: httpx.Client, cities: Path, rate: int, tmp_path: Path) -> None:
    samples, native = sf.read(cities, dtype="float32")
    wav = tmp_path / "x.wav"
    sf.write(wav, samples[:: native // rate], rate, subtype="PCM_16")
    body = asr(client, pcm(wav, rate), appkey="k", format="pcm", sample_rate=rate).json()
    assert body["duration"] == pytest.approx(8, abs=0.05)
    assert "times" in body["result"].lower()


#: format -> ffmpeg's options, for bodies that a client sends without naming their format
FORMATS = {
    "aac": "-c:a aac -f adts",
    "ac3": "-c:a ac3 -f ac3",
    "aiff": "-f aiff",
    "au": "-f au",
    "caf": "-f caf",
    "dts": "-ar 48000 -strict -2 -c:a dca -f dts",
    "flv": "-ar 44100 -c:a libmp3lame -f flv",
    "latm": "-c:a aac -f latm",
    "m2ts": "-c:a ac3 -f mpegts -mpegts_m2ts_mode 1",
    "mka": "-f matroska",
    "mov": "-f mov",
    "mp3 without a tag": "-c:a libmp3lame -id3v2_version 0 -write_xing 0 -f mp3",
    "mpg": "-c:a mp2 -f mpeg",
    "nut": "-f nut",
    "rf64": "-f wav -rf64 always",
    "sox": "-f sox",
    "ts": "-c:a mp2 -f mpegts",
    "tta": "-f tta",
    "voc": "-f voc",
    "w64": "-f w64",
    "wma": "-c:a wmav2 -f asf",
    "wv": "-f wv",
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_body_without_a_named_format_is_recognised(
    client: httpx.Client, cities: Path, tmp_path: Path, name: str
) -> None:
    body = tmp_path / "body"
    command = [
        find_ffmpeg(),
        "-v",
        "error",
        "-i",
        str(cities),
        "-t",
        "3",
        "-ac",
        "1",
        *FORMATS[name].split(),
        str(body),
    ]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    found = asr(client, body.read_bytes()).json()
    assert (found["status"], found["message"]) == (200, "SUCCESS")
    assert "best of times" in found["result"].lower()
    assert found["duration"] == pytest.approx(3, abs=0.2)


def _random(size: int) -> bytes:
    return np.random.default_rng(0).bytes(size)


NOT_AUDIO = {
    "html": b"<!doctype html><html><body>502 Bad Gateway</body></html>",
    "json": b'{"audio": "AAAA"}',
    "long json": b'{"audio": "' + b"QUJD" * 40_000 + b'"}',
    "chinese": "这不是录音。\r\n".encode() * 400,
    "chinese in GB 18030": "这不是录音。\r\n".encode("gb18030") * 400,
    "chinese in UTF-16": ("这不是录音。\r\n" * 400).encode("utf-16"),
    "word document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + _random(3000),
    "form": b"format=wav&audio=AAAA",
    "zip": b"PK\x03\x04" + _random(100_000),
    "png": b"\x89PNG\r\n\x1a\n" + _random(100_000),
    "pdf": b"%PDF-1.7\n" + _random(100_000),
    "random bytes": _random(100_000),
}


@pytest.mark.parametrize("name", NOT_AUDIO)
@pytest.mark.parametrize("query", [{}, {"appkey": "k"}])
def test_a_body_that_is_not_audio_is_refused(client: httpx.Client, name: str, query: dict[str, Any]) -> None:
    answer = asr(client, NOT_AUDIO[name], **query)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DECODE_ERROR")


@pytest.mark.parametrize("gain", [1.0, 0.01, 0.0002])
@pytest.mark.parametrize("start", [0, 12_345, 40_000])
def test_samples_without_a_named_format_stay_samples(cities: Path, tmp_path: Path, gain: float, start: int) -> None:
    samples, _ = sf.read(cities, dtype="float32")
    body = tmp_path / "body"
    for cut in (samples[start:], samples[start : start + 3200]):
        body.write_bytes((cut * gain * 32767).astype("<i2").tobytes())
        assert holds_samples(body, announced=False)


def test_wav_that_claims_to_be_pcm(client: httpx.Client, cities: Path) -> None:
    body = asr(client, cities.read_bytes(), appkey="k", format="pcm", sample_rate=8000).json()
    assert body["duration"] == pytest.approx(8, abs=0.05)


@pytest.mark.parametrize("value", ["", "undefined", "null", "None"])
def test_parameters_without_a_value_count_as_not_sent(client: httpx.Client, cities: Path, value: str) -> None:
    names = ("format", "sample_rate", "enable_speaker_diarization", "enable_punctuation_prediction", "word_timestamps")
    query: dict[str, Any] = dict.fromkeys(names, value)
    answer = asr(client, pcm(cities), appkey="k", **query)
    assert "best of times" in answer.json()["result"].lower(), answer.text


def test_forms_are_taken_too(client: httpx.Client, cities: Path) -> None:
    with cities.open("rb") as file:
        body = client.post("/stream/v1/asr", files={"audio": file}).json()
    assert "times" in body["result"].lower()


def test_silence_is_a_success_without_text(client: httpx.Client, silence: Path) -> None:
    body = asr(client, silence.read_bytes(), appkey="k").json()
    assert (body["status"], body["result"], body["segments"]) == (20000000, "", [])


@pytest.mark.parametrize(
    ("query", "body", "http", "status", "code"),
    [
        ({}, b"", 400, 40000002, "INVALID_MESSAGE"),
        ({"format": "wav"}, b"RIFF____WAVEfmt nonsense", 400, 40270003, "DECODE_ERROR"),
        ({"format": "pcm", "sample_rate": 44100}, b"\0\0" * 999, 400, 41010101, "UNSUPPORTED_SAMPLE_RATE"),
        ({"sample_rate": "fast"}, b"\0\0", 400, 40000003, "INVALID_PARAMETER"),
        ({"vocabulary_id": "w " * 400}, b"\0\0", 400, 40000003, "INVALID_PARAMETER"),
        ({"vocabulary_id": "a 1000 b 3"}, b"\0\0", 400, 40000003, "INVALID_PARAMETER"),
        ({"audio_address": "http://127.0.0.1/a.wav"}, b"", 403, 40000003, "INVALID_PARAMETER"),
    ],
)
def test_errors_carry_both_vocabularies(
    client: httpx.Client, query: dict[str, Any], body: bytes, http: int, status: int, code: str
) -> None:
    answer = asr(client, body, **query)
    error = answer.json()
    assert (answer.status_code, error["status"], error["error_code"]) == (http, status, code)
    assert error["result"] == ""
    assert error["message"]
    assert error["timestamp"]


def test_tokens(serving: Callable[..., Any], cities: Path) -> None:
    with serving(api_keys=("secret",), aliyun_status="200") as server, server.client() as client:
        refused = asr(client, cities.read_bytes(), appkey="k")
        assert refused.status_code == 401
        assert refused.json()["status"] == 40000001
        for headers, query in (({"X-NLS-Token": "secret"}, {}), ({}, {"token": "secret"})):
            answer = asr(client, cities.read_bytes(), headers, appkey="k", **query)
            assert answer.json()["status"] == 200
        assert client.get("/stream/v1/asr/models").status_code == 401


def test_models_and_health(client: httpx.Client) -> None:
    models = client.get("/stream/v1/asr/models").json()
    assert models["models"][0]["id"] == "moonshine-tiny-en"
    assert models["models"][0]["default"]
    assert models["total"] == len(models["declared_entries"])
    assert models["runtime"]["default_offline_model_id"] == "moonshine-tiny-en"
    health = client.get("/stream/v1/asr/health").json()
    assert health["status"] == "healthy"
