"""The embedded model on a real recording, through the backend."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from asrcli.backends.sherpa_onnx import load
from asrcli.backends.types import Job
from asrcli.errors import LanguageNotSupportedError
from asrcli.models.registry import Registry
from asrcli.options import RecognitionOptions


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    registry = Registry(folder / "models", cache_dir=folder / "cache")
    return load(registry.resolve("moonshine-tiny-en"), 2)


@pytest.fixture(scope="module")
def recording(wheel_audio):
    samples, rate = soundfile.read(wheel_audio / "two_cities.wav", dtype="float32")
    assert rate == 48000
    # A third of the rate, each sample the mean of three: enough of a filter for speech.
    return samples[: len(samples) // 3 * 3].reshape(-1, 3).mean(axis=1).astype(np.float32)


def test_real_speech_by_several_threads(recognizer, recording):
    chunks = [recording[start * 16000 : (start + 11) * 16000] for start in (0, 11, 22)]
    with ThreadPoolExecutor(3) as pool:
        heard = list(pool.map(lambda chunk: recognizer.run([Job(chunk, RecognitionOptions(language="en"))])[0], chunks))
    text = " ".join(one.text for one in heard).lower()
    for phrase in ("best of times", "worst of times", "age of wisdom", "age of foolishness", "season of"):
        assert phrase in text
    assert heard[0].language == "en"
    assert not heard[0].timed
    assert "".join(token.text for token in heard[0].tokens).strip() == heard[0].text


def test_silence_is_no_text(recognizer):
    [heard] = recognizer.run([Job(np.zeros(16000, np.float32), RecognitionOptions())])
    assert heard.text == ""


def test_another_language_is_an_error_in_its_place(recognizer, recording):
    refused, heard = recognizer.run(
        [Job(recording[: 16000 * 6], RecognitionOptions(language=language)) for language in ("de", "en")]
    )
    assert isinstance(refused, LanguageNotSupportedError)
    assert "best of times" in heard.text.lower()
