"""How sure the embedded model is: of English it is, of sounds that are no English it is not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from asrcli.backends.certainty import mean_log_probability
from asrcli.backends.moonshine import architecture
from asrcli.backends.moonshine.recognizer import MoonshineRecognizer, load
from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.options import RecognitionOptions


def assert_unsure_of_speech_backwards(spec: ModelSpec, recording: np.ndarray) -> None:
    recognizer = load(spec, 1)
    assert isinstance(recognizer, MoonshineRecognizer)
    forwards = [recording[start * 16000 : (start + 10) * 16000] for start in (0, 11)]
    jobs = [DecodeJob(np.ascontiguousarray(each), RecognitionOptions()) for each in forwards]
    jobs += [DecodeJob(np.ascontiguousarray(each[::-1]), RecognitionOptions()) for each in forwards]
    heard = recognizer.run(jobs)
    assert [each.unsure for each in heard] == [False, False, True, True]
    assert all(each.text for each in heard)
    assert [recognizer.run([job])[0] for job in jobs] == heard


def test_the_model_is_not_sure_of_speech_backwards(spec: ModelSpec, recording: np.ndarray) -> None:
    assert_unsure_of_speech_backwards(spec, recording)


@pytest.mark.slow
def test_nor_on_other_processors(
    spec: ModelSpec, recording: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(architecture, "block_products_are_stable", lambda: False)
    assert_unsure_of_speech_backwards(spec, recording)


@pytest.mark.parametrize(
    ("tokens", "probabilities", "mean"),
    [
        ([], [], 0.0),
        ([5], [0.5], math.log(0.5)),
        ([5, 6, 7], [1.0, 0.5, 0.25], math.log(0.125) / 3),
        ([5, 6], [1.0, 0.0], math.log(1e-6) / 2),
        # Of a loop the first round counts.
        ([5, 6, 5, 6, 5, 6, 5, 6], [0.1, 0.1, 0.1, 0.9, 0.99, 1.0, 1.0, 1.0], math.log(0.1)),
        ([5, 5, 5, 5], [0.2, 0.2, 0.9, 1.0], math.log(0.2)),
    ],
)
def test_the_mean_of_what_is_new(tokens: list[int], probabilities: list[float], mean: float) -> None:
    assert mean_log_probability(tokens, probabilities) == pytest.approx(mean)
