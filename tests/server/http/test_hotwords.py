"""Hotwords of the server (`--hotword`) and of its clients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
