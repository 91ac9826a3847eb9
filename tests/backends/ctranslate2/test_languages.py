"""Languages of Whisper with CTranslate2: detected, named, several in one recording, translated.

The model has random weights; what it detects is compared with faster-whisper's own detection.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import translating
from asrcli.backends.ctranslate2.recognizer import load
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec, Recognizer
from asrcli.options import RecognitionOptions

Program = Callable[..., dict[str, Any]]


def _sounds() -> dict[str, Samples]:
    """Sounds of two seconds that differ in pitch, with a little noise."""
    rng = np.random.default_rng(11)
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    tones = {pitch: np.sin(2 * np.pi * pitch * time) for pitch in (120, 300, 700, 1500, 3000, 5000)}
    noise = rng.standard_normal(len(time))
    return {
        **{f"{pitch} Hz": (0.3 * tone + 0.003 * noise).astype(np.float32) for pitch, tone in tones.items()},
        "noise": (0.3 * noise).astype(np.float32),
        "faint noise": (0.003 * noise).astype(np.float32),
    }


SOUNDS = _sounds()


@pytest.fixture(scope="module")
def recognizer(brief: ModelSpec) -> Recognizer:
    return load(brief, 1)


def decode(recognizer: Recognizer, *sounds: Samples, **request: Any) -> list[Hypothesis]:
    found = recognizer.run([DecodeJob(sound, RecognitionOptions(**request)) for sound in sounds])
    assert all(isinstance(hypothesis, Hypothesis) for hypothesis in found), found
    return [hypothesis for hypothesis in found if isinstance(hypothesis, Hypothesis)]


@pytest.fixture(scope="module")
def ranked(brief: ModelSpec) -> Callable[[Samples], list[str]]:
    """`ranked(sound)`: all languages, as faster-whisper ranks them, the most probable first. With silence behind the
    sound, as for OpenAI's program; faster-whisper would fill the spectrogram with zeros, which are loud.
    """
    from faster_whisper import WhisperModel

    model = WhisperModel(str(brief.files["model"].parent), device="cpu", compute_type="int8")
    window = 30 * SAMPLE_RATE
    return lambda sound: [code for code, _ in model.detect_language(np.pad(sound, (0, window - len(sound))))[2]]


def test_the_language_detected_is_faster_whisper_s(
    recognizer: Recognizer, ranked: Callable[[Samples], list[str]]
) -> None:
    found = decode(recognizer, *SOUNDS.values())
    assert [hypothesis.language for hypothesis in found] == [ranked(sound)[0] for sound in SOUNDS.values()]
    assert len({hypothesis.language for hypothesis in found}) > 1


def test_a_named_language_is_kept_and_reaches_the_model(recognizer: Recognizer) -> None:
    sound = SOUNDS["700 Hz"]
    (detected,) = decode(recognizer, sound)
    assert decode(recognizer, sound, language=detected.language) == [detected]
    assert decode(recognizer, sound, language="auto") == [detected]
    other = "de" if detected.language != "de" else "fr"
    (named,) = decode(recognizer, sound, language=other)
    assert named.language == other
    assert named.tokens != detected.tokens


def test_only_languages_of_the_entry_are_detected(brief: ModelSpec, ranked: Callable[[Samples], list[str]]) -> None:
    for sound in (SOUNDS["120 Hz"], SOUNDS["noise"]):
        second, third = ranked(sound)[1:3]
        narrow = load(replace(brief, languages=(third, second)), 1)
        assert [hypothesis.language for hypothesis in decode(narrow, sound)] == [second]


def test_chunks_of_several_languages_are_detected_alone_and_together_alike(recognizer: Recognizer) -> None:
    sounds = [*SOUNDS.values(), *list(SOUNDS.values())[::-1]]
    together = decode(recognizer, *sounds)
    assert together == [hypothesis for sound in sounds for hypothesis in decode(recognizer, sound)]


def test_a_translation_is_asked_of_the_model(brief: ModelSpec, recognizer: Recognizer) -> None:
    sound = SOUNDS["700 Hz"]
    (heard,) = decode(recognizer, sound)
    (translated,) = decode(load(translating(brief, "en"), 1), sound)
    assert translated.tokens != heard.tokens
    # The spoken language; the text is English.
    assert translated.language == heard.language


# -- as users run it ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sounds, with pauses that divide chunks of at most 4 s."""
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    path = tmp_path_factory.mktemp("recording") / "sounds.wav"
    soundfile.write(path, np.concatenate([part for sound in SOUNDS.values() for part in (sound, pause)]), SAMPLE_RATE)
    return path


@pytest.fixture(scope="module")
def transcribe(brief: ModelSpec, recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """`transcribe(*options)`: the transcript as JSON."""
    output = tmp_path_factory.mktemp("out") / "out.json"

    def run(*options: str) -> dict[str, Any]:
        model = ["-m", str(brief.files["model"].parent), "--no-vad", "--max-chunk", "4", "-j", "1"]
        command: Sequence[str] = [
            "transcribe",
            str(recording),
            *model,
            "-o",
            str(output),
            "--overwrite",
            "-q",
            *options,
        ]
        subprocess.run([sys.executable, "-m", "asrcli", *command], check=True, timeout=200)
        found: dict[str, Any] = json.loads(output.read_text())
        return found

    return run


def test_a_transcript_states_the_language_of_each_part_and_the_commonest(transcribe: Program) -> None:
    found = transcribe()
    spoken = [segment["language"] for segment in found["segments"]]
    assert len(set(spoken)) > 1
    assert found["language"] in spoken
    assert transcribe() == found


def test_a_named_language_is_that_of_the_transcript(transcribe: Program) -> None:
    found = transcribe("-l", "de-AT")
    assert found["language"] == "de"
    assert {segment["language"] for segment in found["segments"]} == {"de"}


def test_a_translation_is_named_in_the_transcript(transcribe: Program) -> None:
    found = transcribe("-l", "de", "--translate")
    assert found["model"].endswith(" to English")
    assert found["segments"] != transcribe("-l", "de")["segments"]
