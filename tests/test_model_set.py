"""Companion models of a recogniser, selected before any is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from asrcli.backends.types import ModelSpec
from asrcli.distribution import pip_install
from asrcli.errors import LanguageNotSupportedError, OptionNotSupportedError
from asrcli.model_set import ModelSet, choose
from asrcli.models.registry import Registry
from asrcli.options import Hotword, IdentificationOptions, RecognitionOptions, TextOptions, TranscribeOptions
from asrcli.text.steps.itn import is_available
from tests.tone import tone_spec
from tests.tone.graph import FLOAT, Graph


@pytest.fixture
def registry(tmp_path: Path, tone_models: Callable[..., Path]) -> Registry:
    """Has a model that detects languages and one that gives marks, both installed."""

    def entry(kind: str, type_: str, folder: Path) -> dict[str, Any]:
        files = {path.stem: path.name for path in folder.glob("*.onnx")}
        return {"kind": kind, "type": type_, "dir": str(folder), "files": files, "languages": ["en", "zh"]}

    models = {
        "teller": entry("language-id", "whisper", tone_models("whisper")),
        "marks": entry("punctuation", "ct_transformer", tone_models("punctuation_ct_transformer")),
    }
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"models": models, "defaults": {"language-id": "teller", "punctuation": "marks"}}))
    return Registry(tmp_path / "models", path, cache_dir=tmp_path / "cache")


@pytest.fixture
def bare(tmp_path: Path) -> Registry:
    """Has nothing that is installed."""
    return Registry(tmp_path / "none", cache_dir=tmp_path / "cache")


def chosen(spec: ModelSpec, registry: Registry, options: TranscribeOptions | None = None) -> ModelSet:
    return choose(spec, options or TranscribeOptions(), registry, lambda name, kind: registry.resolve(name, kind=kind))


@pytest.fixture
def tones(tone_models: Callable[..., Path]) -> Callable[..., Any]:
    return lambda **fields: tone_spec(
        "zipformer_ctc", tone_models("zipformer_ctc"), **{"digest": "d", "languages": ("en", "zh"), **fields}
    )


@pytest.fixture
def cohere(tmp_path: Path) -> ModelSpec:
    """As far as our side looks at it, a model that needs the language to be named."""
    files = {}
    for name in ("encoder", "decoder"):
        graph = Graph()
        graph.op("Identity", "x", out="y")
        files[name] = tmp_path / f"{name}.onnx"
        graph.save(files[name], [("x", FLOAT, [1])], [("y", FLOAT, [1])], {"model_type": "cohere"})
    files["tokens"] = tmp_path / "tokens.txt"
    files["tokens"].write_text("<|startoftranscript|> 0\n<|endoftext|> 1\n")
    return ModelSpec("cohere", "cohere_transcribe", files, languages=("en", "zh"), digest="c")


def language(code: str) -> TranscribeOptions:
    return TranscribeOptions(recognition=RecognitionOptions(language=code))


AUTO = TranscribeOptions(identification=IdentificationOptions(enabled=True))


def test_a_recogniser_alone(tones: Callable[..., Any], bare: Registry) -> None:
    ensemble = chosen(tones(), bare, TranscribeOptions(text=TextOptions(itn=False)))
    assert (ensemble.speakers, ensemble.punctuation, ensemble.identification, ensemble.notices) == (
        None,
        None,
        None,
        (),
    )
    assert ensemble.digest == "d"


def test_a_model_that_requires_a_language_receives_it(cohere: ModelSpec, registry: Registry, bare: Registry) -> None:
    assert chosen(cohere, registry).identification.name == "teller"
    assert chosen(cohere, registry, language("zh")).identification is None
    with pytest.raises(LanguageNotSupportedError, match="needs the language to be named"):
        chosen(cohere, bare)


def test_languages_are_detected_on_request(
    tones: Callable[..., Any], registry: Registry, tone_models: Callable[..., Path]
) -> None:
    assert chosen(tones(), registry).identification is None
    assert chosen(tones(), registry, AUTO).identification.name == "teller"
    # A model of one language, or one that detects it, needs no other.
    assert chosen(tones(languages=("en",)), registry, AUTO).identification is None
    assert chosen(tone_spec("whisper", tone_models("whisper")), registry, AUTO).identification is None


def test_marks_for_those_that_give_none(
    tones: Callable[..., Any], cohere: ModelSpec, registry: Registry, tone_models: Callable[..., Path]
) -> None:
    assert chosen(tones(), registry).punctuation.name == "marks"
    assert chosen(tones(), registry, TranscribeOptions(text=TextOptions(punctuation=False))).punctuation is None
    assert chosen(cohere, registry, language("zh")).punctuation is None
    asked = replace(language("zh"), text=TextOptions(punctuation=True))
    assert chosen(cohere, registry, asked).punctuation.name == "marks"
    # SenseVoice's switch for numbers is its switch for marks as well.
    sense_voice = tone_spec("sense_voice", tone_models("sense_voice"))
    assert chosen(sense_voice, registry).punctuation is None
    plain = TranscribeOptions(recognition=RecognitionOptions(itn=False))
    assert chosen(sense_voice, registry, plain).punctuation.name == "marks"


def test_every_companion_is_in_the_digest(tones: Callable[..., Any], registry: Registry, bare: Registry) -> None:
    off = TranscribeOptions(text=TextOptions(punctuation=False, itn=False))
    on = TranscribeOptions(text=TextOptions(itn=False))
    both = replace(AUTO, text=on.text)
    digests = [chosen(tones(), registry, options).digest for options in (off, on, both)]
    assert digests[0] == "d"
    assert len(set(digests)) == 3


def test_digits_if_the_model_writes_none(
    tones: Callable[..., Any], cohere: ModelSpec, bare: Registry, tone_models: Callable[..., Path]
) -> None:
    assert (chosen(tones(), bare).itn_cache is not None) == is_available()
    assert (
        chosen(tones(options={"rule_fsts": str(tone_models("zipformer_ctc") / "tokens.txt")}), bare).itn_cache is None
    )
    assert chosen(tones(), bare, TranscribeOptions(recognition=RecognitionOptions(itn=False))).itn_cache is None
    # Whisper writes as people do; who wants more has to ask.
    whisper = tone_spec("whisper", tone_models("whisper"))
    assert chosen(whisper, bare).itn_cache is None
    asked = chosen(whisper, bare, TranscribeOptions(text=TextOptions(itn=True)))
    if is_available():
        assert asked.itn_cache is not None
    else:
        assert pip_install("itn") in asked.notices[0]


def test_hotwords_go_where_they_are_taken(
    tones: Callable[..., Any], bare: Registry, tone_models: Callable[..., Path]
) -> None:
    words = (Hotword(text="高"),)
    asked = TranscribeOptions(recognition=RecognitionOptions(hotwords=words))
    with pytest.raises(OptionNotSupportedError, match=r"takes no hotwords.*--correct-hotwords"):
        chosen(tones(), bare, asked)
    corrected = replace(asked, text=TextOptions(corrections=words))
    assert chosen(tones(), bare, corrected).options.recognition.hotwords == ()
    transducer = tone_spec("transducer", tone_models("transducer"))
    assert chosen(transducer, bare, asked).options.recognition.hotwords == words


def test_ignored_weights_are_reported(
    tones: Callable[..., Any], bare: Registry, tone_models: Callable[..., Path]
) -> None:
    def notices(kind: str, *words: Hotword) -> tuple[str, ...]:
        spec = tone_spec(kind, tone_models(kind))
        asked = TranscribeOptions(recognition=RecognitionOptions(hotwords=words), text=TextOptions(itn=False))
        return chosen(spec, bare, asked).notices

    assert "weights ignored" in notices("qwen3_asr", Hotword(text="do"), Hotword(text="re", weight=50))[0]
    assert notices("qwen3_asr", Hotword(text="do")) == ()
    assert notices("transducer", Hotword(text="高", weight=50)) == ()
