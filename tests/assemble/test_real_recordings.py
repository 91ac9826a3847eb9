"""The embedded model on real speech: its words lie where they are spoken, and noise has none."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.audio.types import SAMPLE_RATE, Source
from asrcli.models import builtin
from asrcli.models.registry import Registry
from asrcli.runtime import Runtime
from asrcli.transcript import Transcript, Word

# Where phrases begin, seconds: read off the VAD at every short pause, each piece decoded alone (benchmarks/word_times).
ONSETS = {
    "two_cities.wav": [
        (3.07, "it was the worst"),
        (5.02, "it was the age of wisdom"),
        (6.69, "it was the age of foolishness"),
        (8.83, "it was the epoch of belief"),
        (10.78, "it was the epoch of incredulity"),
        (15.14, "season of darkness"),
        (17.57, "it was the spring of hope"),
        (18.98, "it was the winter"),
        (21.25, "we had everything"),
        (24.64, "going direct to heaven"),
        (29.12, "in short"),
        (29.95, "the period was so far"),
        (32.77, "that some of its"),
        (38.75, "in the superlative degree"),
    ],
    "beckett.wav": [
        (1.89, "ever failed"),
        (3.52, "no matter"),
        (4.9, "try again"),
        (6.66, "fail again"),
        (8.16, "fail better"),
    ],
}
#: words between the onset and the phrase that is looked for, where the phrase alone would not be unique
AHEAD = {"season of darkness": 3, "going direct to heaven": 3}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    pytest.importorskip("moonshine_voice", reason="needs the extra builtin")
    spec = Registry(tmp_path_factory.mktemp("models")).resolve(builtin.NAME)
    with Runtime(spec, jobs=2) as opened:
        yield opened


def words_of(transcript: Transcript) -> list[Word]:
    return [word for segment in transcript.segments for word in segment.words]


def find(words: list[Word], phrase: str) -> int | None:
    spoken = ["".join(filter(str.isalnum, word.text.lower())) for word in words]
    wanted = phrase.split()
    places = [at for at in range(len(spoken)) if spoken[at : at + len(wanted)] == wanted]
    return places[0] if places else None


@pytest.mark.parametrize("name", sorted(ONSETS))
def test_words_begin_where_they_are_spoken(runtime: Runtime, wheel_audio: Path, name: str) -> None:
    transcript = runtime.transcribe(Source(name, wheel_audio / name))
    words = words_of(transcript)
    assert transcript.timing == "model"
    errors = []
    for onset, phrase in ONSETS[name]:
        at = find(words, phrase)
        if at is not None:
            errors.append(abs(words[at - AHEAD.get(phrase, 0)].start - onset))
    assert len(errors) >= len(ONSETS[name]) - 2
    assert statistics.median(errors) < 0.1
    assert max(errors) < 0.4


def test_segments_are_the_sentences(runtime: Runtime, wheel_audio: Path) -> None:
    transcript = runtime.transcribe(Source("two_cities.wav", wheel_audio / "two_cities.wav"))
    assert 8 <= len(transcript.segments) <= 16
    assert transcript.segments[0].text.lower().startswith("it was the best of times")
    assert transcript.segments[-1].text.endswith("comparison only.")
    assert all(segment.end - segment.start <= 30 for segment in transcript.segments)
    assert transcript.segments[0].start == pytest.approx(1.2, abs=0.3)


def noises() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    return {
        "silence": np.zeros(len(time)),
        "hiss": rng.normal(0, 0.02, len(time)),
        "hum": 0.2 * np.sin(2 * np.pi * 100 * time),
    }


@pytest.mark.parametrize("kind", ["silence", "hiss", "hum"])
def test_there_are_no_words_in_synthetic_noise(runtime: Runtime, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.wav"
    soundfile.write(path, noises()[kind].astype(np.float32), SAMPLE_RATE)
    assert runtime.transcribe(Source(kind, path)).text == ""


@pytest.mark.parametrize("name", ["noise1.wav", "noise2.wav"])
def test_there_are_no_words_in_noise(runtime: Runtime, shared: Path, name: str) -> None:
    assert runtime.transcribe(Source(name, shared / "data/noise" / name)).text == ""
