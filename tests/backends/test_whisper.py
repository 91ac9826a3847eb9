"""Whisper's ways: languages by recogniser, detection, token times where asked for, pieces that are no characters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.backends.checks import languages_of, validate, window_of
from asrcli.backends.sherpa.recognizer import load
from asrcli.backends.types import DecodeJob
from asrcli.errors import LanguageNotSupportedError, OptionNotSupportedError
from asrcli.options import RecognitionOptions
from tests.tone import WORDS, tone_audio, tone_spec, tone_starts

LATIN = [3, 1, 1, None, 0, 5]


@pytest.fixture
def spec(tone_models: Callable[..., Path]) -> Callable[..., Any]:
    return lambda **fields: tone_spec("whisper", tone_models("whisper"), **fields)


def ask(recognizer: Any, audio: np.ndarray, **options: Any) -> Any:
    return recognizer.run([DecodeJob(audio, RecognitionOptions(**options))])[0]


def test_language_asked_for_and_detected(spec: Callable[..., Any]) -> None:
    recognizer = load(spec(), 2)
    assert recognizer.batch_size == 1
    heard = [ask(recognizer, tone_audio([2, 4]), language=language) for language in ("en", "zh", None, "auto", "en")]
    assert [one.language for one in heard] == ["en", "zh", "cy", "cy", "en"]
    assert {one.text for one in heard} == {"mi sol"}


def test_a_default_language_from_the_entry(spec: Callable[..., Any]) -> None:
    assert ask(load(spec(options={"language": "zh"}), 1), tone_audio([2])).language == "zh"


def test_only_languages_of_the_model_reach_the_engine(spec: Callable[..., Any]) -> None:
    # The engine would end its process at any other.
    assert set(languages_of(spec())) == {"en", "cy", "zh"}
    with pytest.raises(LanguageNotSupportedError):
        validate(spec(), RecognitionOptions(language="de"))
    assert isinstance(ask(load(spec(), 1), tone_audio([2]), language="de"), LanguageNotSupportedError)
    with pytest.raises(OptionNotSupportedError, match="task must be transcribe or translate, not 'summarise'"):
        validate(spec(options={"task": "summarise"}), RecognitionOptions())


def test_token_times_where_asked_for(spec: Callable[..., Any]) -> None:
    without = ask(load(spec(), 1), tone_audio(LATIN))
    assert [token.text for token in without.tokens] == [f" {WORDS[tone]}" for tone in LATIN if tone is not None]
    assert not without.timed
    timed = ask(load(spec(options={"enable_token_timestamps": True}), 1), tone_audio(LATIN))
    # By its method the first token begins at 0 and each lasts until the next.
    assert [token.start for token in timed.tokens] == pytest.approx([0, *tone_starts(LATIN)[1:]], abs=0.06)
    assert [token.end for token in timed.tokens[:-1]] == pytest.approx(tone_starts(LATIN)[1:], abs=0.06)


def test_pieces_of_characters_make_characters_with_times(spec: Callable[..., Any]) -> None:
    heard = ask(load(spec(options={"enable_token_timestamps": True}), 1), tone_audio([1, 7, 0]))
    assert heard.text == "re高 do"
    assert [token.text.strip() for token in heard.tokens] == ["re", "高", "do"]
    assert heard.timed
    assert [token.start for token in heard.tokens] == pytest.approx([0, *tone_starts([1, 7, 0])[1:]], abs=0.06)


def test_the_longest_chunk_is_heard_to_its_end(spec: Callable[..., Any]) -> None:
    window = window_of(spec())
    recognizer = load(spec(), 1)
    for seconds, heard in ((window, True), (30.0, False)):
        audio = np.random.default_rng(0).normal(0, 1e-3, round(seconds * 16000)).astype(np.float32)
        audio[16000:27200] += tone_audio([0])
        last = tone_audio([1])[: round(0.35 * 16000)]
        audio[-len(last) :] += last
        assert ("re" in ask(recognizer, audio).text.split()) == heard
