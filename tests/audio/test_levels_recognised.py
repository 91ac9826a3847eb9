"""The same words from a recording that is quiet, offset, over full scale, inverted, or in surround sound."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import asrcli
from asrcli.transcript import Transcript

RATE = 16000


def words(transcript: Transcript) -> list[str]:
    return re.findall(r"\w+", transcript.text.lower())


@pytest.fixture(scope="module")
def speech(wheel_audio: Path) -> np.ndarray:
    return soundfile.read(wheel_audio / "beckett.wav", dtype="float32")[0]


@pytest.fixture(scope="module")
def expected(wheel_audio: Path) -> list[str]:
    return words(asrcli.transcribe(wheel_audio / "beckett.wav"))


def inverted_in_part(speech: np.ndarray) -> np.ndarray:
    right = speech.copy()
    right[len(right) // 2 :] *= -0.95
    return np.stack([speech, right], axis=1)


def centre(speech: np.ndarray) -> np.ndarray:
    samples = np.zeros((len(speech), 6), np.float32)
    samples[:, 2], samples[:, 3] = speech, 0.3 * np.sin(np.arange(len(speech)) * 2 * np.pi * 50 / RATE)
    return samples


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (lambda speech: speech * 10 ** (-66 / 20), None),
        (lambda speech: speech * 0.01 + 0.05, None),
        (lambda speech: speech * 32768, "scaled"),
        (lambda speech: np.outer(speech, [0.9, -1]), "channels"),
        (inverted_in_part, "channels"),
        (centre, None),
    ],
    ids=["-66 dB", "offset", "integers", "inverted", "inverted in part", "5.1"],
)
def test_the_words_are_those_of_the_clean_recording(
    alter: Callable[..., Any], code: str | None, speech: np.ndarray, expected: list[str], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", alter(speech), RATE, subtype="FLOAT")
    transcript = asrcli.transcribe(tmp_path / "a.wav")
    assert words(transcript) == expected
    assert transcript.to_dict()["warning_codes"] == ([code] if code else [])


def test_the_gain_is_in_the_json_and_can_be_left_out(speech: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speech * np.float32(0.01), RATE, subtype="FLOAT")
    levelled = asrcli.transcribe(tmp_path / "a.wav")
    assert levelled.to_dict()["notes"]["levels"]["max_gain_db"] == pytest.approx(50, abs=6)
    options = asrcli.TranscribeOptions(vad=asrcli.VadOptions(level=False))
    assert "levels" not in asrcli.transcribe(tmp_path / "a.wav", options=options).notes
