"""`POST /stream/v1/asr`, for Aliyun's clients and for funasr-api's."""

from __future__ import annotations

import httpx
import pytest
import soundfile as sf


def asr(client, body, headers=None, **query):
    return client.post("/stream/v1/asr", params=query, content=body, headers=headers or {})


def pcm(path, rate=16000):
    samples, native = sf.read(path, dtype="int16")
    assert native % rate == 0 or native == rate
    return samples[:: native // rate].tobytes()


def test_aliyuns_clients_get_aliyuns_status(client, cities):
    answer = asr(client, cities.read_bytes(), appkey="any", format="wav", sample_rate=16000)
    body = answer.json()
    assert answer.status_code == 200
    assert body["status"] == 20000000
    assert body["message"] == "SUCCESS"
    assert "worst of times" in body["result"].lower()
    assert len(body["task_id"]) == 32
    assert answer.headers["task_id"] == body["task_id"]


def test_funasr_apis_clients_get_200_and_segments(client, cities):
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
def test_raw_pcm_is_read_at_its_rate(client, cities, rate, tmp_path):
    samples, native = sf.read(cities, dtype="float32")
    wav = tmp_path / "x.wav"
    sf.write(wav, samples[:: native // rate], rate, subtype="PCM_16")
    body = asr(client, pcm(wav, rate), appkey="k", format="pcm", sample_rate=rate).json()
    assert body["duration"] == pytest.approx(8, abs=0.05)
    assert "times" in body["result"].lower()


def test_wav_that_claims_to_be_pcm(client, cities):
    body = asr(client, cities.read_bytes(), appkey="k", format="pcm", sample_rate=8000).json()
    assert body["duration"] == pytest.approx(8, abs=0.05)


def test_forms_are_taken_too(client, cities):
    with cities.open("rb") as file:
        body = client.post("/stream/v1/asr", files={"audio": file}).json()
    assert "times" in body["result"].lower()


def test_silence_is_a_success_without_text(client, silence):
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
        ({"audio_address": "http://127.0.0.1/a.wav"}, b"", 403, 40000001, "AUTHENTICATION_FAILED"),
    ],
)
def test_errors_carry_both_vocabularies(client, query, body, http, status, code):
    answer = asr(client, body, **query)
    error = answer.json()
    assert (answer.status_code, error["status"], error["error_code"]) == (http, status, code)
    assert error["result"] == ""
    assert error["message"]
    assert error["timestamp"]


def test_tokens(serving, cities):
    with serving(api_keys=("secret",), aliyun_status="200") as server, server.client() as client:
        refused = asr(client, cities.read_bytes(), appkey="k")
        assert refused.status_code == 401
        assert refused.json()["status"] == 40000001
        for headers, query in (({"X-NLS-Token": "secret"}, {}), ({}, {"token": "secret"})):
            answer = asr(client, cities.read_bytes(), headers, appkey="k", **query)
            assert answer.json()["status"] == 200
        assert httpx.get(f"{server.url}/stream/v1/asr/models", trust_env=False).status_code == 401


def test_models_and_health(client):
    models = client.get("/stream/v1/asr/models").json()
    assert models["models"][0]["id"] == "moonshine-tiny-en"
    assert models["models"][0]["default"]
    assert models["total"] == len(models["declared_entries"])
    assert models["runtime"]["default_offline_model_id"] == "moonshine-tiny-en"
    health = client.get("/stream/v1/asr/health").json()
    assert health["status"] == "healthy"
