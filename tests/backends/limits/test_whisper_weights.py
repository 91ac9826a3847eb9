"""Whisper with real weights (tiny.en), where they are found."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import benchmarks.wer
from asrcli.audio.ffmpeg.process import find_ffmpeg
from asrcli.audio.types import Source
from asrcli.models.registry import Registry
from asrcli.runtime import Runtime
from asrcli.transcript import Transcript

RATE = 16000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # minutes, where other tests run beside


@pytest.fixture(scope="module")
def weights(shared: Path) -> Path:
    folder = shared / "models" / "whisper-tiny.en"
    if not folder.is_dir():
        pytest.skip(f"needs the weights of Whisper tiny.en in {folder}")
    return folder


@pytest.fixture(scope="module")
def whisper(weights: Path) -> Iterator[Runtime]:
    with Runtime(Registry().resolve(str(weights)), jobs=2) as runtime:
        yield runtime


def transcribe(runtime: Runtime, path: Path) -> Transcript:
    return runtime.transcribe(Source(name=path.name, path=path))


def errors(wanted: dict[str, str], heard: dict[str, str]) -> benchmarks.wer.Errors:
    pytest.importorskip("jiwer")
    pytest.importorskip("whisper_normalizer")
    from benchmarks.wer import word_errors

    return word_errors(wanted, heard)


def write_joined(path: Path, seed: int, seconds: int) -> str:
    """Write at least so many seconds of clips with pauses between; return their words."""
    from benchmarks.corpora import joined

    parts: list[np.ndarray] = []
    words: list[str] = []
    for samples, text in joined(seed):
        parts.append(samples)
        words.append(text)
        if sum(map(len, parts)) >= seconds * RATE:
            break
    sf.write(path, np.concatenate(parts), RATE, subtype="PCM_16")
    return " ".join(words)


def test_joined_recordings_lose_no_word(whisper: Runtime, shared: Path, tmp_path: Path) -> None:
    """Clips with pauses between: without times, Whisper stops after the first sentence of a chunk."""
    words = write_joined(tmp_path / "joined.wav", 1, 180)
    transcript = transcribe(whisper, tmp_path / "joined.wav")
    found = errors({"joined": words}, {"joined": transcript.text})
    assert found.deletions == 0
    assert found.rate <= 2.0
    assert (transcript.language, transcript.gaps, transcript.warnings) == ("en", (), ())


def test_clips(whisper: Runtime, shared: Path) -> None:
    from benchmarks.corpora import clips

    heard = {clip.name: transcribe(whisper, shared / "data" / "speech" / clip.name).text for clip in clips()}
    assert errors({clip.name: clip.words for clip in clips()}, heard).rate <= 1.0


@pytest.mark.parametrize("level", [-30, -50])
def test_quiet_clips(whisper: Runtime, tmp_path: Path, level: int) -> None:
    """All clips: of a single one, a change by 0.5 dB may change two words, also where it is loud."""
    from benchmarks.corpora import clips

    heard = {}
    for clip in clips():
        path = tmp_path / f"{clip.name}.wav"
        sf.write(path, clip.samples * 10 ** (level / 20), RATE, subtype="FLOAT")
        heard[clip.name] = transcribe(whisper, path).text
    found = errors({clip.name: clip.words for clip in clips()}, heard)
    assert found.deletions == 0
    assert found.rate <= 2.0


def sped_up(path: Path, speed: float, fast: Path) -> Path:
    """A recording at another speed, written to `fast`."""
    command = [find_ffmpeg(), "-loglevel", "error", "-i", path, "-af", f"atempo={speed}", fast]
    subprocess.run([str(part) for part in command], check=True)
    return fast


@pytest.mark.parametrize("speed", [1.8, 2.2])
def test_fast_speech_is_whole(whisper: Runtime, shared: Path, tmp_path: Path, speed: float) -> None:
    path = sped_up(shared / "data/speech/jfk.flac", speed, tmp_path / "fast.wav")
    wanted = (
        "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
    )
    found = errors({"jfk": wanted}, {"jfk": transcribe(whisper, path).text})
    assert found.deletions == 0
    assert found.count <= 3


def test_fast_speech_of_many_sentences_is_whole(whisper: Runtime, tmp_path: Path) -> None:
    """Whisper stops after the first sentences of a chunk, and again in its parts: of 280 words, 101 were lost."""
    words = write_joined(tmp_path / "joined.wav", 3, 120)
    transcript = transcribe(whisper, sped_up(tmp_path / "joined.wav", 2.2, tmp_path / "fast.wav"))
    found = errors({"joined": words}, {"joined": transcript.text})
    assert found.deletions <= 12
    assert transcript.gaps == ()


def test_noise_and_silence_have_no_text(whisper: Runtime, shared: Path, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    sf.write(silence, np.zeros(10 * RATE), RATE)
    noises = sorted((shared / "data" / "noise").glob("*.wav"))
    assert noises
    for path in [silence, *noises]:
        transcript = transcribe(whisper, path)
        assert (transcript.text, transcript.gaps) == ("", ())
