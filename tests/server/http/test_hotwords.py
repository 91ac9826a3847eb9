"""Hotwords of the server (`--hotword`) and of its clients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asrcli.backends.checks import validate
from asrcli.options import Hotword, RecognitionOptions
from asrcli.server.recognition.transcription import adapt_request
from tests.tone import tone_spec


def words(*texts: str, weight: float | None = None) -> tuple[Hotword, ...]:
    return tuple(Hotword(text=text, weight=weight) if weight else Hotword(text=text) for text in texts)


def test_hotwords_of_server_and_client_are_merged(tone_models: Callable[..., Path]) -> None:
    spec = tone_spec("funasr_nano", tone_models("funasr_nano"))
    found, _ = adapt_request(spec, RecognitionOptions(hotwords=words("re", "mi", weight=7)), words("do", "re"))
    assert {word.text: word.weight for word in found.hotwords} == {"do": Hotword(text="do").weight, "re": 7, "mi": 7}


def test_hotwords_of_the_server_are_no_warning_for_models_without(tone_models: Callable[..., Path]) -> None:
    spec = tone_spec("zipformer_ctc", tone_models("zipformer_ctc"))
    assert adapt_request(spec, RecognitionOptions(), words("do"))[1] == []
    assert adapt_request(spec, RecognitionOptions(hotwords=words("re")), words("do"))[1] != []


def test_hotwords_that_together_exceed_a_context_are_left_out(tone_models: Callable[..., Path]) -> None:
    """Each alone fits; 512 positions hold the prompt, the audio and the answer."""
    spec = tone_spec("funasr_nano", tone_models("funasr_nano"))
    many = words(*(f"corymb{number}" for number in range(100)))
    for server, client in ((many, ()), ((), many), (many[:50], many[50:])):
        found, warnings = adapt_request(spec, RecognitionOptions(hotwords=client), server)
        assert 0 < len(found.hotwords) < 100
        assert found.hotwords == many[: len(found.hotwords)]
        assert f"{100 - len(found.hotwords)} hotwords ignored" in warnings[-1]
        validate(spec, found)
    few, warnings = adapt_request(spec, RecognitionOptions(hotwords=many[:5]))
    assert (few.hotwords, warnings) == (many[:5], [])
