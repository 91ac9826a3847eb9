"""Requests in the exact forms of gateways and clients: boundaries, part headers, order of fields, odd values.

The forms were read in the sources of the programs that the tests name. Libraries would normalise them, so the bodies
are written here byte by byte.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.conftest import Running

_PATH = "/v1/audio/transcriptions"
_BOUNDARY = "--------------------------173105894622117653298420"


def form(*parts: Any, boundary: Any = _BOUNDARY) -> Any:
    """A multipart body; each part is (headers, data)."""
    lines = []
    for headers, data in parts:
        lines += [f"--{boundary}".encode(), *[line.encode() for line in headers], b"", data]
    return b"\r\n".join([*lines, f"--{boundary}--".encode(), b""])


def field(name: Any, value: Any) -> Any:
    return [f'Content-Disposition: form-data; name="{name}"'], value.encode()


def upload(disposition: Any, audio: Any, *headers: Any) -> Any:
    return [f"Content-Disposition: form-data; {disposition}", *headers], audio


def post(
    client: Any, path: Any, body: Any, content_type: Any = f"multipart/form-data; boundary={_BOUNDARY}", **headers: Any
) -> Any:
    return client.post(path, content=body, headers={"content-type": content_type, **headers})


def heard(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    text = answer.json()["text"] if answer.headers["content-type"].startswith("application/json") else answer.text
    return "worst of times" in " ".join(text.lower().split())


@pytest.fixture(scope="module")
def audio(cities: Path) -> Any:
    return cities.read_bytes()


def test_open_webui(client: httpx.Client, audio: Any) -> None:
    """Requests' form of a file without a type; the base URL may end in a slash."""
    file = upload('name="file"; filename="0c2b6a3e-9d1f-4a57-8a8e-8f0f3c1d2b11.wav"', audio)
    body = form(field("model", "whisper-1"), field("language", "en"), file)
    identity = {"x-openwebui-user-name": "Ada%20L", "x-openwebui-user-role": "user"}
    for path in (_PATH, "/v1//audio/transcriptions"):
        assert heard(post(client, path, body, authorization="Bearer sk-any", **identity))


def test_dify(client: httpx.Client, audio: Any) -> None:
    """The file before the model, its name that of a temporary file; a base URL with or without /v1."""
    body = form(upload('name="file"; filename="tmpa_8x2q1c.mp3"', audio), field("model", "whisper-1"))
    for path in (_PATH, "/audio/transcriptions", "/v1/v1/audio/transcriptions"):
        assert heard(post(client, path, body))


def test_librechat(client: httpx.Client, audio: Any) -> None:
    """Node streams the form in pieces, without a length; the type of the part is the recorder's guess."""
    file = upload('name="file"; filename="audio.webm"', audio, "Content-Type: audio/webm")
    body = form(file, field("model", "whisper-1"), field("language", "en"))
    pieces = (body[start : start + 65536] for start in range(0, len(body), 65536))
    assert heard(post(client, _PATH, pieces, accept="application/json, text/plain, */*"))


def test_librechat_with_azure(serving: Callable[..., AbstractContextManager[Running]], audio: Any) -> None:
    """The deployment's name in the path, the key in `api-key`, no model."""
    body = form(upload('name="file"; filename="audio.m4a"', audio, "Content-Type: audio/mp4"), field("language", "en"))
    path = "/openai/deployments/whisper/audio/transcriptions?api-version=2024-06-01"
    with serving(api_keys=("secret",)) as server, server.client() as client:
        assert heard(post(client, path, body, **{"api-key": "secret"}))
        assert post(client, path, body, **{"api-key": "wrong"}).status_code == 401


def test_n8n(client: httpx.Client, audio: Any) -> None:
    file = upload('name="file"; filename="Aufnahme 24 (1).mp3"', audio, "Content-Type: audio/mpeg")
    body = form(field("model", "whisper-1"), field("temperature", "0.2"), file)
    assert heard(post(client, _PATH, body))


@pytest.mark.parametrize("extra", [{}, {"language": "auto"}, {"language": "en", "detect_language": "false"}])
def test_whisper_cpp_and_home_assistants_client_of_it(client: httpx.Client, audio: Any, extra: Any) -> None:
    fields = {"temperature": "0.0", "temperature_inc": "0.2", "no_speech_thold": "0.6", "response_format": "json"}
    parts = [field(name, value) for name, value in (fields | extra).items()]
    body = form(upload('name="file"; filename="jfk.wav"', audio, "Content-Type: audio/wav"), *parts)
    for path in ("/inference", "/inference/"):
        assert heard(post(client, path, body))


def test_whisper_cpp_spans(client: httpx.Client, audio: Any) -> None:
    """The whole has "best" and "worst of times" and, from 5 s, "wisdom"."""
    file = upload('name="file"; filename="a.wav"', audio)
    for fields, words, start in (
        ({"offset_t": "5000", "duration": "0"}, ("wisdom",), 5.0),
        ({"offset_t": "0", "duration": "3000"}, ("best",), 0.0),
        ({"offset-t": "", "duration": "null"}, ("best", "wisdom"), 0.0),
    ):
        parts = [field(name, value) for name, value in (fields | {"response_format": "verbose_json"}).items()]
        found = post(client, "/inference", form(file, *parts)).json()
        assert [word for word in ("best", "wisdom") if word in found["text"].lower()] == list(words), fields
        assert found["segments"][0]["start"] >= start, "times are those of the whole recording"
    assert post(client, "/inference", form(file, field("offset_t", "-1"))).status_code == 400


def test_whisper_cpp_formats(client: httpx.Client, audio: Any) -> None:
    file = upload('name="file"; filename="a.wav"', audio)
    for name, start in (("text", "It was"), ("srt", "1\n00:00:0"), ("vtt", "WEBVTT"), ("verbose_json", '{"task"')):
        assert post(client, "/inference", form(file, field("response_format", name))).text.startswith(start)


@pytest.mark.parametrize("fields", [{"translate": "true"}, {"task": "translate"}])
@pytest.mark.parametrize("path", ["/inference", _PATH])
def test_a_translation_is_refused_rather_than_transcribed(
    client: httpx.Client, audio: Any, path: Any, fields: Any
) -> None:
    parts = [field(name, value) for name, value in fields.items()]
    answer = post(client, path, form(upload('name="file"; filename="a.wav"', audio), *parts))
    assert answer.status_code == 400
    assert "translate" in answer.json()["error"]["message"]
    allowed = [field(name, value) for name, value in {"translate": "false", "task": "transcribe"}.items()]
    assert heard(post(client, path, form(upload('name="file"; filename="a.wav"', audio), *allowed)))


def test_home_assistant(client: httpx.Client, audio: Any) -> None:
    """All fields always sent, those without a value empty; the language with its country."""
    values = {"model": "", "prompt": "", "temperature": "0", "response_format": "", "language": "en-US"}
    parts = [field(name, value) for name, value in values.items()]
    file = upload('name="file"; filename="audio.wav"', audio, "Content-Type: audio/x-wav")
    assert heard(post(client, _PATH, form(*parts, file)))


def test_bazarr(client: httpx.Client, audio: Any, cities: Path) -> None:
    """PCM without a header, the file called like its field, everything else in the query."""
    import soundfile as sf

    samples, rate = sf.read(cities, dtype="int16")
    pcm = samples[:: rate // 16000].tobytes()
    body = form(upload('name="audio_file"; filename="audio_file"', pcm))
    query = "task=transcribe&language=en&output=srt&encode=false&video_file=%2Ftv%2FShow+S01E01.mkv"
    for spelling in (query, query.replace("false", "0"), query.replace("false", "False")):
        answer = post(client, f"/asr?{spelling}", body, **{"user-agent": "Subliminal/2.1"})
        assert answer.text.startswith("1\n00:00:0")
        assert "times" in answer.text.lower()
    found = post(client, "/detect-language?encode=false&video_file=x.mkv", body).json()
    assert (found["detected_language"], found["language_code"]) == ("english", "en")
    query = query.replace("transcribe", "translate")
    translated = post(client, f"/asr?{query}", body, **{"user-agent": "Subliminal/2.1"})
    assert (translated.status_code, translated.text) == (400, ""), "Bazarr would keep any text as a subtitle"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?encode=1&task=transcribe&vad_filter=&word_timestamps=&output=",
        "?task=&language=&initial_prompt=&encode=",
        "?task=None&language=undefined&vad_filter=null&word_timestamps=on&encode=undefined",
    ],
)
def test_empty_values_in_a_query_count_as_not_sent(client: httpx.Client, audio: Any, query: Any) -> None:
    assert heard(post(client, f"/asr{query}", form(upload('name="audio_file"; filename="a.wav"', audio))))


@pytest.mark.parametrize(
    "disposition",
    [
        'name="file"',
        'name="file"; filename=""',
        "name=file; filename=a.wav; filename*=utf-8''a.wav",  # .NET
        "name=\"file\"; filename*=UTF-8''%E5%BD%95%E9%9F%B3.wav",
        'name="file"; filename="录音 é.wav"',
        'name="file"; filename="blob"',
        'filename="C:\\\\Users\\\\Ada\\\\a.wav"; name="file"',
        'name="file"; filename="say %22hi%22; ok.wav"',
        f'name="file"; filename="{"x" * 1000}.wav"',
        'name="file" ; filename = "a.wav"',
    ],
)
def test_file_names(client: httpx.Client, audio: Any, disposition: Any) -> None:
    assert heard(post(client, _PATH, form(upload(disposition, audio), field("model", "whisper-1"))))


@pytest.mark.parametrize("first", [b"", b"undefined", b"null"])
def test_a_recording_behind_a_missing_one_is_found(client: httpx.Client, audio: Any, first: Any) -> None:
    body = form(upload('name="file"', first), upload('name="file[]"; filename="a.wav"', audio))
    assert heard(post(client, _PATH, body))


@pytest.mark.parametrize("path", [_PATH, "/v1/jobs", "/stream/v1/asr", "/asr"])
def test_several_recordings_in_a_form_are_refused_as_one_would_be_lost(
    client: httpx.Client, audio: Any, path: Any
) -> None:
    parts = (upload(f'name="file"; filename="{name}.wav"', audio) for name in "ab")
    answer = post(client, path, form(*parts))
    assert answer.status_code == 400
    assert "several recordings" in answer.text


def test_a_compressed_body_is_refused_by_its_name(client: httpx.Client, audio: Any) -> None:
    body = gzip.compress(form(upload('name="file"; filename="a.wav"', audio)))
    answer = post(client, _PATH, body, **{"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_encoding")
    assert "gzip" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "header",
    [
        "Content-Type: audio/webm;codecs=opus",
        "Content-Type: text/plain",
        "Content-Type: ",
        "content-type: application/octet-stream\r\nContent-Transfer-Encoding: binary",
        "Content-Type: video/mp4\r\nContent-Length: 1",
    ],
)
def test_types_of_the_part_do_not_matter(client: httpx.Client, audio: Any, header: Any) -> None:
    assert heard(post(client, _PATH, form(upload('name="file"; filename="a"', audio, *header.split("\r\n")))))


@pytest.mark.parametrize(
    "content_type",
    [
        f'multipart/form-data; boundary="{_BOUNDARY}"',
        f"Multipart/Form-Data; Boundary={_BOUNDARY}",
        f"multipart/form-data;boundary={_BOUNDARY};charset=utf-8",
        f"multipart/form-data; charset=UTF-8; boundary={_BOUNDARY}",
    ],
)
def test_spellings_of_the_type_of_the_body(client: httpx.Client, audio: Any, content_type: Any) -> None:
    body = form(upload('name="file"; filename="a.wav"', audio))
    assert heard(post(client, _PATH, body, content_type))
    assert heard(post(client, "/asr", form(upload('name="audio_file"; filename="a.wav"', audio)), content_type))


def test_text_around_the_parts_is_ignored(client: httpx.Client, audio: Any) -> None:
    body = form(upload('name="file"; filename="a.wav"', audio))
    assert heard(post(client, _PATH, b"\r\n" + body + b"\r\n"))


@pytest.mark.parametrize("prefix", ["", "/", "/v1", "/v1/"])
def test_models_are_listed_for_checks_of_a_connection(client: httpx.Client, prefix: Any) -> None:
    answer = client.get(f"{prefix.rstrip('/')}/models{'/' * prefix.endswith('/')}")
    assert answer.json()["data"][0]["id"] == "moonshine-tiny-en"
