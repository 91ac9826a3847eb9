from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.audio.resample import Resampler

RATES = [4000, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 11127]


def resample(samples, rate, cuts=()):
    resampler = Resampler(rate, samples.shape[1])
    pieces = [resampler.push(block) for block in np.split(samples, cuts)]
    return np.concatenate([*pieces, resampler.finish()])


def sine(rate, pitch, seconds=2.0):
    return np.sin(2 * np.pi * pitch * np.arange(round(rate * seconds)) / rate).astype(np.float32)[:, None]


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_its_level_phase_and_length(rate):
    out = resample(sine(rate, 997.0), rate)
    assert out.shape == (32000, 1)
    assert out.dtype == np.float32
    inside = slice(1000, -1000)
    assert np.abs(out - sine(16000, 997.0))[inside].max() < 1e-4


@pytest.mark.parametrize("rate", [22050, 32000, 44100, 48000, 96000])
def test_what_16_khz_cannot_hold_is_gone(rate):
    out = resample(sine(rate, 8800.0), rate)[1000:-1000]
    assert 20 * np.log10(np.sqrt(2 * np.mean(out.astype(float) ** 2)) + 1e-12) < -80


@pytest.mark.parametrize("rate", [8000, 11025])
def test_upsampling_makes_no_images(rate):
    out = resample(sine(rate, 3000.0), rate)[1000:-1000, 0]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    pitches = np.fft.rfftfreq(len(out), 1 / 16000)
    assert spectrum[pitches > rate / 2].max() < spectrum.max() * 1e-4


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_speech_band_is_flat(rate):
    for pitch in (100.0, 3400.0, 7000.0):
        out = resample(sine(rate, pitch), rate)[1000:-1000]
        assert np.sqrt(2 * np.mean(out.astype(float) ** 2)) == pytest.approx(1, abs=2e-3)


@settings(deadline=None, max_examples=60)
@given(
    rate=st.sampled_from(RATES),
    length=st.integers(0, 6000),
    cuts=st.lists(st.integers(0, 6000), max_size=8),
    lanes=st.integers(1, 3),
)
def test_block_borders_leave_no_trace(rate, length, cuts, lanes):
    samples = np.random.default_rng(length).standard_normal((length, lanes)).astype(np.float32)
    whole = resample(samples, rate)
    cut = resample(samples, rate, sorted(min(one, length) for one in cuts))
    assert whole.shape == cut.shape == (round(length * 16000 / rate), lanes)
    np.testing.assert_allclose(cut, whole, atol=1e-5)


def test_lanes_do_not_touch():
    samples = np.concatenate((sine(44100, 500.0), np.zeros((88200, 1), np.float32)), axis=1)
    out = resample(samples, 44100)
    assert np.abs(out[:, 1]).max() == 0
    np.testing.assert_array_equal(out[:, :1], resample(samples[:, :1], 44100))


def test_no_more_is_held_than_the_filter_needs():
    resampler = Resampler(44100, 1)
    block = np.zeros((44100, 1), np.float32)
    given_out = sum(len(resampler.push(block)) for _ in range(100))
    assert 100 * 16000 - given_out < 400
