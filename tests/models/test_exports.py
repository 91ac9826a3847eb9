"""The descriptions of published exports: every tone model has exactly that form, and each deviation is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, TensorProto

from asrcli.backends.registry import backend_of
from asrcli.backends.sherpa.exports import _table, differences
from asrcli.models import builtin
from asrcli.models.registry import Registry
from tests.tone import BUILDERS, build, tone_spec

#: type -> kind of the tone model
TWINS = {kind.removeprefix("punctuation_"): kind for kind in BUILDERS if kind != "tdnn_ctc"}


@dataclass(frozen=True)
class Twin:
    type: str
    files: dict[str, Path]

    def differences(self) -> tuple[str, ...]:
        return differences(self.type, self.files)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folders: dict[str, Path] = {}

    def folder(type_: str) -> Path:
        if type_ not in folders:
            folders[type_] = build(TWINS[type_], tmp_path_factory.mktemp(type_))
        return folders[type_]

    return folder


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest, built: Callable[[str], Path], tmp_path: Path) -> Twin:
    """A copy that the test may change."""
    folder = shutil.copytree(built(request.param), tmp_path / "model")
    return Twin(request.param, dict(tone_spec(TWINS[request.param], folder).files))


def test_every_sherpa_type_of_the_catalogue_is_described(tmp_path: Path) -> None:
    types = {entry.type for entry in Registry(tmp_path).entries() if backend_of(entry.type).name == "sherpa-onnx"}
    others = {"community_embedding", "community_segmentation"}  # run without sherpa-onnx
    assert [type_ for type_ in sorted(types - others) if type_ not in _table()] == []


def test_a_tone_model_has_the_form_of_the_published_export(twin: Twin) -> None:
    assert twin.type in _table()
    assert twin.differences() == ()


def _without_input(model: ModelProto) -> None:
    del model.graph.input[-1]


def _another_type(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def _more_dimensions(model: ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim.add()


def _more_outputs(model: ModelProto) -> None:
    for _ in range(2):
        model.graph.output.insert(0, model.graph.output[0])


@pytest.mark.parametrize("change", [_without_input, _another_type, _more_dimensions, _more_outputs])
def test_a_changed_graph_is_named(twin: Twin, change: Callable[[ModelProto], None]) -> None:
    named = next(key for key, path in twin.files.items() if path.suffix == ".onnx")
    model = onnx.load(twin.files[named])
    change(model)
    onnx.save(model, twin.files[named])
    if change is _another_type and twin.type in {"qwen3_asr", "funasr_nano"}:
        pytest.skip("published in several precisions")
    if change is _more_outputs and twin.type in {"online_transducer", "online_zipformer2_ctc"}:
        pytest.skip("the number of states depends on the layers")
    found = twin.differences()
    assert found
    assert twin.files[named].name in found[0]


def test_missing_metadata_is_named(twin: Twin) -> None:
    for path in twin.files.values():
        if path.suffix == ".onnx":
            model = onnx.load(path)
            del model.metadata_props[:]
            onnx.save(model, path)
    if twin.type not in {"moonshine", "moonshine_v2", "qwen3_asr"}:  # exports without metadata
        assert any("metadata" in difference for difference in twin.differences())


def test_tokens_of_another_model_are_named(twin: Twin) -> None:
    if "tokens" in twin.files:
        twin.files["tokens"].write_text("x? 0\ny? 1\n")
        assert any(difference.startswith("tokens.txt: ") for difference in twin.differences())


def test_a_size_that_contradicts_the_metadata_is_named(built: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(built("sense_voice"), tmp_path / "model")
    model = onnx.load(folder / "model.onnx")
    dim = model.graph.output[0].type.tensor_type.shape.dim[2]
    size, dim.dim_value = dim.dim_value, 7
    onnx.save(model, folder / "model.onnx")
    found = differences("sense_voice", tone_spec("sense_voice", folder).files)
    assert found == (f"model.onnx: output logits: dimension 3 is 7, not {size} (vocab_size)",)


def test_an_undescribed_type_has_no_differences() -> None:
    assert "tdnn_ctc" not in _table()
    assert differences("tdnn_ctc", {}) == ()


@pytest.mark.parametrize(
    ("type_", "files"),
    [
        (
            "whisper",
            {
                key: f"models/whisper-tiny.en/tiny.en-{name}"
                for key, name in {
                    "encoder": "encoder.int8.onnx", "decoder": "decoder.int8.onnx", "tokens": "tokens.txt"
                }.items()
            },
        ),
        ("silero_vad", {"model": "models/silero-vad-v4/silero_vad.onnx"}),
        ("silero_vad", {"model": "models/silero-vad-v6/silero_vad.onnx"}),
        ("pyannote", {"model": "models/pyannote-segmentation-3-0-int8/model.int8.onnx"}),
        ("speaker_embedding", {"model": "models/voxceleb-thin-resnet/model.onnx"}),
    ],
)  # fmt: skip
def test_a_published_model_has_no_differences(type_: str, files: dict[str, str], shared: Path) -> None:
    paths = {key: shared / file for key, file in files.items()}
    if not all(path.exists() for path in paths.values()):
        pytest.skip(f"no {', '.join(files.values())} here")
    assert differences(type_, paths) == ()


def test_the_embedded_model_has_no_differences(tmp_path: Path) -> None:
    pytest.importorskip("moonshine_voice")
    assert differences("moonshine_v2", builtin.files(tmp_path, builtin.NAME)) == ()
