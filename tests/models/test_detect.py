from __future__ import annotations

from pathlib import Path

import pytest

from asrcli.errors import ModelError, UsageError
from asrcli.models.detect import detect
from tests.tone import BUILDERS, build

# What the metadata of a model alone cannot say: Omnilingual's export writes none.
SILENT = {"omnilingual_asr_ctc"}
REPORTED = [
    "sense_voice",
    "zipformer_ctc",
    "nemo_ctc",
    "wenet_ctc",
    "tdnn_ctc",
    "paraformer",
    "transducer",
    "nemo_transducer",
]


@pytest.mark.parametrize("kind", REPORTED)
def test_real_models_are_detected_by_their_metadata(tmp_path: Path, kind: str) -> None:
    folder = build(kind, tmp_path / "m")
    type_, files = detect(folder)
    assert type_ == kind
    assert all(path.is_file() for path in files.values())
    assert files["tokens"].name == "tokens.txt"


def test_what_is_detected_loads_and_recognises(tmp_path: Path) -> None:
    """The logical names are the factory's parameters: the engine takes them as they are."""
    import sherpa_onnx

    from tests.tone import tone_audio

    type_, files = detect(build("paraformer", tmp_path / "m"))
    recognizer = sherpa_onnx.OfflineRecognizer.from_paraformer(**{key: str(path) for key, path in files.items()})
    stream = recognizer.create_stream()
    stream.accept_waveform(16000, tone_audio([2, 0]))
    recognizer.decode_stream(stream)
    assert type_ == "paraformer"
    assert stream.result.text.replace(" ", "") == "mido"


@pytest.mark.parametrize("kind", sorted(SILENT & set(BUILDERS)))
def test_the_error_of_an_ambiguous_folder_names_the_option(tmp_path: Path, kind: str) -> None:
    folder = build(kind, tmp_path / "m")
    with pytest.raises(ModelError, match=r"could hold a model of type .*sense_voice.*omnilingual") as caught:
        detect(folder)
    assert "models.yaml" in caught.value.hint
    assert f"dir: {folder}" in caught.value.hint


def test_folder_name_decides_where_metadata_are_silent(tmp_path: Path) -> None:
    folder = build("omnilingual_asr_ctc", tmp_path / "sherpa-onnx-omnilingual-asr-x")
    assert detect(folder)[0] == "omnilingual_asr_ctc"


LAYOUTS = {
    "funasr_nano": ["encoder_adaptor.int8.onnx", "llm.int8.onnx", "embedding.int8.onnx", "Qwen3-0.6B/vocab.json"],
    "qwen3_asr": ["conv_frontend.onnx", "encoder.int8.onnx", "decoder.int8.onnx", "tokenizer/vocab.json"],
    "moonshine": [
        "preprocess.onnx",
        "encode.int8.onnx",
        "uncached_decode.int8.onnx",
        "cached_decode.int8.onnx",
        "tokens.txt",
    ],
    "moonshine_v2": ["encoder_model.ort", "decoder_model_merged.ort", "tokens.txt"],
    "whisper": [
        "tiny.en-encoder.int8.onnx",
        "tiny.en-encoder.onnx",
        "tiny.en-decoder.int8.onnx",
        "tiny.en-decoder.onnx",
        "tiny.en-tokens.txt",
    ],
}


def lay_out(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(("type_", "names"), LAYOUTS.items(), ids=LAYOUTS)
def test_file_names_that_leave_no_doubt(tmp_path: Path, type_: str, names: list[str]) -> None:
    found, files = detect(lay_out(tmp_path, names))
    assert found == type_
    for key, path in files.items():
        assert path.exists(), key
    if type_ == "whisper":
        assert files["encoder"].name == "tiny.en-encoder.int8.onnx"


def test_two_checkpoints_in_one_folder_are_not_guessed(tmp_path: Path) -> None:
    names = ["encoder-epoch-9.onnx", "encoder-epoch-10.onnx", "decoder.onnx", "joiner.onnx", "tokens.txt"]
    with pytest.raises(ModelError, match=r"several files for 'encoder'"):
        detect(lay_out(tmp_path, names))


@pytest.mark.parametrize("names", [[], ["readme.txt"], ["model.onnx"]])
def test_nothing_to_recognise(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ModelError, match="does not contain a model"):
        detect(lay_out(tmp_path, names))


def test_single_graph_kinds_take_file_or_folder(tmp_path: Path) -> None:
    lay_out(tmp_path, ["speaker.onnx"])
    assert detect(tmp_path, "embedding") == ("speaker_embedding", {"model": tmp_path / "speaker.onnx"})
    assert detect(tmp_path / "speaker.onnx", "vad") == ("silero_vad", {"model": tmp_path / "speaker.onnx"})
    lay_out(tmp_path, ["other.onnx"])
    with pytest.raises(ModelError, match="2 ONNX files"):
        detect(tmp_path, "embedding")


def test_a_punctuator_with_a_vocabulary_is_the_english_kind(tmp_path: Path) -> None:
    lay_out(tmp_path, ["model.onnx"])
    assert detect(tmp_path, "punctuation") == ("ct_transformer", {"ct_transformer": tmp_path / "model.onnx"})
    lay_out(tmp_path, ["bpe.vocab"])
    files = {"cnn_bilstm": tmp_path / "model.onnx", "bpe_vocab": tmp_path / "bpe.vocab"}
    for path in (tmp_path, tmp_path / "model.onnx"):
        assert detect(path, "punctuation") == ("cnn_bilstm", files)


def test_a_punctuator_is_funasr_s_by_its_weights(tmp_path: Path) -> None:
    """Exports to ONNX keep the configuration."""
    lay_out(tmp_path, ["config.yaml", "model.int8.onnx"])
    assert detect(tmp_path, "punctuation")[0] == "ct_transformer"
    lay_out(tmp_path, ["model.pt"])
    files = {"config": tmp_path / "config.yaml", "model": tmp_path / "model.pt"}
    assert detect(tmp_path, "punctuation") == ("funasr_ct_transformer", files)


def test_recogniser_needs_a_folder(tmp_path: Path) -> None:
    lay_out(tmp_path, ["model.onnx"])
    with pytest.raises(UsageError, match="folder"):
        detect(tmp_path / "model.onnx")
