"""`asrcli.transcribe`: the command line's work from Python."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import asrcli
from asrcli.errors import InputError, UnknownModelError
from asrcli.models import builtin
from asrcli.options import (
    Hotword,
    IdentificationOptions,
    RecognitionOptions,
    SpeakerOptions,
    TextOptions,
    TranscribeOptions,
    VadOptions,
)
from asrcli.transcript import Turn
from tests.speakers.tone_voices import build_specs, conversation
from tests.tone import RATE

NO_VAD = VadOptions(enabled=False)  # a sine is not speech


@pytest.fixture
def recording(tmp_path: Path, tone_audio: Callable[..., np.ndarray]) -> Path:
    path = tmp_path / "tones.wav"
    soundfile.write(path, tone_audio([0, 1, None, 3]), RATE)
    return path


def test_what_a_model_ignores_is_a_warning(recording: Path, tone_models: Callable[..., Path]) -> None:
    hotwords = RecognitionOptions(hotwords=(Hotword(text="re", weight=50),))
    options = TranscribeOptions(vad=NO_VAD, recognition=hotwords, text=TextOptions(itn=False))
    transcript = asrcli.transcribe(recording, model=str(tone_models("qwen3_asr")), options=options)
    assert [warning for warning in transcript.warnings if "weights ignored" in warning]


@pytest.mark.slow
def test_real_speech_with_the_default_model(wheel_audio: Path) -> None:
    transcript = asrcli.transcribe(wheel_audio / "beckett.wav")
    assert transcript.model == builtin.default()
    assert "fail better" in transcript.text.lower()


def test_marks_and_speakers(tmp_path: Path, recording: Path, tone_models: Callable[..., Path]) -> None:
    segmentation, embedding = build_specs(tmp_path)
    options = TranscribeOptions(
        vad=NO_VAD,
        text=TextOptions(
            punctuation=True,
            punctuation_model=str(tone_models("punctuation_ct_transformer") / "ct_transformer.onnx"),
            itn=False,
        ),
        speakers=SpeakerOptions(
            enabled=True,
            segmentation_model=str(segmentation.files["model"]),
            embedding_model=str(embedding.files["model"]),
        ),
    )
    audio, _ = soundfile.read(recording, dtype="float32")
    length = len(audio) / RATE
    soundfile.write(recording, audio + 0.3 * conversation([Turn(0.0, length, "1")], length), RATE)
    model = str(tone_models("zipformer_ctc"))
    transcript = asrcli.transcribe(recording, model=model, model_dir=tmp_path / "models", options=options)
    # The voice is a word to the recogniser, too: "mi".
    assert transcript.text == "Mi do mi re, mi fa?\nMi."
    assert {word.speaker for segment in transcript.segments for word in segment.words} == {"Speaker 1"}
    assert [turn.speaker for turn in transcript.turns] == ["Speaker 1"]


def test_the_language_is_found_out(tmp_path: Path, recording: Path, tone_models: Callable[..., Path]) -> None:
    teller = tmp_path / "teller"
    teller.mkdir()
    for path in tone_models("whisper").iterdir():
        shutil.copy(path, teller / f"tones-{path.name}")  # as Whisper's files are called
    options = TranscribeOptions(vad=NO_VAD, identification=IdentificationOptions(enabled=True, model=str(teller)))
    model = str(tone_models("zipformer_ctc"))
    transcript = asrcli.transcribe(recording, model=model, model_dir=tmp_path / "models", options=options)
    assert (transcript.language, transcript.text.split()[0]) == ("en", "do")


def test_what_cannot_be_done(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError):
        asrcli.transcribe(tmp_path / "nothing.wav", model="no such model")
    with pytest.raises(InputError):
        asrcli.transcribe(tmp_path / "nothing.wav", model="moonshine-tiny-en")
