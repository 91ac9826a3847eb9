from __future__ import annotations

from functools import partial

import pytest

from asrcli.backends.process.engine_client import EngineClient
from asrcli.models.registry import Registry
from asrcli.options import SpeakerOptions
from asrcli.speakers.loading import SERVICE, diarization_spec, diarizers
from tests.speakers.tone_voices import build_specs


@pytest.fixture(scope="session")
def engine():
    """The real engine process."""
    with EngineClient(2) as host:
        yield host


@pytest.fixture(scope="session")
def tone_specs(tmp_path_factory):
    """Specs of the tone models: segmentation, embedding."""
    return build_specs(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="session")
def tone_diarizer(engine, tone_specs):
    """Makes diarizers that take tones for voices: `tone_diarizer(speakers=2, known=[...])`."""
    return _maker(engine, "tones", diarization_spec(*tone_specs))


@pytest.fixture(scope="session")
def real_spec(shared):
    """The pyannote segmentation with the tiny VoxCeleb embedding, as the registry knows them."""
    models = shared / "models"
    return diarization_spec(
        Registry().resolve(str(models / "pyannote-segmentation-3-0-int8"), kind="segmentation"),
        Registry().resolve(str(models / "voxceleb-thin-resnet"), kind="embedding"),
    )


@pytest.fixture(scope="session")
def real_diarizer(engine, real_spec):
    """Makes diarizers of the real models."""
    return _maker(engine, "real", real_spec)


def _maker(engine, name, spec):
    engine.load(name, SERVICE, spec).result()

    def make(known=(), **options):
        return diarizers(partial(engine.submit, name), spec, SpeakerOptions(enabled=True, **options), known)()

    return make
