"""`--remote` against a server of vLLM's own, `vllm serve`, in its build for CPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from asrcli.errors import ExitCode
from tests.backends.vllm.tiny_whisper import build
from tests.ports import free_port
from tests.tone import tone_audio

pytestmark = pytest.mark.timeout(900)

#: seconds that the server may take to start
_START = 800


@pytest.fixture(scope="module")
def server(vllm: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a Whisper with random weights, whose answers have eight tokens at most."""
    folder = tmp_path_factory.mktemp("served")
    model = build(folder / "model", positions=12)
    port = free_port()
    options = {
        "--served-model-name": "tiny", "--host": "127.0.0.1", "--port": port, "--dtype": "float32",
        "--gpu-memory-utilization": 0.05, "--max-num-seqs": 4,
    }  # fmt: skip
    command = [Path(sys.executable).with_name("vllm"), "serve", model, "--enforce-eager"]
    command += [part for option in options.items() for part in option]
    private = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command)], stdout=log, stderr=log, env=os.environ | private, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _START
        while not _answers(f"{url}/health"):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"vllm serve does not start:\n{(folder / 'log').read_text(errors='replace')[-4000:]}")
            time.sleep(0.5)
        yield f"{url}/v1"
    finally:
        process.terminate()
        process.wait(timeout=100)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def transcribe(server: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`transcribe(*options)`: the program on a recording of tones."""
    soundfile.write(tmp_path / "tones.wav", tone_audio([1, 2, 3, 4, 5, 6, 7]), 16000)

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = ["transcribe", "tones.wav", "--no-vad", "--remote", server, "-f", "json", "-o", "-", *options]
        return subprocess.run(
            [sys.executable, "-m", "asrcli", *command], cwd=tmp_path, capture_output=True, text=True, check=False,
            timeout=300, env=os.environ | {"PYTHONPATH": str(Path.cwd()), "XDG_DATA_HOME": str(tmp_path / "data")},
        )  # fmt: skip

    return run


def _read(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_text_and_language_of_vllm_serve(transcribe: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    found = _read(transcribe("-m", "tiny"))
    assert found["text"]
    assert (found["model"], found["backend"]) == ("tiny", "remote")
    assert len(found["language"]) in {2, 3}
    assert _read(transcribe("-m", "tiny")) == found
    german = _read(transcribe("-m", "tiny", "--language", "de"))
    assert german["language"] == "de"


def test_its_only_model_is_used_where_none_is_named(
    transcribe: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    found = _read(transcribe())
    assert found["text"] == _read(transcribe("-m", "tiny"))["text"]
    assert any("tiny" in warning for warning in found["warnings"])


def test_its_models_are_named_where_another_is_asked_for(
    transcribe: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = transcribe("-m", "large")
    assert done.returncode == ExitCode.MODEL
    assert "The server has: tiny (choose with --model)" in done.stderr
