from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import ModelSpec
from asrcli.models import builtin
from asrcli.models.registry import Registry
from asrcli.options import SpeakerOptions
from asrcli.speakers.diarizer import Diarizer, Voice
from asrcli.speakers.loading import SERVICE, diarization_spec, diarizers
from tests.speakers.tone_voices import build_specs


@pytest.fixture(scope="session")
def engine() -> Iterator[EngineClient]:
    """The real engine process."""
    with EngineClient(2) as host:
        yield host


@pytest.fixture(scope="session")
def tone_specs(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelSpec, ModelSpec]:
    """Specs of the tone models: segmentation, embedding."""
    return build_specs(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="session")
def tone_diarizer(engine: EngineClient, tone_specs: tuple[ModelSpec, ModelSpec]) -> Callable[..., Diarizer]:
    """Makes diarizers that take tones for voices: `tone_diarizer(speakers=2, known=[...])`."""
    return _maker(engine, "tones", diarization_spec(*tone_specs))


@pytest.fixture(scope="session")
def real_spec(shared: Path) -> ModelSpec:
    """The pyannote segmentation with the tiny VoxCeleb embedding, as the registry has them."""
    models = shared / "models"
    return diarization_spec(
        Registry().resolve(str(models / "pyannote-segmentation-3-0-int8"), kind="segmentation"),
        Registry().resolve(str(models / "voxceleb-thin-resnet"), kind="embedding"),
    )


@pytest.fixture(scope="session")
def real_diarizer(engine: EngineClient, real_spec: ModelSpec) -> Callable[..., Diarizer]:
    """Makes diarizers of the real models."""
    return _maker(engine, "real", real_spec)


@pytest.fixture(scope="session")
def embedded_spec() -> ModelSpec:
    """community-1, read from the wheel of moonshine-voice."""
    if builtin.speaker_entry("segmentation") is None:
        pytest.skip("needs moonshine-voice 0.0.66 to 0.1.0")
    registry = Registry()
    segmentation = registry.resolve("community-1", kind="segmentation")
    return diarization_spec(segmentation, registry.resolve("community-1", kind="embedding"))


@pytest.fixture(scope="session")
def embedded_diarizer(engine: EngineClient, embedded_spec: ModelSpec) -> Callable[..., Diarizer]:
    """Makes diarizers of the embedded networks."""
    return _maker(engine, "embedded", embedded_spec)


@pytest.fixture(scope="session")
def make_diarizers(engine: EngineClient) -> Callable[..., Callable[..., Diarizer]]:
    """`make_diarizers(name, segmentation, embedding)`: makes diarizers of two models."""
    return lambda name, *specs: _maker(engine, name, diarization_spec(*specs))


def _maker(engine: EngineClient, name: str, spec: ModelSpec) -> Callable[..., Diarizer]:
    engine.load(name, SERVICE, spec).result()

    def make(known: Sequence[Voice] = (), **options: Any) -> Diarizer:
        return diarizers(partial(engine.submit, name), spec, SpeakerOptions(enabled=True, **options), known)()

    return make
