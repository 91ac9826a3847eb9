"""Labels and tokens that are no text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import soundfile as sf

from asrcli.audio.types import Source
from asrcli.backends.sherpa.recognizer import load
from asrcli.backends.sherpa.results import ResultReader
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec
from asrcli.formats import schema_text
from asrcli.options import RecognitionOptions, TranscribeOptions, VadOptions
from asrcli.runtime import Runtime
from asrcli.transcript import EMOTIONS, EVENTS
from tests.tone import build, tone_audio, tone_spec
from tests.tone.ctc import EMOTION_TAGS, EVENT_TAGS, sense_voice


def ask(spec: ModelSpec, sequence: list[int]) -> Any:
    [heard] = load(spec, 1).run([DecodeJob(tone_audio(sequence), RecognitionOptions())])
    return heard


@pytest.mark.parametrize("event", EVENT_TAGS)
def test_every_event_of_sense_voice_is_in_the_schema(tmp_path: Path, event: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    emotion = EMOTION_TAGS[EVENT_TAGS.index(event) % len(EMOTION_TAGS)]
    sense_voice(folder, ["do", "re", "mi", "fa", "sol", "la", "ti"], emotion, event)
    path = tmp_path / "tones.wav"
    sf.write(path, tone_audio([1, 2]), 16000)
    with Runtime(tone_spec("sense_voice", folder), jobs=1) as runtime:
        transcript = runtime.transcribe(
            Source(name="tones.wav", path=path), TranscribeOptions(vad=VadOptions(enabled=False))
        )
    [segment] = transcript.segments
    assert segment.event == (None if event == "Event_UNK" else event.lower())
    assert segment.emotion == (None if emotion == "EMO_UNKNOWN" else emotion.lower())
    jsonschema.validate(transcript.to_dict(), json.loads(schema_text()))


def test_labels_that_the_schema_does_not_list_are_dropped() -> None:
    heard = Hypothesis("hello", emotion="bored", event="thunder")
    assert (heard.emotion, heard.event) == (None, None)
    definitions = json.loads(schema_text())["$defs"]
    assert definitions["event"]["enum"] == list(EVENTS)
    assert definitions["emotion"]["enum"] == list(EMOTIONS)


@pytest.mark.parametrize("kind", ["paraformer", "zipformer_ctc"])
def test_unknown_tokens_are_no_text(tmp_path: Path, kind: str) -> None:
    words = ["do", "re", "<unk>", "fa", "sol", "la", "ti"]
    spec = tone_spec(kind, build(kind, tmp_path / kind, words))
    heard = ask(spec, [0, 2, 1, 2, 2, 3])
    assert heard.text.split() == ["do", "re", "fa"]
    assert [token.text.strip() for token in heard.tokens] == ["do", "re", "fa"]
    assert ask(spec, [2, 2]).text == ""


class Result:
    """What the reader takes from a result of the engine."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [text]
        self.timestamps: list[float] = []


@pytest.mark.parametrize(
    ("text", "left", "event"),
    [
        ("[Music]", "", "bgm"),
        (" [BLANK_AUDIO]", "", None),
        ("(knocking)", "", None),
        ("(speaking in foreign language)", "", None),
        ("♪♪", "", "bgm"),
        ("And so my phone had... *crying* What?", "And so my phone had... What?", "cry"),
        ("Thank you. (applause) Good night.", "Thank you. Good night.", "applause"),
        ("He said (and I agree) that it is so.", "He said (and I agree) that it is so.", None),
        ("Call (415) 555.", "Call (415) 555.", None),
        ("f(x) is 2 * 3 * 4.", "f(x) is 2 * 3 * 4.", None),
    ],
)
def test_notes_of_whisper_are_events_or_nothing(text: str, left: str, event: str | None) -> None:
    heard = ResultReader(notes=True).read(Result(text), 3.0)
    assert (heard.text, heard.event) == (left, event)
    assert ResultReader().read(Result(text), 3.0).text == text.strip()


def test_chunks_of_silence_stay_silent(tone_models: Callable[..., Path]) -> None:
    recognizer = load(tone_spec("whisper", tone_models("whisper")), 1)
    [heard] = recognizer.run([DecodeJob(np.zeros(16000, np.float32), RecognitionOptions())])
    assert (heard.text, heard.limit) == ("", False)
