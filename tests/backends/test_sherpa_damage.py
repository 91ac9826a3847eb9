"""Damaged and foreign models: what is refused beforehand, and what the engine's failures say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from asrcli.backends.checks import check_model
from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.process.model_failure import model_failure
from asrcli.backends.registry import backend_of
from asrcli.backends.sherpa.exports import explanation
from asrcli.backends.types import ModelSpec, StreamRequest
from asrcli.errors import AsrcliError, EngineCrashError, EngineError, MachineError, ModelCrashError, ModelError
from asrcli.options import RecognitionOptions
from tests.tone import build, tone_audio, tone_spec


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], ModelSpec]:
    """A model of one's own to spoil."""
    return lambda kind: tone_spec(kind, build(kind, tmp_path / kind))


def without_metadata(path: Path, name: str) -> None:
    model = onnx.load(str(path))
    kept = {prop.key: prop.value for prop in model.metadata_props if prop.key != name}
    assert len(kept) < len(model.metadata_props)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, kept)
    onnx.save(model, str(path))


def swapped(spec: ModelSpec, one: str, other: str) -> ModelSpec:
    return replace(spec, files={**spec.files, one: spec.files[other], other: spec.files[one]})


def reversed_values(path: Path, field: str) -> None:
    """Turn the order of a graph's inputs or outputs, as another export may have it."""
    model = onnx.load(str(path))
    values = getattr(model.graph, field)
    turned = list(values)[::-1]
    del values[:]
    values.extend(turned)
    onnx.save(model, str(path))


# -- before the engine is asked ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "file", "name"),
    [
        *(("sense_voice", "model", name) for name in ("with_itn", "without_itn", "lang_auto", "lang_yue", "neg_mean")),
        ("whisper", "encoder", "all_language_codes"),
        ("whisper", "encoder", "all_language_tokens"),
        ("telespeech_ctc", "model", "model_type"),
    ],
)
def test_metadata_that_the_engine_would_miss_is_named(
    copy: Callable[[str], ModelSpec], kind: str, file: str, name: str
) -> None:
    spec = copy(kind)
    check_model(spec)
    without_metadata(spec.files[file], name)
    with pytest.raises(ModelError, match=f"lacks the metadata {name} "):
        check_model(spec)


def test_metadata_of_languages_is_not_needed_by_models_without(copy: Callable[[str], ModelSpec]) -> None:
    """Fun-ASR-Nano's CTC branch has SenseVoice's form without its languages; Whisper may be for English alone."""
    nano, whisper = copy("sense_voice"), copy("whisper")
    model = onnx.load(str(nano.files["model"]))
    props: Mapping[str, str] = {prop.key: prop.value for prop in model.metadata_props}
    kept = {name: value for name, value in props.items() if not name.startswith("lang_") and "itn" not in name}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, kept | {"comment": "FunASR Nano"})
    onnx.save(model, str(nano.files["model"]))
    check_model(nano)
    model = onnx.load(str(whisper.files["encoder"]))
    props = {prop.key: prop.value for prop in model.metadata_props}
    del model.metadata_props[:]
    kept = {name: value for name, value in props.items() if not name.startswith("all_language")}
    onnx.helper.set_model_props(model, kept | {"is_multilingual": "0"})
    onnx.save(model, str(whisper.files["encoder"]))
    check_model(whisper)


@pytest.mark.parametrize("kind", ["sense_voice", "transducer", "moonshine", "canary", "telespeech_ctc"])
def test_a_vocabulary_that_counts_from_one_is_refused(copy: Callable[[str], ModelSpec], kind: str) -> None:
    """Each word would be the one before it, without an error."""
    spec = copy(kind)
    path = spec.files["tokens"]
    pairs = [line.rsplit(" ", 1) for line in path.read_text("utf-8").splitlines()]
    path.write_text("".join(f"{symbol} {int(number) + 1}\n" for symbol, number in pairs), "utf-8")
    with pytest.raises(ModelError, match=r"begins with token 1, not 0"):
        check_model(spec)


@pytest.mark.parametrize("kind", ["sense_voice", "whisper", "moonshine_v2"])
def test_a_byte_order_mark_is_refused(copy: Callable[[str], ModelSpec], kind: str) -> None:
    spec = copy(kind)
    path = spec.files["tokens"]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    with pytest.raises(ModelError, match="begins with a byte-order mark"):
        check_model(spec)


@pytest.mark.parametrize("kind", ["moonshine", "moonshine_v2", "fire_red_asr", "cohere_transcribe"])
def test_a_vocabulary_of_a_decoder_that_was_cut_short(copy: Callable[[str], ModelSpec], kind: str) -> None:
    spec = copy(kind)
    path = spec.files["tokens"]
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) * 2 // 3]), "utf-8")
    with pytest.raises(ModelError, match=r"but the model emits \d+|lacks the token"):
        check_model(spec)


# -- what the engine's failures say ------------------------------------------------------------------------------------


def failure(spec: ModelSpec, request: Any = None) -> AsrcliError:
    """The error of a model in an engine process: as it is loaded, or at the first chunk."""
    check_model(spec)
    with EngineClient(threads=1) as client:
        loading = client.load("model", backend_of(spec.type, "sherpa-onnx").kind, spec)
        if (error := loading.exception(timeout=100)) is None:
            job = client.submit("model", tone_audio([1, 2, 3]), request or RecognitionOptions())
            error = job.exception(timeout=100)
    assert isinstance(error, AsrcliError), error
    return error


def test_a_model_that_ends_the_engine_as_it_is_loaded(copy: Callable[[str], ModelSpec]) -> None:
    error = failure(swapped(copy("transducer"), "encoder", "joiner"))
    assert isinstance(error, ModelError)
    assert error.message.startswith("The engine could not load the model model (")
    assert "It differs from the published exports of its type: joiner.onnx: " in error.hint
    assert "asrcli models verify" in error.hint
    assert "Download it again" in error.hint


@pytest.mark.parametrize(
    ("kind", "file", "field"), [("paraformer", "paraformer", "input"), ("canary", "decoder", "output")]
)
def test_a_graph_of_another_export(copy: Callable[[str], ModelSpec], kind: str, file: str, field: str) -> None:
    spec = copy(kind)
    reversed_values(spec.files[file], field)
    error = failure(spec, RecognitionOptions(language="en") if kind == "canary" else None)
    assert isinstance(error, EngineError)
    assert f"It differs from the published exports of its type: {spec.files[file].name}: " in error.hint


def test_parts_in_each_other_s_place(copy: Callable[[str], ModelSpec]) -> None:
    error = failure(swapped(copy("moonshine"), "cached_decoder", "uncached_decoder"))
    assert "It differs from the published exports of its type: " in error.hint


def test_a_streaming_graph_of_another_export(copy: Callable[[str], ModelSpec]) -> None:
    spec = copy("online_paraformer")
    reversed_values(spec.files["encoder"], "input")
    error = failure(spec, StreamRequest("a", "open"))
    assert "It differs from the published exports of its type: encoder.onnx: " in error.hint


def test_a_model_that_ends_the_engine_with_every_chunk(copy: Callable[[str], ModelSpec]) -> None:
    spec = copy("zipformer_ctc")
    reversed_values(spec.files["model"], "output")
    with EngineClient(threads=1) as client:
        client.load("model", "sherpa_onnx", spec).result(timeout=100)
        jobs = [client.submit("model", tone_audio([tone]), RecognitionOptions()) for tone in range(4)]
        errors = [job.exception(timeout=100) for job in jobs]
    assert {type(error) for error in errors} <= {EngineCrashError, ModelCrashError}
    last = errors[-1]
    assert isinstance(last, ModelError)
    assert last.message.startswith("The model model crashes the engine with every chunk (")
    assert "It differs from the published exports of its type: model.onnx: " in last.hint


def test_nothing_is_said_of_a_model_that_is_as_published(copy: Callable[[str], ModelSpec]) -> None:
    spec = copy("zipformer_ctc")
    assert explanation(spec.type, spec.files) == ""
    assert explanation("tdnn_ctc", spec.files) == ""
    spec.files["model"].write_bytes(b"cut")
    assert explanation(spec.type, spec.files) == ""


def test_the_hint_takes_no_engine_and_costs_no_error(
    copy: Callable[[str], ModelSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The failure may be one of memory, and the reader of answers must not fail."""
    opened: list[str] = []
    monkeypatch.setattr("asrcli.storage.onnx_session.open_session", opened.append)
    files = {name: tmp_path / f"{name}.ort" for name in ("encoder", "decoder")}
    assert explanation("moonshine_v2", files) == ""
    assert opened == []

    def fail(_path: Path) -> None:
        raise MemoryError("std::bad_alloc")

    monkeypatch.setattr("asrcli.backends.sherpa.exports.read_metadata", fail)
    spec = copy("zipformer_ctc")
    assert explanation(spec.type, spec.files) == ""


def test_a_model_that_ends_the_engine_for_want_of_memory_is_not_blamed() -> None:
    ended = "(exit status 1: OpenBLAS error: Memory allocation still failed after 10 retries, giving up.)"
    error = model_failure(f"The model crashes the engine with every chunk {ended}.", "", {}, [])
    assert isinstance(error, MachineError)
