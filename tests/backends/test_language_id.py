"""The language service: a Whisper model that goes by the first word it detects, in the real engine process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asrcli.backends.companions import load_language_identifier as load
from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import ModelSpec
from asrcli.errors import ModelError
from tests.tone import tone_audio, tone_spec

KIND = "asrcli.backends.companions:load_language_identifier"


@pytest.fixture(scope="module")
def spec(tone_models: Callable[..., Path]) -> ModelSpec:
    return tone_spec("whisper", tone_models("whisper"))


def test_languages_are_detected_from_the_audio(spec: ModelSpec) -> None:
    with EngineClient(2) as host:
        host.load("languages", KIND, spec)
        reported = [host.submit("languages", tone_audio(tones)) for tones in ([7, 2], [0, 7], [2, 0], [7], [0])]
        assert [future.result() for future in reported] == ["zh", "en", "cy", "zh", "en"]


def test_more_audio_than_the_model_takes_at_once(spec: ModelSpec) -> None:
    rest = np.random.default_rng(0).normal(0, 1e-3, 40 * 16000).astype(np.float32)
    with EngineClient(1) as host:
        host.load("languages", KIND, spec)
        assert host.submit("languages", np.concatenate([tone_audio([7, 0]), rest])).result() == "zh"


def test_a_model_that_cannot_tell_languages_is_refused(spec: ModelSpec, tone_models: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="cannot identify languages"):
        load(tone_spec("zipformer_ctc", tone_models("zipformer_ctc")), 1)
    # The engine would end its process over metadata that is not there.
    moonshine = replace(spec, files=dict(spec.files) | {"encoder": spec.files["decoder"]})
    with pytest.raises(ModelError, match="one language only"):
        load(moonshine, 1)
