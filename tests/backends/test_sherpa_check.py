"""What is said before the engine could end its process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from asrcli.backends.checks import languages_of, validate, window_of
from asrcli.errors import (
    ExitCode,
    LanguageNotSupportedError,
    ModelError,
    ModelNotInstalledError,
    OptionNotSupportedError,
)
from asrcli.options import Hotword, RecognitionOptions
from asrcli.storage.onnx_file import output_size
from tests.tone import BUILDERS, build, tone_spec

ANY = RecognitionOptions()


@pytest.fixture
def spec(tone_models: Callable[..., Path]) -> Callable[..., Any]:
    return lambda kind, **fields: tone_spec(kind, tone_models(kind), **fields)


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., Any]:
    """A model of one's own to spoil."""
    return lambda kind: tone_spec(kind, build(kind, tmp_path / kind))


def test_nothing_of_the_engine_is_imported_by_the_checks() -> None:
    code = "import asrcli.backends.sherpa.recognizer, sys; sys.exit('sherpa_onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kind", ["sense_voice", "paraformer", "transducer", "nemo_transducer", "zipformer_ctc"])
def test_good_models_pass(spec: Callable[..., Any], kind: str) -> None:
    validate(spec(kind), ANY)


def test_unknown_type(spec: Callable[..., Any]) -> None:
    with pytest.raises(ModelError, match="unknown model type 'kaldi'") as caught:
        validate(spec("zipformer_ctc", type="kaldi"), ANY)
    assert "sense_voice" in caught.value.hint
    assert caught.value.exit_code == ExitCode.MODEL


def test_files_of_the_entry(spec: Callable[..., Any]) -> None:
    files = dict(spec("transducer").files)
    joiner = files.pop("joiner")
    with pytest.raises(ModelError, match="needs files for joiner"):
        validate(spec("transducer", files=files), ANY)
    with pytest.raises(ModelError, match="has no file joyner"):
        validate(spec("transducer", files={**files, "joiner": joiner, "joyner": joiner}), ANY)
    with pytest.raises(ModelNotInstalledError, match="is missing") as caught:
        validate(spec("transducer", files={**files, "joiner": joiner.with_name("none.onnx")}), ANY)
    assert "asrcli download-model tone-transducer" in caught.value.hint


def test_damaged_files(copy: Callable[..., Any]) -> None:
    model = copy("zipformer_ctc")
    path = model.files["model"]
    whole = path.read_bytes()
    for content, message in (
        (b"", "is empty"),
        (whole[:-100], "is cut short"),
        (b"<!DOCTYPE html><html>not found</html>" * 9, "not an ONNX model|cut short"),
        (whole[:4], "not an ONNX model|cut short"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=message):
            validate(model, ANY)
    path.write_bytes(whole)
    validate(model, ANY)


def test_damaged_tokens(copy: Callable[..., Any]) -> None:
    model = copy("zipformer_ctc")
    path = model.files["tokens"]
    for content, message in (
        ("<blk> 0\ndo re 1\n", 'line 2: "do re 1" is not a symbol and its number'),
        ("<blk> 0\ndo one\n", "line 2"),
        ("do 0\nre 1\n", "lacks the token <blk> or <eps> or <blank>"),
    ):
        path.write_text(content, "utf-8")
        with pytest.raises(ModelError, match=message):
            validate(model, ANY)
    # The engine takes a line of one column for the space.
    more = "".join(f"t{number} {number}\r\n" for number in range(3, 9))
    path.write_text("<blk> 0\r\n1\r\n\tdo 2\r\n" + more, "utf-8")
    validate(model, ANY)


SPOKEN = ["sense_voice", "paraformer", "transducer", "zipformer_ctc", "wenet_ctc", "omnilingual_asr_ctc", "whisper"]


@pytest.mark.parametrize("kind", SPOKEN)
def test_a_vocabulary_that_was_cut_short(copy: Callable[..., Any], kind: str) -> None:
    model = copy(kind)
    path = model.files["tokens"]
    lines = path.read_text("utf-8").splitlines(keepends=True)
    # Paraformer's </s> and CTC's blank come first.
    path.write_text("".join(lines[:-4]), "utf-8")
    with pytest.raises(ModelError, match=rf"has {len(lines) - 4} tokens, but the model emits {len(lines)}") as caught:
        validate(model, ANY)
    assert "asrcli download-model" in caught.value.hint


def test_a_vocabulary_whose_blank_comes_last_was_cut_short(copy: Callable[..., Any]) -> None:
    model = copy("nemo_ctc")
    path = model.files["tokens"]
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:-4]), "utf-8")
    with pytest.raises(ModelError, match=r"lacks the token <blk>"):
        validate(model, ANY)


def test_classes_are_known_where_they_are_fixed(copy: Callable[..., Any], tmp_path: Path) -> None:
    model = copy("zipformer_ctc")
    assert output_size(model.files["model"]) == 9
    graph = onnx.load(str(model.files["model"]))
    graph.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "V"
    onnx.save(graph, str(tmp_path / "named.onnx"))
    assert output_size(tmp_path / "named.onnx") is None
    del graph.graph.output[0]
    onnx.save(graph, str(tmp_path / "none.onnx"))
    assert output_size(tmp_path / "none.onnx") is None


def test_tokens_of_another_model(spec: Callable[..., Any], tmp_path: Path) -> None:
    files = {**spec("nemo_transducer").files, "tokens": spec("transducer").files["tokens"]}
    with pytest.raises(ModelError, match="<blk> is not its last token"):
        validate(spec("nemo_transducer", files=files), ANY)
    short = tmp_path / "tokens.txt"
    short.write_text("do 0\n<blk> 1\n", "utf-8")
    with pytest.raises(ModelError, match="has 2 tokens, but the model 8"):
        validate(spec("nemo_transducer", files={**files, "tokens": short}), ANY)


def test_metadata_that_the_engine_would_miss(copy: Callable[..., Any]) -> None:
    model = copy("paraformer")
    path = model.files["paraformer"]
    graph = onnx.load(str(path))
    del graph.metadata_props[:]
    onnx.save(graph, str(path))
    with pytest.raises(ModelError, match="lacks the metadata vocab_size, lfr_window_size"):
        validate(model, ANY)
    # Which is well, because:
    code = "import sherpa_onnx, sys; sherpa_onnx.OfflineRecognizer.from_paraformer(*sys.argv[1:]); print('still here')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(model.files["tokens"])], capture_output=True, check=False
    )
    assert done.returncode != 0
    assert b"still here" not in done.stdout
    assert b"does not exist in the metadata" in done.stderr


def test_a_model_under_another_type_s_name(spec: Callable[..., Any]) -> None:
    paraformer = spec("paraformer").files
    with pytest.raises(ModelError, match="normalize_samples"):
        validate(spec("sense_voice", files={"model": paraformer["paraformer"], "tokens": paraformer["tokens"]}), ANY)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("zipformer_ctc", {"use_itn": True}, "takes no option 'use_itn'"),
        ("transducer", {"model_type": "nemo_transducer"}, "takes no option 'model_type'"),
        ("sense_voice", {"decoding_method": "modified_beam_search"}, "decoding_method must be greedy_search, not"),
        ("sense_voice", {"provider": "rknn"}, "provider must be cpu, cuda, coreml or directml, not 'rknn'"),
        *(("sense_voice", {"num_threads": count}, "num_threads must be a whole") for count in (0, "two", True, None)),
        ("transducer", {"modeling_unit": "bpe"}, "needs bpe_vocab"),
        ("transducer", {"modeling_unit": "words"}, "modeling_unit must be cjkchar,"),
    ],
)
def test_options_of_the_entry(spec: Callable[..., Any], kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionNotSupportedError, match=message) as caught:
        validate(spec(kind, options=options), ANY)
    assert caught.value.exit_code == ExitCode.USAGE


def test_option_files(spec: Callable[..., Any], tmp_path: Path) -> None:
    rules = tmp_path / "rules.fst"
    with pytest.raises(ModelNotInstalledError, match=r"rules\.fst is missing"):
        validate(spec("paraformer", options={"rule_fsts": str(rules)}), ANY)
    rules.write_bytes(b"\0")
    validate(spec("paraformer", options={"rule_fsts": str(rules)}), ANY)
    validate(spec("paraformer", files={**spec("paraformer").files, "rule_fsts": rules}), ANY)
    with pytest.raises(OptionNotSupportedError, match="takes no option 'rule_fsts'"):
        validate(spec("omnilingual_asr_ctc", options={"rule_fsts": str(rules)}), ANY)
    with pytest.raises(OptionNotSupportedError, match="lm needs the option decoding_method"):
        validate(spec("transducer", options={"lm": str(rules)}), ANY)


def test_languages(spec: Callable[..., Any]) -> None:
    model = spec("sense_voice")
    for language in (None, "auto", "zh", "yue"):
        validate(model, RecognitionOptions(language=language))
    with pytest.raises(LanguageNotSupportedError, match="does not support the language 'de'") as caught:
        validate(model, RecognitionOptions(language="de"))
    assert "zh, en, ja, ko, yue" in caught.value.hint
    with pytest.raises(LanguageNotSupportedError):
        validate(spec("sense_voice", options={"language": "klingon"}), ANY)
    narrow = spec("sense_voice", languages=("zh", "en"))
    assert languages_of(narrow) == ("zh", "en")
    with pytest.raises(LanguageNotSupportedError):
        validate(narrow, RecognitionOptions(language="ja"))
    # Nothing is known of this one, so nothing is refused.
    validate(spec("zipformer_ctc"), RecognitionOptions(language="de"))


def test_no_window_is_wider_than_the_engine_s_ear(spec: Callable[..., Any]) -> None:
    # Whisper's engine drops what comes after 29.5 s without a word, whatever the entry reports.
    assert window_of(spec("whisper", window=30.0)) == pytest.approx(29.4)
    assert window_of(spec("whisper", window=20.0)) == pytest.approx(20.0)
    assert window_of(spec("sense_voice", window=60.0)) == pytest.approx(60.0)


def test_hotwords_and_context(spec: Callable[..., Any]) -> None:
    hotwords = RecognitionOptions(hotwords=(Hotword(text="高"),))
    validate(spec("transducer"), hotwords)
    for kind in ("sense_voice", "paraformer", "zipformer_ctc"):
        with pytest.raises(OptionNotSupportedError, match="takes no hotwords") as caught:
            validate(spec(kind), hotwords)
        assert "transducer" in caught.value.hint
        with pytest.raises(OptionNotSupportedError, match="takes no context"):
            validate(spec(kind), RecognitionOptions(prompt="A talk about music."))


def test_every_built_kind_is_of_a_known_type_or_a_streaming_or_punctuation_one() -> None:
    from asrcli.backends.sherpa.model_types import TYPES

    assert {kind for kind in BUILDERS if not kind.startswith(("online_", "punctuation"))} <= set(TYPES)
