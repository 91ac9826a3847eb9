"""Model types that write a text token by token, without times: attention decoders, and language models that hear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.backends.checks import languages_of, validate
from asrcli.backends.sherpa.recognizer import load
from asrcli.backends.types import DecodeJob, Hypothesis
from asrcli.errors import LanguageNotSupportedError, ModelError, OptionNotSupportedError
from asrcli.options import Hotword, RecognitionOptions
from tests.tone import WORDS, build, tone_audio, tone_spec

WRITING = (
    "moonshine",
    "moonshine_v2",
    "fire_red_asr",
    "canary",
    "cohere_transcribe",
    "qwen3_asr",
    "funasr_nano",
    "whisper",
)
SEQUENCE = [3, 1, 1, None, 7, 0, 5, 2, 4, 6]


@pytest.fixture
def spec(tone_models: Callable[..., Path]) -> Callable[..., Any]:
    return lambda kind, **fields: tone_spec(kind, tone_models(kind), **fields)


def ask(recognizer: Any, *recordings: np.ndarray, **options: Any) -> list[Hypothesis]:
    return list(recognizer.run([DecodeJob(audio, RecognitionOptions(**options)) for audio in recordings]))


def language(kind: str) -> str | None:
    return "en" if kind == "cohere_transcribe" else None  # it has to be reported one


def spoken(sequence: list[int | None]) -> list[str]:
    return [WORDS[tone] for tone in sequence if tone is not None]


@pytest.mark.parametrize("kind", WRITING)
def test_tones_come_back_as_words_without_times(spec: Callable[..., Any], kind: str) -> None:
    recognizer = load(spec(kind), 1)
    assert recognizer.batch_size == 1
    [heard] = ask(recognizer, tone_audio(SEQUENCE), language=language(kind))
    assert heard.text.replace("高", " 高").split() == spoken(SEQUENCE)
    # Fun-ASR-Nano's engine makes times up, evenly over the chunk.
    assert not heard.timed
    assert all(token.start is None and token.end is None for token in heard.tokens)


@pytest.mark.parametrize("kind", WRITING)
def test_joined_tokens_are_the_text(spec: Callable[..., Any], kind: str) -> None:
    [heard] = ask(load(spec(kind), 1), tone_audio([3, 1, 0, 5]), language=language(kind))
    assert "".join(token.text for token in heard.tokens).strip() == heard.text == "fa re do la"


@pytest.mark.parametrize("kind", WRITING)
def test_several_chunks_do_not_mix(spec: Callable[..., Any], kind: str) -> None:
    recognizer = load(spec(kind), 1)
    sequences = [[4], [3, 1, None, 2], [0, 1, 2, 3, 4] * 5, [2, 2, None, None, 2]]
    recordings = [tone_audio(sequence, seed=number) for number, sequence in enumerate(sequences)]
    heard = ask(recognizer, *recordings, language=language(kind))
    assert [one.text.split() for one in heard] == [spoken(sequence) for sequence in sequences]


# Canary's engine takes what the model likes best after the end of the text, and Cohere's features make noise loud.
@pytest.mark.parametrize("kind", ["moonshine", "fire_red_asr", "qwen3_asr", "funasr_nano"])
def test_silence_is_no_text(spec: Callable[..., Any], kind: str) -> None:
    assert ask(load(spec(kind), 1), tone_audio([]))[0].text == ""


# -- what is asked of them -------------------------------------------------------------------------------------------


def test_canary_receives_the_language_of_each_request(spec: Callable[..., Any]) -> None:
    recognizer = load(spec("canary"), 1)
    assert set(languages_of(spec("canary"))) == {"en", "es", "de", "fr"}
    heard = [ask(recognizer, tone_audio([0, 3]), language=code)[0] for code in ("en", "de", "fr", None)]
    assert [one.text for one in heard] == ["do fa", "dodo fa", "do fa", "do fa"]
    assert [one.language for one in heard] == ["en", "de", "fr", None]
    # A translation that the model's entry asks for stays one.
    translating = load(spec("canary", options={"tgt_lang": "de"}), 1)
    assert ask(translating, tone_audio([0, 3]), language="en")[0].text == "dodo fa"


def test_cohere_requires_a_language(spec: Callable[..., Any]) -> None:
    model = spec("cohere_transcribe")
    recognizer = load(model, 1)
    with pytest.raises(LanguageNotSupportedError, match="needs the language to be named"):
        validate(model, RecognitionOptions())
    assert isinstance(ask(recognizer, tone_audio([0]))[0], LanguageNotSupportedError)
    with_itn, without = (ask(recognizer, tone_audio([0, 3]), language="ko", itn=itn)[0] for itn in (True, False))
    assert (with_itn.text, without.text) == ("do fa", "dodo fa")


def test_fun_asr_nano_is_asked_for_a_language_in_chinese(spec: Callable[..., Any]) -> None:
    recognizer = load(spec("funasr_nano"), 1)
    heard = [ask(recognizer, tone_audio([0, 3]), language=code)[0].text for code in ("zh", "en", "ja", None, "en")]
    assert heard == ["do fa", "dodo fa", "do fa", "do fa", "dodo fa"]
    configured = load(spec("funasr_nano", options={"language": "en"}), 1)
    assert ask(configured, tone_audio([0, 3]))[0].text == heard[1]


@pytest.mark.parametrize("kind", ["funasr_nano", "qwen3_asr"])
def test_hotwords_and_context_go_into_the_prompt(spec: Callable[..., Any], kind: str) -> None:
    recognizer = load(spec(kind), 1)
    asked: dict[str, Any] = {"hotwords": (Hotword(text="英雄"), Hotword(text="sherpa")), "prompt": "A meeting."}
    validate(spec(kind), RecognitionOptions(**asked))
    first = "dodo" if kind == "funasr_nano" else "do"  # what the tone model takes for English
    assert ask(recognizer, tone_audio([0, 3]), **asked)[0].text == f"{first} fa"
    assert ask(recognizer, tone_audio([0, 3]))[0].text == "do fa"


def test_a_language_model_forgets_from_chunk_to_chunk(spec: Callable[..., Any]) -> None:
    recognizer = load(spec("qwen3_asr"), 1)
    for code in ("en", None, "yue"):
        assert ask(recognizer, tone_audio([4, 0]), language=code)[0].text == "sol do"
    with pytest.raises(LanguageNotSupportedError):
        validate(spec("qwen3_asr"), RecognitionOptions(language="sw"))


@pytest.mark.parametrize("kind", ["moonshine", "fire_red_asr", "canary"])
def test_hotwords_are_refused_by_the_others(spec: Callable[..., Any], kind: str) -> None:
    with pytest.raises(OptionNotSupportedError, match="takes no hotwords"):
        validate(spec(kind), RecognitionOptions(hotwords=(Hotword(text="do"),)))


# -- models that are not whole ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["qwen3_asr", "funasr_nano"])
def test_a_tokenizer_that_is_not_whole(kind: str, tmp_path: Path) -> None:
    folder = build(kind, tmp_path / kind)
    (folder / "tokenizer" / "merges.txt").unlink()
    with pytest.raises(ModelError, match=r"merges\.txt is missing"):
        validate(tone_spec(kind, folder), RecognitionOptions())
