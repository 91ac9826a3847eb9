"""FunASR's FSMN-VAD as the model that detects speech."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import soundfile

from asrcli.audio.types import Samples
from asrcli.backends.funasr.companions import load_vad
from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.errors import MissingExtraError, ModelError
from asrcli.model_set import choose
from asrcli.models.registry import Registry
from asrcli.options import TranscribeOptions, VadOptions
from asrcli.vad.detector import engine_detector
from asrcli.vad.types import WINDOW
from tests.tone import tone_audio

ENTRY = """models:
  mine:
    type: {type}
    dir: {folder}
    files: {{config: config.yaml, model: model.pt}}
    options: {{vad: {vad}}}
"""


def test_a_folder_is_named_by_its_class(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_folder("FsmnVADStreaming")
    spec = Registry(tmp_path).resolve(str(folder), kind="vad")
    assert (spec.type, spec.files["config"]) == ("funasr_fsmn_vad", folder / "config.yaml")
    (folder / "model.pt").unlink()
    with pytest.raises(ModelError, match="not a whole one"):
        load_vad(spec, 1)


def test_an_entry_names_its_detector(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    recogniser, detector = write_folder("Paraformer"), write_folder("FsmnVADStreaming")
    silero = tmp_path / "silero.onnx"
    silero.write_bytes(b"")
    registry = Registry(tmp_path, cache_dir=tmp_path / "cache")

    def chosen(named: Path, options: TranscribeOptions) -> tuple[ModelSpec | None, Path | None, str]:
        (tmp_path / "models.yaml").write_text(
            ENTRY.format(type="funasr_paraformer", folder=recogniser, vad=named), encoding="utf-8"
        )
        spec = Registry(tmp_path, cache_dir=tmp_path / "cache").resolve("mine")
        get: Any = lambda name, kind: registry.resolve(name, kind=kind)  # noqa: E731
        options = replace(options, text=replace(options.text, punctuation=False))
        models = choose(spec, options, registry, get)
        return models.vad, models.options.vad.model, models.digest

    try:
        vad, model, digest = chosen(detector, TranscribeOptions())
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert vad is not None
    assert (vad.type, model) == ("funasr_fsmn_vad", None)
    for options in (VadOptions(enabled=False), VadOptions(model=tmp_path / "other.onnx")):
        vad, model, other = chosen(detector, TranscribeOptions(vad=options))
        assert (vad, model) == (None, options.model)
        assert other != digest
    assert chosen(silero, TranscribeOptions())[:2] == (None, silero)


@pytest.fixture(scope="module")
def detect(toolkit: Callable[[str], Path]) -> Callable[..., Future[Samples]]:
    folder = toolkit("FsmnVADStreaming")
    files = {"config": folder / "config.yaml", "model": folder / "model.pt"}
    service = load_vad(ModelSpec(name="fsmn-vad", type="funasr_fsmn_vad", files=files), 1)

    def submit(samples: Samples, request: tuple[int, int]) -> Future[Samples]:
        future: Future[Samples] = Future()
        future.set_result(service.run([DecodeJob(samples, request)])[0])
        return future

    return submit


def test_probabilities_do_not_depend_on_where_the_stream_is_divided(detect: Callable[..., Future[Samples]]) -> None:
    random = np.random.default_rng(0)
    loud = random.normal(0, 0.1, 40 * WINDOW).astype(np.float32)
    stream = np.concatenate([np.zeros(30 * WINDOW, np.float32), loud, np.zeros(30 * WINDOW, np.float32)])
    whole = engine_detector(detect).probabilities(stream)
    assert whole.shape == (100,)
    assert (whole[32:69] > 0.9).all()
    assert (whole[[*range(30), *range(80, 100)]] < 0.1).all()
    for _ in range(5):
        detector, cuts = engine_detector(detect), np.sort(random.integers(0, 101, 6))
        parts = [detector.probabilities(part) for part in np.split(stream, cuts * WINDOW)]
        assert np.allclose(np.concatenate(parts), whole, atol=1e-4)


def test_a_recording_is_divided_by_the_detector_of_its_entry(
    toolkit: Callable[[str], Path], run: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    data = tmp_path / "data" / "asrcli"
    data.mkdir(parents=True)
    entry = ENTRY.format(type="funasr_paraformer", folder=toolkit("Paraformer"), vad=toolkit("FsmnVADStreaming"))
    (data / "models.yaml").write_text(entry, encoding="utf-8")
    silence = np.zeros(32000, np.float32)
    sound = np.concatenate([silence, tone_audio([1, 2, 3]), silence, tone_audio([4, 5]), silence])
    soundfile.write(tmp_path / "tones.wav", sound, 16000)
    ended = run("transcribe", "tones.wav", "--model", "mine", "--format", "json", "-o", "-", "--quiet")
    assert ended.returncode == 0, ended.stderr
    segments = json.loads(ended.stdout)["segments"]
    assert [segment["text"].split() for segment in segments] == [["re", "mi", "fa"], ["sol", "la"]]
