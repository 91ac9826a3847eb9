"""FunASR's CT-Transformer as the punctuation model of a recogniser."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asrcli.backends.companions import load_punctuator
from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.errors import MissingExtraError, ModelError
from asrcli.model_set import choose
from asrcli.models.registry import Registry
from asrcli.options import TranscribeOptions
from tests.tone import build

SILENCE = np.zeros(0, np.float32)


def letters(text: str) -> str:
    return "".join(char for char in text.casefold() if unicodedata.category(char)[0] in "LN")


def test_a_folder_is_named_by_its_class(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_folder("CTTransformer", token_list="tokens.json")
    spec = Registry(tmp_path).resolve(str(folder), kind="punctuation")
    assert (spec.type, spec.files["config"]) == ("funasr_ct_transformer", folder / "config.yaml")
    (folder / "model.pt").unlink()
    with pytest.raises(ModelError, match="not a whole one"):
        load_punctuator(spec, 1)
    other = Registry(tmp_path).resolve(str(write_folder("Paraformer")), kind="punctuation")
    with pytest.raises(ModelError, match="CTTransformer"):
        load_punctuator(other, 1)


def test_an_entry_names_its_punctuation_model(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    recogniser, punctuation = write_folder("Paraformer"), write_folder("CTTransformer")
    (tmp_path / "models.yaml").write_text(
        f"models:\n  mine:\n    type: funasr_paraformer\n    dir: {recogniser}\n"
        "    files: {config: config.yaml, model: model.pt}\n"
        f"    options: {{punc: {punctuation}}}\n"
    )
    registry = Registry(tmp_path, cache_dir=tmp_path / "cache")
    build("punctuation_ct_transformer", tmp_path / "other")
    spec = registry.resolve("mine")
    try:
        models = choose(spec, TranscribeOptions(), registry, lambda name, kind: registry.resolve(name, kind=kind))
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert models.punctuation is not None
    assert models.punctuation.type == "funasr_ct_transformer"


def test_every_word_is_kept(toolkit: Callable[[str], Path], words: tuple[str, ...]) -> None:
    folder = toolkit("CTTransformer")
    files = {"config": folder / "config.yaml", "model": folder / "model.pt"}
    punctuator = load_punctuator(ModelSpec(name="ct-punc", type="funasr_ct_transformer", files=files), 1)
    texts = [
        " ".join(words),
        "高" * 50,
        "do 高 re",
        " ".join([*words] * 20),
        "https://127.0.0.1:9/x",
        str(folder / "tokens.json"),
    ]
    found = punctuator.run([DecodeJob(SILENCE, text) for text in texts])
    assert [letters(text) for text in found] == [letters(text) for text in texts]
    assert any(mark in found[3] for mark in ",.?，。？、")
