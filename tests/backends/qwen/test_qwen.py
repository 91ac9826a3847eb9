"""Qwen3-ASR on torch, with a tiny model of the package's own classes; checks and answers without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.backends.checks import backend_notices, check_model, check_request
from asrcli.backends.qwen.check import detect_folder
from asrcli.backends.qwen.recognizer import load, read_answer
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec
from asrcli.backends.vllm.options import has_vllm
from asrcli.errors import (
    LanguageNotSupportedError,
    MachineError,
    ModelError,
    ModelNotInstalledError,
    OptionNotSupportedError,
)
from asrcli.models.detect import detect
from asrcli.options import Hotword, RecognitionOptions
from tests.tone import tone_audio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of the published models, without weights that could be loaded."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3_asr"}))
    for name in ("model.safetensors", "tokenizer_config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def spec_of(folder: Path, **options: Any) -> ModelSpec:
    type_, files = detect(folder)
    return ModelSpec(name="qwen", type=type_, files=files, options=options)


def test_a_folder_is_recognised_by_its_config(folder: Path) -> None:
    assert detect_folder(folder) == (
        "qwen_asr", {"config": folder / "config.json", "model": folder / "model.safetensors"}
    )  # fmt: skip
    assert detect_folder(folder, streaming=True) is None
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights"):
        detect_folder(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3"}))
    assert detect_folder(folder) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("engine", "onnx"), ("dtype", "int8"), ("batch_size", 0), ("max_num_seqs", True),
        ("gpu_memory_utilization", 1.5),
        ("aligner", "/nowhere"), ("colour", 1), ("device", "coreml"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, value: Any
) -> None:
    with pytest.raises(OptionNotSupportedError, match=name if name != "device" else "coreml"):
        check_model(spec_of(folder, **{name: value}))


@pytest.mark.parametrize("device", ["mps", "cuda:0,mps"])
def test_vllm_is_not_asked_for_a_device_that_it_would_not_use(folder: Path, device: str) -> None:
    with pytest.raises(OptionNotSupportedError, match="does not run on mps"):
        check_model(spec_of(folder, engine="vllm", device=device))


def test_a_missing_file_is_reported(folder: Path) -> None:
    spec = spec_of(folder)
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ModelNotInstalledError, match=r"tokenizer_config\.json is missing"):
        check_model(spec)


def test_a_language_that_it_does_not_support_is_refused(folder: Path) -> None:
    with pytest.raises(LanguageNotSupportedError, match="'bg'"):
        check_request(spec_of(folder), RecognitionOptions(language="bg"))


@pytest.mark.skipif(has_vllm(), reason="vLLM is installed")
def test_torch_is_used_with_a_warning_where_vllm_is_not_installed(folder: Path) -> None:
    (notice,) = backend_notices(spec_of(folder, engine="vllm"))
    assert "vLLM is not installed, so torch is used" in notice
    assert backend_notices(spec_of(folder)) == ()


@pytest.mark.parametrize(
    ("raw", "language", "expected"),
    [
        ("language English<asr_text>Hello there.", None, ("English", "Hello there.")),
        ("language None<asr_text>", None, ("", "")),
        ("language Klingon<asr_text>nuqneH", None, ("", "nuqneH")),
        ("no mark", None, ("", "no mark")),
        (" Guten Tag. ", "German", ("German", "Guten Tag.")),
        ("language English<asr_text>" + "la " * 60, None, ("English", ("la " * 60).strip())),
        ("", None, ("", "")),
    ],
)
def test_answers_are_read(raw: str, language: str | None, expected: tuple[str, str]) -> None:
    assert read_answer(raw, language) == expected


# -- the real package --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decode(qwen: Path) -> Callable[..., list[Hypothesis]]:
    recognizer = load(spec_of(qwen, device="cpu", batch_size=4, max_new_tokens=12), 1)

    def run(*chunks: Any, **request: Any) -> list[Hypothesis]:
        found = recognizer.run([DecodeJob(chunk, RecognitionOptions(**request)) for chunk in chunks])
        assert all(isinstance(hypothesis, Hypothesis) for hypothesis in found), found
        return [hypothesis for hypothesis in found if isinstance(hypothesis, Hypothesis)]

    return run


def test_an_answer_that_reaches_the_limit_is_marked(decode: Callable[..., list[Hypothesis]]) -> None:
    (found,) = decode(tone_audio([1, 2, 3]), language="en")
    assert found.text
    assert found.language == "en"
    assert found.limit


def test_request_and_sound_reach_the_model(decode: Callable[..., list[Hypothesis]]) -> None:
    sound = tone_audio([1, 2, 3])
    (plain,) = decode(sound)
    assert decode(sound)[0] == plain
    others = [
        decode(sound, language="zh")[0],
        decode(sound, prompt="All about tones.")[0],
        decode(sound, hotwords=(Hotword(text="Kowalczyk"),))[0],
        decode(tone_audio([7, 0, 5, 4]))[0],
    ]
    assert all(other.text != plain.text for other in others)


def test_odd_chunks_have_an_answer_each(decode: Callable[..., list[Hypothesis]]) -> None:
    chunks = [
        np.zeros(0, np.float32),
        np.ones(100, np.float32),
        np.full(8000, np.nan, np.float32),
        tone_audio([1] * 20),
    ]
    assert len(decode(*chunks)) == 4


def test_weights_that_are_missing_are_an_error_not_random(qwen: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for path in qwen.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "audio_tower" not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"only \d+% of the weights"):
        load(spec_of(tmp_path, device="cpu"), 1)


def test_a_gpu_that_is_not_there_is_an_error(qwen: Path) -> None:
    import torch

    with pytest.raises(MachineError, match=r"the device cuda(:\d+)? is not available"):
        load(replace(spec_of(qwen), options={"device": f"cuda:{torch.cuda.device_count()}"}), 1)


def test_torch_takes_its_place_with_a_notice_where_vllm_does_not_start(
    qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "__init__.py").write_text(
        "raise ImportError('libcudart.so.13: cannot open shared object file')"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    recognizer: Any = load(spec_of(qwen, engine="vllm", device="cpu", max_new_tokens=4), 1)
    (notice,) = recognizer.notices
    assert "vLLM does not start, so torch is used: vLLM cannot be imported: libcudart.so.13" in notice
    (found,) = recognizer.run([DecodeJob(tone_audio([1, 2]), RecognitionOptions())])
    assert isinstance(found, Hypothesis)
