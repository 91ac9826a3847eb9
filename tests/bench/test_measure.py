from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asrcli.audio.types import SAMPLE_RATE, Source
from asrcli.bench.measure import Result, measure, recommended, recording_of, resident, thread_counts
from asrcli.errors import InputError
from asrcli.models.registry import Registry


def test_a_recording_is_repeated_and_cut(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    clock = np.arange(2 * SAMPLE_RATE, dtype=np.float32) / SAMPLE_RATE
    tone = 0.5 * np.sin(2 * np.pi * 440 * clock).astype(np.float32)
    soundfile.write(path, tone, SAMPLE_RATE, subtype="FLOAT")
    with recording_of(path, 5.0) as source:
        samples, rate = soundfile.read(source.path, dtype="float32")
        assert rate == SAMPLE_RATE
        assert len(samples) == 5 * SAMPLE_RATE
        assert np.allclose(samples[2 * SAMPLE_RATE : 4 * SAMPLE_RATE], tone, atol=1e-3)
        assert source.name == "tone.wav"
    assert not source.path.exists()
    with recording_of(path, 1.0) as source:
        assert soundfile.info(source.path).duration == 1.0


def test_a_file_that_is_not_a_recording_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_bytes(b"not audio at all")
    with pytest.raises(InputError), recording_of(path, 5.0):
        pass


def result_of(model: str, speed: float, **settings: Any) -> Result:
    facts: dict[str, Any] = {"device": "auto", "batch": None, "threads": 1, "max_chunk": None, "memory": None}
    facts |= {"loading": 1.0, "text": "", "language": "en", "audio": 100.0, "seconds": 100.0 / speed}
    return Result(model=model, **{**facts, **settings})


def test_the_fastest_settings_of_each_model_are_recommended_and_fewer_threads_where_they_are_as_fast() -> None:
    tiny = [result_of("tiny", speed, threads=threads) for speed, threads in ((50.0, 1), (96.0, 2), (99.0, 4))]
    base = [result_of("base", speed, memory=memory) for speed, memory in ((40.0, 900), (39.0, 300), (30.0, 100))]
    assert recommended([*base, *tiny]) == [tiny[1], base[1]]


def test_the_fewest_word_errors_count_more_than_speed() -> None:
    tiny = [result_of("tiny", 90.0, max_chunk=8, error_rate=0.04), result_of("tiny", 80.0, error_rate=0.03)]
    base = [result_of("base", 20.0, error_rate=0.02)]
    assert recommended([*tiny, *base]) == [base[0], tiny[1]]


def test_a_whole_recording_is_measured_once(tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.full(3 * SAMPLE_RATE, 0.1, np.float32), SAMPLE_RATE)
    with recording_of(path, None) as source:
        assert soundfile.info(source.path).duration == 3.0


def test_every_core_and_one_are_tried() -> None:
    assert thread_counts(1) == [1]
    assert thread_counts(8) == [1, 8]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows")
def test_memory_counts_other_processes() -> None:
    alone = resident()
    hold = "data = bytearray(b'x') * (64 << 20); print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        both = resident(other.pid)
        other.communicate(b"\n")
    assert both - alone > 60 << 20
    assert resident(other.pid) is None


def test_the_embedded_model_is_measured(wheel_audio: Path, tmp_path: Path) -> None:
    spec = Registry(tmp_path).resolve("moonshine-tiny-en")
    with recording_of(wheel_audio / "two_cities.wav", 5.0) as source:
        result = measure(spec, source, threads=1, rounds=2)
    assert (result.model, result.threads) == ("moonshine-tiny-en", 1)
    assert result.audio == pytest.approx(5.0)
    assert result.speed == pytest.approx(5.0 / result.seconds)
    if sys.platform == "linux":
        # The weights alone take 40 MB.
        assert 40 << 20 < result.memory < 2 << 30


@pytest.mark.usefixtures("wheel_audio")
def test_a_stream_without_speech_is_measured_too(tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(2 * SAMPLE_RATE, np.float32), SAMPLE_RATE)
    result = measure(
        Registry(tmp_path).resolve("moonshine-tiny-en"), Source("silence.wav", silence), threads=1, rounds=1
    )
    assert result.audio == pytest.approx(2.0)
