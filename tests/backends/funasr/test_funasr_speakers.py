"""FunASR's CAM++ as the model that embeds voices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asrcli.backends.funasr.companions import load_embedding
from asrcli.backends.types import ModelSpec
from asrcli.errors import MissingExtraError, ModelError
from asrcli.model_set import choose
from asrcli.models.registry import Registry
from asrcli.options import SpeakerOptions, TranscribeOptions
from asrcli.speakers.loading import diarization_spec
from asrcli.speakers.networks import load_networks
from asrcli.speakers.types import FRAMES, WINDOW
from tests.speakers.tone_voices import build_segmentation


def test_a_folder_is_named_by_its_class(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_folder("CAMPPlus")
    spec = Registry(tmp_path).resolve(str(folder), kind="embedding")
    assert (spec.type, spec.files["model"]) == ("funasr_campplus", folder / "model.pt")
    with pytest.raises(ModelError, match="no ONNX files"):
        Registry(tmp_path).resolve(str(write_folder("Paraformer")), kind="embedding")
    (folder / "model.pt").unlink()
    with pytest.raises(ModelError, match="not a whole one"):
        load_embedding(folder / "model.pt")


def test_an_entry_names_its_embedding_model(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    recogniser, embedding = write_folder("Paraformer"), write_folder("CAMPPlus")
    (tmp_path / "models.yaml").write_text(
        f"models:\n  mine:\n    type: funasr_paraformer\n    dir: {recogniser}\n"
        "    files: {config: config.yaml, model: model.pt}\n"
        f"    options: {{spk: {embedding}}}\n"
    )
    registry = Registry(tmp_path, cache_dir=tmp_path / "cache")

    def get(name: str | None, kind: str) -> ModelSpec:
        file = build_segmentation(tmp_path / "segmentation.onnx")
        return (
            registry.resolve(name, kind="embedding")
            if kind == "embedding"
            else ModelSpec(kind, "pyannote", {"model": file})
        )

    options = TranscribeOptions(speakers=SpeakerOptions(enabled=True))
    try:
        models = choose(registry.resolve("mine"), options, registry, get)
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert models.speakers is not None
    assert models.speakers.embedding.type == "funasr_campplus"


def test_the_frames_of_a_window_are_embedded(toolkit: Callable[[str], Path], tmp_path: Path) -> None:
    registry = Registry(tmp_path, cache_dir=tmp_path)
    embedding = registry.resolve(str(toolkit("CAMPPlus")), kind="embedding")
    try:
        segmentation = registry.resolve(None, kind="segmentation")
    except ModelError:
        pytest.skip("needs the extra builtin")
    _, embed = load_networks(diarization_spec(segmentation, embedding))
    window = np.random.default_rng(0).normal(0, 0.1, WINDOW).astype(np.float32)
    early, late, short = (np.zeros(FRAMES, bool) for _ in range(3))
    early[:200], late[300:500], short[:5] = True, True, True

    vectors = [embed(embed.prepare(window), frames) for frames in (early, late, early)]

    assert [vector.shape for vector in vectors if vector is not None] == [(embed.dimensions,)] * 3 == [(192,)] * 3
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.allclose(vectors[0], vectors[1])
    assert embed(embed.prepare(window), short) is None
