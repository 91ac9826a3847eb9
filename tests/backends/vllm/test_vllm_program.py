"""The program with models on vLLM, live streams, and vLLM's own server behind `--remote`."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import soundfile

from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import Hypothesis, ModelSpec
from asrcli.options import RecognitionOptions
from asrcli.server.live.endpoint import EndpointOptions
from asrcli.server.live.events import Partial, SentenceEnded
from asrcli.server.live.partial_decoding import Growing, RepeatedDecoder
from asrcli.server.live.service import call_in
from asrcli.server.live.session import LiveOptions, LiveSession
from tests.backends.vllm.conftest import LIMITS
from tests.server.live.test_session import Loudness
from tests.tone import RATE, WORDS, tone_audio

pytestmark = pytest.mark.timeout(900)

Run = Callable[..., subprocess.CompletedProcess[str]]


def write_entry(folder: Path, type_: str, model: Path, weights: str, **options: Any) -> None:
    """An entry "tones" in the registry of the program that `run` starts."""
    config = next(path.name for path in (model / "config.yaml", model / "config.json") if path.exists())
    entry = {"type": type_, "dir": str(model), "files": {"config": config, "model": weights}, "options": options}
    place = folder / "data" / "asrcli" / "models.yaml"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"models": {"tones": entry}}))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A tone, silence, another tone."""
    path = tmp_path / "tones.wav"
    soundfile.write(path, tone_audio([3] * 4 + [None] * 12 + [5] * 4), RATE)
    return path


@pytest.mark.parametrize("limit", [0.05, 1e-6], ids=["on vLLM", "on torch instead"])
def test_the_program_transcribes(run: Run, nano: Path, recording: Path, tmp_path: Path, limit: float) -> None:
    given = {**LIMITS, "engine": "vllm", "gpu_memory_utilization": limit}
    write_entry(tmp_path, "funasr_fun_asr_nano", nano, "model.pt", **given)
    options = ("--no-vad", "--max-chunk", "4", "-m", "tones", "--jobs", "1", "-f", "json", "-o", "-")
    done = run("transcribe", recording, *options, env={"PYTHONWARNINGS": ""})
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["text"].split() == [WORDS[3], WORDS[5]]
    assert [note for note in result.get("warnings", ()) if "vLLM does not start, so torch is used" in note] == (
        [] if limit > 0.01 else result["warnings"]
    )


# -- live streams ------------------------------------------------------------------------------------------------------


def test_a_live_stream_shows_words_as_they_are_written(engine: Callable[..., Any], whisper: Path) -> None:
    client, spec = engine(whisper, max_new_tokens=100)
    events = asyncio.run(_listen(client, spec, tone_audio([1, 2, 3, 4] * 2)))
    texts = [event.text for event in events if isinstance(event, Partial)]
    # A decode gives a hundred words, of which the first are shown while it runs.
    counts = [len(text.split()) for text in texts]
    assert counts[:3] == sorted(set(counts[:3]))
    assert counts[0] < 50
    assert isinstance(events[-1], SentenceEnded)


async def _listen(client: EngineClient, spec: ModelSpec, audio: Any) -> list[Any]:
    async def recognise(samples: Any, options: RecognitionOptions, _: Any, growing: Growing) -> Hypothesis:
        grow = partial(call_in, asyncio.get_running_loop(), growing)
        found: Hypothesis = await asyncio.wrap_future(client.submit(spec.name, samples, options, growing=grow))
        return found

    decoder = RepeatedDecoder(recognise, RecognitionOptions(language="de"), 30.0)
    session = LiveSession(decoder, LiveOptions(endpoint=EndpointOptions(silence=0.6)), detector=Loudness())
    events: list[Any] = []

    async def take() -> None:
        async for event in session.events():
            events.append(event)  # noqa: PERF401 - as they come

    taking = asyncio.create_task(take())
    for start in range(0, len(audio), 1600):
        await session.feed(audio[start : start + 1600])
        await asyncio.sleep(0.02)
    await session.finish()
    await taking
    await session.close()
    return events


# -- vLLM's server -----------------------------------------------------------------------------------------------------


@pytest.fixture
def server(qwen: Path, tmp_path: Path) -> Iterator[str]:
    """The address of `vllm serve` with Qwen3-ASR."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--served-model-name", "qwen", "--max-num-seqs", "4", "--enforce-eager"]
    options += ["--gpu-memory-utilization", "0.05"]
    program = Path(sys.executable).with_name("vllm")
    command = [str(program), "serve", str(qwen), "--host", "127.0.0.1", "--port", str(port), *options]
    log = tmp_path / "server.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, cwd=tmp_path) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(log.read_text()[-4000:])


def test_vllm_serve_is_a_remote_recogniser(run: Run, server: str, recording: Path) -> None:
    done = run("transcribe", recording, "--remote", server, "-m", "qwen", "-f", "json", "-o", "-")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["backend"] == "remote"
    assert result["text"]
