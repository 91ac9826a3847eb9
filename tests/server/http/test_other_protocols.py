"""SenseVoice, FunASR over HTTP, funasr-server and whisper-asr-webservice."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile as sf


def test_base64_in_json(client: httpx.Client, cities: Path) -> None:
    wav = base64.b64encode(cities.read_bytes()).decode()
    wrapped = "data:audio/wav;base64," + "\n".join(wav[i : i + 76] for i in range(0, len(wav), 76))
    for text in (wav, wrapped, base64.urlsafe_b64encode(cities.read_bytes()).decode()):
        body = client.post("/asr", json={"wav": text}).json()
        assert (body["code"], body["msg"]) == (0, "ok")
        assert "worst of times" in body["res"].lower()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"[" * 100_000, b'{"wav": 3}', b'{"wav": "%%%"}', b'{"wav": "AAAA"}', b'{"wav": ""}']
)
def test_json_failures_are_code_1_with_http_200(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/asr", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["code"] == 1
    assert answer.json()["msg"]


def test_api_py(client: httpx.Client, cities: Path, silence: Path) -> None:
    files = [("files", (path.name, path.read_bytes())) for path in (cities, silence)]
    body = client.post("/api/v1/asr", files=files, data={"keys": "first", "lang": "auto"}).json()
    first, second = body["result"]
    assert first["key"] == "first"
    assert second["key"] == "silence.wav"
    assert "worst of times" in first["clean_text"].lower()
    assert first["raw_text"].startswith("<|en|><|EMO_UNKNOWN|><|Speech|><|woitn|>")
    assert first["text"] == first["clean_text"]
    assert second["clean_text"] == ""
    nothing = client.post("/api/v1/asr", files={"files": silence.read_bytes()})
    assert nothing.json() == {"result": []}
    wrong = client.post("/api/v1/asr", files={"files": cities.read_bytes()}, data={"lang": "zh"})
    assert wrong.status_code == 400
    assert wrong.json()["code"] == 1


def test_recognition(client: httpx.Client, cities: Path) -> None:
    body = client.post("/recognition", files={"audio": cities.read_bytes()}).json()
    assert body["code"] == 0
    assert "worst of times" in body["text"].lower()
    assert 0 < body["sentences"][0]["start"] < body["sentences"][0]["end"] <= 8000
    missing = client.post("/recognition", files={"other": b"x"})
    assert missing.status_code == 400
    assert missing.json()["code"] == 1


def test_funasr_server(client: httpx.Client, cities: Path) -> None:
    body = client.post("/asr", files={"file": cities.read_bytes()}, data={"language": "English", "spk": "false"}).json()
    assert "worst of times" in body["text"].lower()
    assert body["duration"] == pytest.approx(8, abs=0.01)
    assert body["segments"][0]["words"][0]["start"] >= body["segments"][0]["start"]
    assert body["rtf"] > 0


def test_names_in_other_scripts_are_kept(client: httpx.Client, silence: Path) -> None:
    answer = client.post("/asr?output=SRT", files={"audio_file": ("录音 é.wav", silence.read_bytes())})
    name = "%E5%BD%95%E9%9F%B3%20%C3%A9.wav.srt"
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}; filename=\"__ _.wav.srt\""


def test_the_list_of_files_may_be_marked_as_one(client: httpx.Client, cities: Path) -> None:
    files = [(name, ("a.wav", cities.read_bytes())) for name in ("files[]", "files[1]")]
    assert len(client.post("/api/v1/asr", files=files).json()["result"]) == 2


@pytest.mark.parametrize("output", ["txt", "vtt", "srt", "tsv", "json"])
def test_whisper_webservice(client: httpx.Client, cities: Path, output: str) -> None:
    query = {"output": output, "task": "transcribe", "encode": "true", "word_timestamps": "true"}
    answer = client.post("/asr", params=query, files={"audio_file": ('täst"x.mkv', cities.read_bytes())})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["asr-engine"] in {"moonshine", "sherpa_onnx"}
    assert answer.headers["content-disposition"].endswith(f'.{output}"')
    assert "best of times" in answer.text.lower()
    if output == "json":
        assert answer.json()["segments"][0]["words"]


def test_whisper_webservice_takes_raw_pcm(client: httpx.Client, cities: Path) -> None:
    samples, rate = sf.read(cities, dtype="int16")
    body = samples[:: rate // 16000].tobytes()
    answer = client.post("/asr", params={"encode": "false"}, files={"audio_file": body})
    assert "times" in answer.text.lower()
    found = client.post("/detect-language", params={"encode": "false"}, files={"audio_file": body}).json()
    assert found == {"detected_language": "english", "language_code": "en", "confidence": 0.0}, "it detects nothing"


def test_whisper_webservice_recognises_what_is_no_pcm(client: httpx.Client, cities: Path) -> None:
    """`encode=false` announces PCM; other bytes would be noise, and its text empty or invented."""
    samples, rate = sf.read(cities)
    flac = io.BytesIO()
    sf.write(flac, samples, rate, format="FLAC")
    for body in (cities.read_bytes(), flac.getvalue()):
        answer = client.post("/asr", params={"encode": "false"}, files={"audio_file": body})
        assert "best of times" in answer.text.lower()
    for path in ("/asr", "/detect-language"):
        answer = client.post(path, params={"encode": "false"}, files={"audio_file": b"<html>" + b"x" * 9999})
        assert answer.status_code == 400


def test_the_language_of_silence_is_a_valid_one_without_confidence(client: httpx.Client, silence: Path) -> None:
    with silence.open("rb") as file:
        found = client.post("/detect-language", files={"audio_file": file}).json()
    assert found == {"detected_language": "english", "language_code": "en", "confidence": 0.0}


@pytest.mark.parametrize("query", [{"task": "translate"}, {"output": "docx"}, {"vad_filter": "maybe"}, {}])
def test_errors_of_whisper_webservice_cannot_be_taken_for_subtitles(
    client: httpx.Client, cities: Path, query: dict[str, Any]
) -> None:
    body = cities.read_bytes() if query else b"no audio at all"
    answer = client.post("/asr", params=query, files={"audio_file": body})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.strip()
    assert answer.text[0] not in "{["
    broken = client.post(
        "/asr", params={"output": "srt"}, content=b"--", headers={"content-type": "multipart/form-data"}
    )
    assert (broken.status_code, broken.text[0]) == (400, "T")
    bazarr = client.post("/asr", params=query, files={"audio_file": body}, headers={"user-agent": "Subliminal/2.1"})
    assert (bazarr.status_code, bazarr.content) == (400, b""), "it saves any text as subtitles"


def test_files_of_whisper_webservice_are_those_of_the_original(client: httpx.Client, cities: Path) -> None:
    answer = client.post("/asr", params={"output": "tsv"}, files={"audio_file": ("talk.mkv", cities.read_bytes())})
    assert answer.headers["content-disposition"] == 'attachment; filename="talk.mkv.tsv"'
    head, *rows = [line.split("\t") for line in answer.text.splitlines()]
    assert head == ["start", "end", "text"]
    assert all(len(row) == 3 and int(row[0]) <= int(row[1]) <= 8000 for row in rows)
    labelled = client.post(
        "/asr", params={"output": "srt", "diarize": "true"}, files={"audio_file": cities.read_bytes()}
    )
    assert labelled.status_code == 200
    assert "[Speaker 1]" in labelled.text
