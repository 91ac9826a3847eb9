"""The larger embedded model: weights of another exporter, in the same engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.backends.moonshine.recognizer import MoonshineRecognizer, load
from asrcli.backends.moonshine.weights import Weights
from asrcli.backends.types import DecodeJob
from asrcli.models import builtin
from asrcli.models.registry import Registry
from asrcli.options import RecognitionOptions

ENGLISH = RecognitionOptions(language="en")


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> MoonshineRecognizer:
    if not builtin.available(builtin.BASE):
        pytest.skip("needs the wheel moonshine-cpp 0.1.4")
    folder = tmp_path_factory.mktemp("registry")
    loaded = load(Registry(folder / "models", cache_dir=folder / "cache").resolve(builtin.BASE), 2)
    assert isinstance(loaded, MoonshineRecognizer)
    return loaded


def test_a_batch_gives_each_chunk_what_it_has_alone(recognizer: MoonshineRecognizer, wheel_audio: Path) -> None:
    samples, rate = soundfile.read(wheel_audio / "two_cities.wav", dtype="float32")
    assert rate == 48000
    recording = samples[: len(samples) // 3 * 3].reshape(-1, 3).mean(axis=1)
    beckett, _ = soundfile.read(wheel_audio / "beckett.wav", dtype="float32")
    chunks = [recording[16000 * start : 16000 * end] for start, end in ((0, 11), (11, 22), (5, 8))] + [beckett]
    jobs = [DecodeJob(chunk.astype(np.float32), ENGLISH) for chunk in chunks]
    together = recognizer.run(jobs)
    assert together == [recognizer.run([job])[0] for job in jobs]
    assert all(one.timed for one in together)
    heard = " ".join(one.text.lower() for one in together)
    for phrase in ("best of times", "age of foolishness", "epoch of incredulity", "fail again fail better"):
        assert phrase in heard.replace(",", "")


def test_an_offset_in_the_unit_of_the_values_is_a_zero_point(tmp_path: Path) -> None:
    weights = object.__new__(Weights)
    values = np.array([[-128, 127], [0, 25]], np.int8)
    weights._tensors = {
        "w_quantized": values,
        "w_scale": np.array([0.5], np.float32),
        "w_zero_point": np.array([-12.5], np.float32),
    }
    found = weights.table("w")
    expected = values * np.float32(0.5) - np.float32(12.5)
    assert (found.zero, found.scale) == (128 + 25, 0.5)
    assert np.array_equal((found.values.astype(np.float32) - found.zero) * found.scale, expected)
    assert np.array_equal(weights.parameter("w"), expected)
