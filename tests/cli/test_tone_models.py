"""`asrcli transcribe` with models of many types, named by their folders: what was said, and when."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.cli.conftest import Program
from tests.tone import RATE, WORDS, tone_audio, tone_starts

SEQUENCE = [3, 1, 1, None, 0, 5, 2]

TIMED = ("sense_voice", "paraformer", "zipformer_ctc", "nemo_ctc", "transducer", "nemo_transducer", "telespeech_ctc")
WRITING = ("moonshine", "fire_red_asr", "qwen3_asr", "funasr_nano")


@pytest.fixture
def result(asrcli: Program, tone_models: Callable[..., Path]) -> Callable[..., dict[str, Any]]:
    def transcribe(kind: str, *options: Any) -> dict[str, Any]:
        soundfile.write(asrcli.folder / "tones.wav", tone_audio(SEQUENCE), RATE)
        # A sine is not speech.
        done = asrcli(
            "transcribe", "tones.wav", "--no-vad", "-m", tone_models(kind), "-f", "json", "-o", "-", "-q", *options
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout)

    return transcribe


def words_of(heard: dict[str, Any]) -> list[dict[str, Any]]:
    return [word for segment in heard["segments"] for word in segment["words"]]


def spoken() -> list[str]:
    return [WORDS[tone] for tone in SEQUENCE if tone is not None]


@pytest.mark.parametrize("kind", TIMED)
def test_words_and_times(result: Callable[..., dict[str, Any]], kind: str) -> None:
    heard = result(kind)
    assert [word["text"] for word in words_of(heard)] == spoken()
    assert [word["start"] for word in words_of(heard)] == pytest.approx(tone_starts(SEQUENCE), abs=0.061)
    assert heard["timing"] == "model"


@pytest.mark.parametrize("kind", WRITING)
def test_words_of_models_that_give_no_times(result: Callable[..., dict[str, Any]], kind: str) -> None:
    heard = result(kind)
    words = words_of(heard)
    assert [word["text"] for word in words] == spoken()
    assert heard["timing"] == "estimated"
    assert all(0 <= word["start"] <= word["end"] <= heard["duration"] for word in words)
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)


def test_translation(
    asrcli: Program,
    tone_models: Callable[..., Path],
    tone_entry: Callable[..., dict[str, Any]],
    write_models: Callable[..., None],
) -> None:
    soundfile.write(asrcli.folder / "tones.wav", tone_audio(SEQUENCE), RATE)
    write_models({"tones": tone_entry("whisper", tone_models("whisper"), languages=["en", "zh"])})
    options = ["--no-vad", "-m", "tones", "-f", "json", "-o", "-", "-q", "--language", "zh", "--translate"]
    said = json.loads(asrcli("transcribe", "tones.wav", *options).stdout)
    assert said["model"].endswith(" to English")
    assert {said["language"], *(segment["language"] for segment in said["segments"])} == {"en"}
    refused = asrcli("transcribe", "tones.wav", "-m", tone_models("sense_voice"), "--translate")
    assert refused.returncode == 2
    assert "cannot translate" in refused.stderr
    assert "whisper-small" in refused.stderr


@pytest.mark.slow
def test_translation_of_english(
    asrcli: Program,
    tone_models: Callable[..., Path],
    tone_entry: Callable[..., dict[str, Any]],
    write_models: Callable[..., None],
) -> None:
    soundfile.write(asrcli.folder / "tones.wav", tone_audio([0, 3]), RATE)
    write_models({"tones": tone_entry("canary", tone_models("canary"))})
    options = ["--no-vad", "-m", "tones", "-f", "json", "-o", "-", "-q"]

    def said(*extra: str) -> tuple[str, str]:
        found = json.loads(asrcli("transcribe", "tones.wav", *options, *extra).stdout)
        assert {segment["language"] for segment in found["segments"]} == {found["language"]}
        return found["text"], found["language"]

    assert said("--translate-to", "German") == ("dodo fa", "de")
    assert said("--translate-to", "en", "--language", "de") == ("do fa", "en")
    for arguments, message in (
        (["--translate-to", "it"], "cannot translate into 'it'"),
        (["--translate-to", "fr", "--language", "de"], "Only English speech"),
        (["--translate-to", "auto"], "it is a language"),
        (["--translate-to", "de", "-m", "moonshine-tiny-en"], "canary-180m-flash"),
    ):
        refused = asrcli("transcribe", "tones.wav", *options, *arguments)
        assert (refused.returncode, message in refused.stderr) == (2, True), refused.stderr


def test_a_vocabulary_of_another_model_ends_the_batch_before_it_begins(
    asrcli: Program, tone_models: Callable[..., Path]
) -> None:
    for name in ("one.wav", "two.wav"):
        soundfile.write(asrcli.folder / name, tone_audio([1]), RATE)
    folder = asrcli.folder / "model"
    folder.mkdir()
    (folder / "model.onnx").symlink_to(tone_models("zipformer_ctc") / "model.onnx")
    lines = (tone_models("zipformer_ctc") / "tokens.txt").read_text("utf-8").splitlines(keepends=True)
    (folder / "tokens.txt").write_text("".join(lines[:4]), "utf-8")
    done = asrcli("transcribe", "one.wav", "two.wav", "--no-vad", "-m", folder)
    assert done.returncode == 4
    assert done.stderr.count("has 4 tokens, but the model emits 9") == 1
    assert not list(asrcli.folder.glob("*.txt"))
