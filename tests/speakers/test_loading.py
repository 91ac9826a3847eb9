from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import ModelSpec
from asrcli.errors import ModelError, UsageError
from asrcli.options import SpeakerOptions
from asrcli.speakers.diarizer import Thresholds
from asrcli.speakers.enrol import VoicePrint, VoiceStore
from asrcli.speakers.loading import check_options, diarization_spec, prepare, set_up, thresholds
from asrcli.transcript import Turn
from tests.speakers.tone_voices import conversation


@pytest.mark.parametrize(
    "options",
    [
        {"speakers": 0},
        {"speakers": 2, "max_speakers": 3},
        {"min_speakers": 4, "max_speakers": 3},
        {"cluster_threshold": 2.5},
        {"cluster_threshold": 0.0},
    ],
)
def test_impossible_options(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        check_options(SpeakerOptions(**options))


def test_a_threshold_that_is_no_distance_is_explained() -> None:
    with pytest.raises(UsageError) as caught:
        check_options(SpeakerOptions(cluster_threshold=2.5))
    assert str(caught.value) == (
        "--cluster-threshold 2.5 is not a cosine distance. It lies between 0 and 2; 0.3 to 0.9 is usual. "
        "Higher finds fewer speakers."
    )


@pytest.mark.parametrize("options", [{}, {"speakers": 2}, {"min_speakers": 2, "max_speakers": 2}])
def test_possible_options(options: dict[str, Any]) -> None:
    check_options(SpeakerOptions(**options))


def test_thresholds_come_from_the_embedding_model(
    tone_specs: tuple[ModelSpec, ModelSpec], real_spec: ModelSpec
) -> None:
    tones = thresholds(diarization_spec(*tone_specs))
    assert (tones.cluster, tones.join, tones.voice) == (0.7, pytest.approx(0.28), pytest.approx(0.42))
    assert thresholds(real_spec) == Thresholds(0.6, 0.15, 0.25)


class Names:
    """A registry of two models."""

    def __init__(self, segmentation: ModelSpec, embedding: ModelSpec) -> None:
        self.models = {"segmentation": segmentation, "embedding": embedding}

    def resolve(self, name: Any = None, *, kind: str) -> ModelSpec:
        return self.models[kind]


def test_set_up_accepts_enrolled_speakers_and_reports_the_others(
    engine: EngineClient, tone_specs: tuple[ModelSpec, ModelSpec], tmp_path: Path
) -> None:
    store = VoiceStore(tmp_path)
    registry: Any = Names(*tone_specs)
    options = SpeakerOptions(enabled=True)
    without = set_up(engine, registry, options, store)
    assert without.notices == ()
    audio = conversation([Turn(0, 8, "0")], 8)
    diarizer = without.new()
    diarizer.push(audio)
    (turn,) = diarizer.finish()
    heard = tuple(map(float, diarizer.voices[turn.speaker]))
    store.save(VoicePrint("Ada", "tones", without.embedding.digest, heard, 8.0, ""))
    store.save(VoicePrint("Bob", "another", "other digest", (1.0,), 8.0, ""))

    ready = set_up(engine, registry, options, store)
    assert ready.digest != without.digest
    (notice,) = ready.notices
    assert notice.startswith("Bob cannot be recognised with tone-embedding: enrolled with another embedding model.")
    assert notice.endswith("Enrol again with: asrcli speakers enroll")
    diarizer = ready.new()
    diarizer.push(np.concatenate([audio, audio]))
    assert {turn.speaker for turn in diarizer.finish()} == {"Ada"}


@pytest.mark.parametrize("kind", ["sense_voice", "omnilingual_asr_ctc", "online_transducer"])
@pytest.mark.parametrize(("type_", "task"), [("pyannote", "segmentation"), ("speaker_embedding", "embedding")])
def test_a_network_for_something_else_is_refused(
    tone_models: Callable[[str], Path], kind: str, type_: str, task: str
) -> None:
    """sherpa-onnx would end the process over it, or the first window would fail."""
    graph = next(tone_models(kind).glob("*coder.onnx" if kind == "online_transducer" else "model.onnx"))
    foreign = ModelSpec("foreign", type_, {"model": graph})
    fine = ModelSpec("other", "community", {"model": graph})
    pair = (foreign, fine) if task == "segmentation" else (fine, foreign)
    with pytest.raises(ModelError, match=f"foreign: .* is not a model for speaker {task}") as caught:
        prepare(*pair, SpeakerOptions())
    assert "It differs from the published exports of its type" in caught.value.hint


def test_published_networks_are_accepted(shared: Path) -> None:
    segmentation = shared / "models" / "pyannote-segmentation-3-0-int8" / "model.int8.onnx"
    for folder in ("voxceleb-thin-resnet", "toy-speaker-embedding"):
        embedding = shared / "models" / folder / "model.onnx"
        prepare(
            ModelSpec("segmentation", "pyannote", {"model": segmentation}),
            ModelSpec("embedding", "speaker_embedding", {"model": embedding}),
            SpeakerOptions(),
        )
