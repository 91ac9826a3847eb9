"""Servers started as the users of funasr-api and asr2clip start theirs, and `--check`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile as sf
import yaml

from asrcli.models.registry import Registry
from asrcli.server.errors import UnavailableError
from asrcli.server.recognition.model_downloads import ModelDownloads
from tests.models import serving as downloads
from tests.ports import free_port
from tests.server.process.test_serve import client, serving, transcribe
from tests.tone import build, tone_audio


def until(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The first answer other than 503, within a minute."""
    deadline = time.monotonic() + 60
    while (answer := ask()).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


@pytest.mark.slow
def test_funasr_api(home: dict[str, str], cities: Path) -> None:
    theirs = {"API_KEY": "secret", "LOG_LEVEL": "INFO", "MAX_AUDIO_SIZE": "1", "MAX_SEGMENT_SEC": "3"}
    theirs |= {"ENABLED_MODELS": "auto", "ASR_BATCH_SIZE": "4"}
    with serving("--funasr-port", 0, env=home | theirs) as server, client(server.listening()) as found:
        assert transcribe(found, cities).status_code == 401
        found.headers["authorization"] = "Bearer secret"
        assert "worst of times" in transcribe(found, cities).json()["text"].lower()
        assert found.get("/redoc").status_code == 200
        too_large = found.post("/v1/audio/transcriptions", files={"file": b"0" * (2 << 20)})
        assert too_large.status_code == 413


def test_our_own_variable_precedes_theirs(home: dict[str, str]) -> None:
    both = {"ASRCLI_SERVE_API_KEY": "ours", "API_KEY": "theirs"}
    with serving("--funasr-port", 0, env=home | both) as server, client(server.listening()) as found:
        for key, status in (("ours", 200), ("theirs", 401)):
            assert found.get("/v1/models", headers={"authorization": f"Bearer {key}"}).status_code == status


@pytest.mark.slow
def test_enabled_models(home: dict[str, str]) -> None:
    theirs = {"ENABLED_MODELS": "moonshine-tiny-en, paraformer-large"}
    with serving("--funasr-port", 0, env=home | theirs) as server, client(server.listening()) as found:
        answers = {}
        for name in ("moonshine-tiny-en", "whisper-1", "paraformer-large", "sensevoice-small"):
            form: Any = {"files": {"file": b"x" * 100}, "data": {"model": name}}
            answers[name] = found.post("/v1/audio/transcriptions", **form).status_code
    assert answers == {"moonshine-tiny-en": 400, "whisper-1": 400, "paraformer-large": 503, "sensevoice-small": 404}


@pytest.mark.slow
def test_asr2clips_registry(home: dict[str, str], tmp_path: Path) -> None:
    """Every registered model is listed, and one that is missing is downloaded when a client first names it."""
    folder = build("telespeech_ctc", tmp_path / "tones")
    files = {f"tones/{file.name}": file.read_bytes() for file in folder.iterdir()}
    recording = tmp_path / "tones.wav"
    sf.write(recording, tone_audio([0, None, 1, None, 2, None]), 16000)
    with downloads.serving() as site:
        address = site.serve("/tones.tar.bz2", downloads.tar_of(files))
        entry = {"type": "telespeech_ctc", "dir": "tones", "files": {"model": "model.onnx", "tokens": "tokens.txt"}}
        models = {"tones": entry | {"download": {"url": address, "archive_subdir": "tones"}}}
        path = tmp_path / "registry" / "models.yaml"
        path.parent.mkdir()
        registry = {"default_model": "moonshine-tiny-en", "num_threads": 1, "models": models}
        path.write_text(yaml.safe_dump(registry), encoding="utf-8")
        with serving("--funasr-port", 0, "--config", path, env=home) as server, client(server.listening()) as found:
            names = {each["id"] for each in found.get("/v1/models").json()["data"]}
            assert {"moonshine-tiny-en", "tones"} <= names
            listed = {each["id"]: each for each in found.get("/stream/v1/asr/models").json()["models"]}
            assert not listed["tones"]["offline_model"]["exists"]
            assert listed["moonshine-tiny-en"]["offline_model"]["exists"]
            form: Any = {"files": {"file": recording.read_bytes()}, "data": {"model": "tones", "vad_filter": "false"}}
            first = found.post("/v1/audio/transcriptions", **form)
            assert (first.status_code, first.json()["error"]["code"]) == (503, "unavailable"), first.text
            assert int(first.headers["retry-after"]) > 0
            answer = until(lambda: found.post("/v1/audio/transcriptions", **form))
            assert answer.status_code == 200, answer.text
            assert answer.json()["text"].split()[0] == "do"
    assert (path.parent / "models" / "tones" / "model.onnx").is_file()


def test_a_download_that_fails_is_reported_once_to_clients(tmp_path: Path) -> None:
    with downloads.serving() as site:
        entry = {"type": "telespeech_ctc", "dir": "tones", "files": {"model": "model.onnx", "tokens": "tokens.txt"}}
        address = site.serve("/tones.tar.bz2", b"not an archive")
        models = {"tones": entry | {"download": {"url": address}}}
        path = tmp_path / "models.yaml"
        path.write_text(yaml.safe_dump({"models": models}), encoding="utf-8")
        found = ModelDownloads(Registry(tmp_path / "models", path))

        def ask() -> str:
            with pytest.raises(UnavailableError) as refused:
                found.request("tones")
            return refused.value.message

        assert "is being downloaded" in ask()
        deadline = time.monotonic() + 60
        while "is being downloaded" in (answer := ask()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "cannot be downloaded" in answer
        assert "is being downloaded" in ask(), "it is tried again"
        found.close()


@pytest.mark.slow
def test_check(home: dict[str, str], certificate: tuple[Path, Path]) -> None:
    """`--check` with the server's own options finds its port, with and without TLS."""

    def check(*arguments: object) -> int:
        command = [sys.executable, "-m", "asrcli", "serve", *map(str, arguments), "--check"]
        return subprocess.run(command, env=home, capture_output=True, text=True, check=False, timeout=60).returncode

    cert, key = certificate
    for secure in ((), ("--certfile", cert, "--keyfile", key)):
        options = ("--host", "0.0.0.0", "--port", free_port(), "--funasr-port", 0, *secure)
        assert check(*options) == 5
        with serving(*options, env=home) as server:
            url = httpx.URL(server.listening())
            with client(f"{url.scheme}://127.0.0.1:{url.port}", verify=False) as found:
                until(lambda: found.get("/health/ready"))
            assert check(*options) == 0
        assert check(*options) == 5
