"""`--language auto`: a Whisper model detects the language, where the recogniser does not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asrcli.errors import ExitCode
from tests.cli.conftest import Program
from tests.tone import RATE

#: a sine is not speech
OPTIONS = ("--no-vad", "-m", "tones", "-f", "json", "-o", "-", "-q")


@pytest.fixture
def models(
    write_models: Callable[..., None], tone_models: Callable[..., Path], tone_entry: Callable[..., dict[str, Any]]
) -> Callable[..., None]:
    """Two models for the program: a recogniser of some languages, which does not tell them apart, and one that does.

    The latter reports zh where the first word is 高, en where it is do, else cy.
    """

    def write(*languages: str, **defaults: Any) -> None:
        recogniser = tone_entry("zipformer_ctc", tone_models("zipformer_ctc"), languages=list(languages))
        teller = tone_entry("whisper", tone_models("whisper"), kind="language-id")
        write_models({"tones": recogniser, "teller": teller}, **{"language_id": "teller", **defaults})

    return write


@pytest.fixture
def recording(asrcli: Program, tone_audio: Callable[..., np.ndarray]) -> Callable[..., str]:
    """Writes phrases, each followed by 0.6 s of silence."""

    def write(*phrases: list[int], name: str = "tones.wav") -> str:
        parts = [np.concatenate([tone_audio(phrase), np.zeros(round(0.6 * RATE), np.float32)]) for phrase in phrases]
        soundfile.write(asrcli.folder / name, np.concatenate(parts), RATE)
        return name

    return write


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_language_of_a_recording_is_found_out(
    asrcli: Program, models: Callable[..., None], recording: Callable[..., str]
) -> None:
    models("en", "zh", "cy")
    for tones, language in (([7, 1, 2], "zh"), ([0, 1, 2], "en"), ([1, 0, 2], "cy")):
        heard = result(asrcli("transcribe", recording(tones), "--language", "auto", *OPTIONS))
        assert (heard["language"], heard["segments"][0]["language"]) == (language, language)
        assert heard["text"].split()[-1] == "mi"
    # Without being asked no one finds out.
    assert result(asrcli("transcribe", recording([7, 1]), *OPTIONS))["language"] is None


@pytest.mark.slow
def test_a_language_a_chunk_or_one_for_all(
    asrcli: Program, models: Callable[..., None], recording: Callable[..., str]
) -> None:
    models("en", "zh", "cy")
    name = recording([7, 1, 2, 3, 1, 2], [0, 1, 2, 3, 1, 2])
    chunks = ("--language", "auto", "--max-chunk", "4")
    whole = result(asrcli("transcribe", name, *chunks, *OPTIONS))
    assert {segment["language"] for segment in whole["segments"]} == {"zh"}
    each = result(asrcli("transcribe", name, *chunks, "--language-per-chunk", *OPTIONS))
    assert [segment["language"] for segment in each["segments"]] == ["zh", "en"]
    assert each["text"].split() == whole["text"].split()


def test_a_language_out_of_reach_fails_that_input_alone(
    asrcli: Program, models: Callable[..., None], recording: Callable[..., str]
) -> None:
    models("en", "cy")
    inputs = recording([7, 1, 2], name="chinese.wav"), recording([0, 1, 2], name="english.wav")
    done = asrcli("transcribe", *inputs, "--no-vad", "-m", "tones", "--language", "auto")
    assert done.returncode == ExitCode.SOME_FAILED
    assert "chinese.wav" in done.stderr
    assert "seems to be 'zh'" in done.stderr
    assert "It supports: en, cy" in done.stderr
    assert (asrcli.folder / "english.txt").read_text(encoding="utf-8") == "do re mi\n"
    assert not (asrcli.folder / "chinese.txt").exists()


def test_models_that_tell_the_language_themselves_need_no_other(
    asrcli: Program,
    write_models: Callable[..., None],
    tone_models: Callable[..., Path],
    tone_entry: Callable[..., dict[str, Any]],
    recording: Callable[..., str],
) -> None:
    write_models({"tones": tone_entry("whisper", tone_models("whisper"))})
    options = ("--language", "auto", "--offline", *OPTIONS)
    assert result(asrcli("transcribe", recording([7, 1]), *options))["language"] == "zh"


def test_a_model_that_is_missing_is_named(
    asrcli: Program, models: Callable[..., None], recording: Callable[..., str]
) -> None:
    models("en", "zh", language_id="whisper-lid-tiny")
    done = asrcli("transcribe", recording([7, 1]), "--language", "auto", "--offline", *OPTIONS)
    assert done.returncode == ExitCode.MODEL
    assert "whisper-lid-tiny" in done.stderr
