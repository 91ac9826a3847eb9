"""Models on vLLM itself, in its build for CPUs, each in an engine process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import Hypothesis, ModelSpec
from asrcli.errors import (
    EngineClosedError,
    EngineCrashError,
    EngineError,
    LanguageNotSupportedError,
    MachineError,
    OptionNotSupportedError,
)
from asrcli.options import Hotword, RecognitionOptions
from tests.backends.vllm.conftest import LIMITS
from tests.tone import WORDS, tone_audio

pytestmark = pytest.mark.timeout(900)

Engine = Callable[..., tuple[EngineClient, ModelSpec]]
SOUND = tone_audio([1, 2, 3])
#: tokens of an answer: random weights never write the end
SHORT, LONG = 12, 300


def ask(engine: tuple[EngineClient, ModelSpec], samples: Any = SOUND, **request: Any) -> Hypothesis:
    client, spec = engine
    found: Hypothesis = client.submit(spec.name, samples, RecognitionOptions(**request)).result(timeout=300)
    return found


# -- Fun-ASR-Nano ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tone", [0, 3, 7])
def test_fun_asr_nano_recognises_the_words(engine: Engine, nano: Path, tone: int) -> None:
    found = ask(engine(nano, engine="vllm"), tone_audio([tone] * 3))
    assert (found.text, found.limit, found.language) == (WORDS[tone], False, None)


def test_fun_asr_nano_is_asked_in_its_prompt(engine: Engine, nano: Path) -> None:
    high, low = tone_audio([7] * 3), tone_audio([0] * 3)
    running = engine(nano, engine="vllm")
    assert ask(running, high, hotwords=(Hotword(text="糕", weight=80.0),)).text == "糕"
    assert ask(running, high, prompt="about 糕").text == "糕"
    english = ask(running, high, language="en")
    assert (english.text, english.language) == ("high", "en")
    assert ask(running, low, itn=False).text == "dodo"
    assert ask(running, tone_audio([None])).text == ""
    assert ask(running, np.zeros(0, np.float32)).text == ""
    with pytest.raises(LanguageNotSupportedError):
        ask(running, low, language="sw")


def test_chunks_of_several_requests_at_once_do_not_mix(engine: Engine, nano: Path) -> None:
    client, spec = engine(nano, engine="vllm")
    cake = (Hotword(text="糕", weight=80.0),)
    jobs = [
        (tone, RecognitionOptions(hotwords=cake if number % 2 else ())) for number, tone in enumerate([7, 7, 1, 2] * 4)
    ]
    futures = [client.submit(spec.name, tone_audio([tone] * 3), request) for tone, request in jobs]
    expected = ["糕" if tone == 7 and request.hotwords else WORDS[tone] for tone, request in jobs]
    assert [future.result(timeout=300).text for future in futures] == expected


def test_torch_takes_its_place_with_a_warning_where_vllm_does_not_start(nano: Path) -> None:
    files = {"config": nano / "config.yaml", "model": nano / "model.pt"}
    options = {**LIMITS, "engine": "vllm", "gpu_memory_utilization": 1e-6, "device": "cpu"}
    spec = ModelSpec(name="nano", type="funasr_fun_asr_nano", files=files, options=options)
    with EngineClient(threads=1) as client:
        client.load("nano", "funasr", spec).result(timeout=600)
        assert client.submit("nano", tone_audio([3] * 3), RecognitionOptions()).result(timeout=300).text == WORDS[3]
        (notice,) = client.notices("nano")
    assert notice.startswith("nano: vLLM does not start, so torch is used: FunASR cannot load nano for vLLM: ")


# -- Qwen3-ASR ---------------------------------------------------------------------------------------------------------


def test_request_and_sound_reach_qwen3_asr(engine: Engine, qwen: Path) -> None:
    running = engine(qwen, engine="vllm", max_new_tokens=SHORT)
    plain = ask(running)
    assert plain.text
    assert plain.limit
    others = [
        ask(running, language="zh"),
        ask(running, prompt="All about tones."),
        ask(running, hotwords=(Hotword(text="Kowalczyk"),)),
        ask(running, tone_audio([7, 0, 5, 4])),
    ]
    assert others[0].language == "zh"
    assert all(other.text != plain.text for other in others)
    assert ask(running, np.zeros(16000, np.float32)).text == ""
    for odd in (np.ones(100, np.float32), np.full(8000, np.nan, np.float32)):
        assert isinstance(ask(running, odd), Hypothesis)


def test_words_come_as_they_are_written(engine: Engine, whisper: Path) -> None:
    client, spec = engine(whisper, max_new_tokens=SHORT)
    grown: list[Hypothesis] = []
    found = client.submit(spec.name, SOUND, RecognitionOptions(language="de"), growing=grown.append).result(timeout=300)
    counts = [len(hypothesis.text.split()) for hypothesis in grown]
    assert counts == list(range(1, len(counts) + 1))
    assert len(counts) in {SHORT - 1, SHORT}
    assert all(found.text.startswith(hypothesis.text) for hypothesis in grown)
    assert {hypothesis.language for hypothesis in grown} == {"de"}


def test_a_decode_that_is_not_wanted_any_more_is_aborted_alone(engine: Engine, qwen: Path) -> None:
    client, spec = engine(qwen, engine="vllm", max_new_tokens=LONG)
    writing = threading.Event()
    jobs = [
        client.submit(spec.name, tone_audio([n, 1]), RecognitionOptions(), growing=lambda _: writing.set())
        for n in range(3)
    ]
    assert writing.wait(100)
    client.cancel(jobs[1])
    with pytest.raises(EngineClosedError, match="cancelled"):
        jobs[1].result(timeout=300)
    assert all(job.result(timeout=300).limit for job in (jobs[0], jobs[2]))


def test_a_chunk_with_a_short_answer_does_not_wait_for_another(engine: Engine, qwen: Path) -> None:
    """They are decoded together, but vLLM answers each by itself."""
    client, spec = engine(qwen, engine="vllm", max_new_tokens=LONG)
    writing = threading.Event()
    long = client.submit(spec.name, SOUND, RecognitionOptions(), growing=lambda _: writing.set())
    assert writing.wait(100)
    silence = client.submit(spec.name, np.zeros(16000, np.float32), RecognitionOptions())
    refused = client.submit(spec.name, SOUND, RecognitionOptions(language="bg"))
    assert silence.result(timeout=300).text == ""
    assert isinstance(refused.exception(timeout=300), LanguageNotSupportedError)
    assert not long.done()
    assert long.result(timeout=300).limit


def test_a_chunk_that_vllm_refuses_is_an_error_of_its_own(engine: Engine, qwen: Path) -> None:
    running = engine(qwen, engine="vllm", max_new_tokens=SHORT)
    with pytest.raises(EngineError, match="vLLM refused a chunk"):
        ask(running, prompt="far more words than there is room for " * 60)
    assert isinstance(ask(running), Hypothesis)


def test_a_device_that_vllm_was_not_built_for_is_an_error(qwen: Path) -> None:
    files = {"config": qwen / "config.json", "model": qwen / "model.safetensors"}
    spec = ModelSpec(name="qwen", type="qwen_asr", files=files, options={"engine": "vllm", "device": "cuda"})
    with EngineClient(threads=1) as client, pytest.raises(MachineError, match="the device cuda is not available"):
        client.load("qwen", "qwen", spec).result(timeout=600)


# -- Whisper -----------------------------------------------------------------------------------------------------------


def test_whisper_detects_the_language_and_takes_requests(engine: Engine, whisper: Path) -> None:
    running = engine(whisper, max_new_tokens=SHORT)
    plain = ask(running)
    assert plain.text
    assert plain.limit
    assert len(str(plain.language)) in {2, 3}
    asked = ask(running, language=plain.language)
    assert asked == plain
    german = ask(running, language="de" if plain.language != "de" else "fr")
    assert german.language != plain.language
    assert german.text != plain.text
    assert ask(running, prompt="w1 w2 w3").text != plain.text
    assert ask(running, hotwords=(Hotword(text="w7"),)).text != plain.text


def test_whisper_reads_no_more_than_thirty_seconds(engine: Engine, whisper: Path) -> None:
    with pytest.raises(EngineError, match=r"reads at most 30 s, not 31\.0 s"):
        ask(engine(whisper, max_new_tokens=SHORT), np.ones(31 * 16000, np.float32), language="de")


# -- other models ------------------------------------------------------------------------------------------------------


def test_a_model_of_another_class_answers_by_the_sound(engine: Engine, glm_asr: Path) -> None:
    running = engine(glm_asr, max_new_tokens=SHORT)
    assert running[1].type == "vllm_audio"
    plain = ask(running)
    assert plain.text
    assert plain.limit
    assert plain.language is None
    assert ask(running) == plain
    assert ask(running, tone_audio([7, 0, 5, 4])).text != plain.text
    assert ask(running, np.zeros(16000, np.float32)).text == ""
    for odd in (np.ones(100, np.float32), np.full(8000, np.nan, np.float32), tone_audio([1, 2] * 32)):
        assert isinstance(ask(running, odd), Hypothesis)


def test_what_a_model_would_ignore_is_refused(engine: Engine, glm_asr: Path) -> None:
    running = engine(glm_asr, max_new_tokens=SHORT)
    with pytest.raises(LanguageNotSupportedError, match="cannot be asked for a language"):
        ask(running, language="de")
    for request in ({"prompt": "All about tones."}, {"hotwords": (Hotword(text="Kowalczyk"),)}):
        with pytest.raises(OptionNotSupportedError, match="takes no hotwords and no prompt"):
            ask(running, **request)


# -- crashes -----------------------------------------------------------------------------------------------------------

CRASHING = """
import os
from asrcli.backends.qwen import recognizer

def load(spec, threads):
    service = recognizer.load(spec, threads)
    step = service._engine._engine.step

    def fail_at_a_low_tone():
        if any("die" in str(request.prompt) or request.priority == 9 for request in service._engine._running.values()):
            raise RuntimeError("CUDA error: device-side assert triggered")
        return step()

    service._engine._engine.step = fail_at_a_low_tone
    return service
"""


def test_a_chunk_that_ends_the_engine_costs_no_other(
    qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine process is started again, and chunks are decoded one by one."""
    (tmp_path / "crashing_vllm.py").write_text(CRASHING)
    monkeypatch.syspath_prepend(str(tmp_path))
    files = {"config": qwen / "config.json", "model": qwen / "model.safetensors"}
    options = {"engine": "vllm", "max_new_tokens": SHORT, **LIMITS}
    spec = ModelSpec(name="qwen", type="qwen_asr", files=files, options=options)
    with EngineClient(threads=1) as client:
        client.load("qwen", "crashing_vllm:load", spec)
        assert client.submit("qwen", SOUND, RecognitionOptions()).result(timeout=600).text
        jobs = [
            client.submit("qwen", tone_audio([n]), RecognitionOptions(), priority=9 if n == 2 else 0) for n in range(5)
        ]
        errors = [job.exception(timeout=300) for job in jobs]
    assert [type(error) for error in errors] == [type(None)] * 2 + [EngineCrashError] + [type(None)] * 2
    assert "device-side assert" in str(errors[2])
