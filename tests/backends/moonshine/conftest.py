"""The small embedded model, and the recording of its wheel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.backends.types import ModelSpec
from asrcli.models.registry import Registry


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    folder = tmp_path_factory.mktemp("registry")
    return Registry(folder / "models", cache_dir=folder / "cache").resolve("moonshine-tiny-en")


@pytest.fixture(scope="module")
def recording(wheel_audio: Path) -> np.ndarray:
    samples, rate = soundfile.read(wheel_audio / "two_cities.wav", dtype="float32")
    assert rate == 48000
    # A third of the rate, each sample the mean of three: enough of a filter for speech.
    return samples[: len(samples) // 3 * 3].reshape(-1, 3).mean(axis=1).astype(np.float32)
