"""The recordings in examples/: speech of a known text in three containers (`python -m benchmarks make_dialogue`)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
from whisper_normalizer.english import EnglishTextNormalizer

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def transcripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the program makes of the folder, by container."""
    folder = tmp_path_factory.mktemp("examples")
    command = [sys.executable, "-m", "asrcli", "transcribe", str(EXAMPLES), "-f", "json", "-d", str(folder), "-q"]
    subprocess.run([*command, "--model", "moonshine-tiny-en"], check=True, timeout=110)
    found = [json.loads(path.read_text()) for path in folder.rglob("*.json")]
    return {Path(transcript["source"]).suffix: transcript for transcript in found}


@pytest.mark.parametrize("container", [".wav", ".mp3", ".m4a"])
def test_the_words_are_those_that_were_spoken(transcripts: dict[str, dict[str, Any]], container: str) -> None:
    spoken = " ".join(line.split(": ", 1)[1] for line in (EXAMPLES / "dialogue.txt").read_text().splitlines())
    normalize = EnglishTextNormalizer()
    # 3 to 6 % as measured: a small model and a synthetic voice. A quarter would be another recording.
    assert jiwer.wer(normalize(spoken), normalize(transcripts[container]["text"])) < 0.12


def test_every_container_has_the_same_times(transcripts: dict[str, dict[str, Any]]) -> None:
    words = [word["start"] for segment in transcripts[".wav"]["segments"] for word in segment["words"]]
    assert len(transcripts) == 3
    for found in transcripts.values():
        assert len(found["segments"]) >= 8
        for segment in found["segments"]:  # a sentence may end elsewhere: sound that was compressed has other words
            assert np.abs(np.array(words) - segment["start"]).min() < 0.1, segment


def test_segments_start_and_end_where_sound_does(transcripts: dict[str, dict[str, Any]]) -> None:
    samples, rate = soundfile.read(EXAMPLES / "dialogue.wav")
    step = rate // 100
    energy = (samples[: len(samples) // step * step].reshape(-1, step) ** 2).mean(axis=1)
    loud = np.flatnonzero(energy > energy.max() / 1000) / 100
    gaps = np.flatnonzero(np.diff(loud) > 0.35)
    starts = np.array([loud[0], *loud[gaps + 1]])
    ends = np.array([*loud[gaps], loud[-1]])
    segments = transcripts[".wav"]["segments"]
    assert len(segments) >= 8
    for segment in segments:
        assert np.abs(starts - segment["start"]).min() < 0.1, segment
        assert np.abs(ends - segment["end"]).min() < 0.35, segment


@pytest.mark.slow
def test_texts_of_several_recordings_are_set_apart_on_stdout() -> None:
    command = [sys.executable, "-m", "asrcli", "transcribe", "-m", "moonshine-tiny-en", "-q", "-o", "-"]
    inputs = [str(EXAMPLES / "dialogue.wav"), str(EXAMPLES / "dialogue.mp3")]
    printed = subprocess.run([*command, *inputs], check=True, timeout=110, capture_output=True, text=True).stdout
    texts = printed.split("\n\n")
    assert len(texts) == 2
    assert all("coffee" in text for text in texts)
