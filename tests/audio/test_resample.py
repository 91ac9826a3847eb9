from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.audio import open_audio
from asrcli.audio.resample import Resampler
from asrcli.audio.types import Source
from asrcli.errors import AudioDecodeError
from asrcli.options import AudioOptions

RATES = [1000, 4000, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 11127, 383999]


def resample(samples: np.ndarray, rate: int, cuts: Sequence[int] = ()) -> np.ndarray:
    resampler = Resampler(rate, samples.shape[1])
    pieces = [resampler.push(block) for block in np.split(samples, cuts)]
    return np.concatenate([*pieces, resampler.finish()])


def sine(rate: int, pitch: float, seconds: float = 2.0) -> np.ndarray:
    return np.sin(2 * np.pi * pitch * np.arange(round(rate * seconds)) / rate).astype(np.float32)[:, None]


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_its_level_phase_and_length(rate: int) -> None:
    pitch = min(997.0, rate / 4)
    out = resample(sine(rate, pitch), rate)
    assert out.shape == (32000, 1)
    assert out.dtype == np.float32
    inside = slice(4000, -4000)
    assert np.abs(out - sine(16000, pitch))[inside].max() < 1e-4


@pytest.mark.parametrize("rate", [22050, 32000, 44100, 48000, 96000])
def test_what_16_khz_cannot_hold_is_gone(rate: int) -> None:
    out = resample(sine(rate, 8800.0), rate)[1000:-1000]
    assert 20 * np.log10(np.sqrt(2 * np.mean(out.astype(float) ** 2)) + 1e-12) < -80


@pytest.mark.parametrize("rate", [8000, 11025])
def test_upsampling_makes_no_images(rate: int) -> None:
    out = resample(sine(rate, 3000.0), rate)[1000:-1000, 0]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    pitches = np.fft.rfftfreq(len(out), 1 / 16000)
    assert spectrum[pitches > rate / 2].max() < spectrum.max() * 1e-4


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_speech_band_is_flat(rate: int) -> None:
    for pitch in (100.0, 3400.0, 7000.0):
        out = resample(sine(rate, pitch), rate)[1000:-1000]
        assert np.sqrt(2 * np.mean(out.astype(float) ** 2)) == pytest.approx(1, abs=2e-3)


@settings(max_examples=60)
@given(
    rate=st.sampled_from(RATES) | st.integers(1000, 384_000),
    length=st.integers(0, 6000),
    cuts=st.lists(st.integers(0, 6000), max_size=8),
    channels=st.integers(1, 3),
)
def test_blocks_of_any_size_give_the_same_samples(rate: int, length: int, cuts: list[int], channels: int) -> None:
    samples = np.random.default_rng(length).standard_normal((length, channels)).astype(np.float32)
    whole = resample(samples, rate)
    cut = resample(samples, rate, sorted(min(one, length) for one in cuts))
    assert whole.shape == cut.shape == (round(length * 16000 / rate), channels)
    np.testing.assert_array_equal(cut, whole)


def test_channels_are_independent() -> None:
    samples = np.concatenate((sine(44100, 500.0), np.zeros((88200, 1), np.float32)), axis=1)
    out = resample(samples, 44100)
    assert np.abs(out[:, 1]).max() == 0
    np.testing.assert_allclose(out[:, :1], resample(samples[:, :1], 44100), atol=1e-6)


def test_no_more_is_held_than_the_filter_needs() -> None:
    resampler = Resampler(44100, 1)
    block = np.zeros((44100, 1), np.float32)
    returned = sum(len(resampler.push(block)) for _ in range(100))
    assert 100 * 16000 - returned < 800


@pytest.mark.parametrize("rate", [383_999, 352_801, 11_127, 1001])
def test_the_cost_does_not_depend_on_the_ratio(rate: int, tmp_path: Path) -> None:
    # A filter with a phase for each of 383,999 inputs took 24 s and 657 MB.
    path = tmp_path / "odd_rate.wav"
    soundfile.write(path, np.zeros((16_000, 1), np.float32), rate)
    code = (
        "import sys, resource; from pathlib import Path; from asrcli.audio import open_audio\n"
        "from asrcli.audio.types import Source; from asrcli.options import AudioOptions\n"
        "before = resource.getrusage(resource.RUSAGE_SELF)\n"
        "with open_audio(Source('x', Path(sys.argv[1])), AudioOptions()) as s: n = sum(map(len, s.blocks()))\n"
        "after = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(n, after.ru_maxrss - before.ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    samples, growth_kb = map(int, done.stdout.split())
    assert samples == round(16_000 * 16_000 / rate)
    assert growth_kb < 64_000


@pytest.mark.parametrize("rate", [384_001, 767_999, 999, 1])
def test_rates_of_no_recorder_are_refused(rate: int, tmp_path: Path) -> None:
    path = tmp_path / "rate.wav"
    soundfile.write(path, np.zeros((16_000, 1), np.float32), rate)
    with pytest.raises(AudioDecodeError, match=f"sample rate of {rate:,} Hz") as caught:
        open_audio(Source("rate.wav", path), AudioOptions())
    assert "export it again" in caught.value.hint
