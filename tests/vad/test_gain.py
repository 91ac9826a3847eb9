"""Quiet recordings and quiet voices: what the detector and the recogniser receive."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.options import VadOptions
from asrcli.vad import Region, Segmenter
from asrcli.vad.gain import level_speech

RATE = 16000


@pytest.fixture(scope="module")
def speech(wheel_audio) -> np.ndarray:
    """beckett.wav: 10 s of speech with pauses."""
    return soundfile.read(wheel_audio / "beckett.wav", dtype="float32")[0]


def decibels(gain: float) -> np.float32:
    return np.float32(10 ** (gain / 20))


def chunks_of(samples: np.ndarray):
    segmenter = Segmenter(VadOptions(), 30.0)
    return segmenter.push(samples) + segmenter.finish()


def covered(chunks, length: int) -> np.ndarray:
    """Which samples lie in a region."""
    mask = np.zeros(length, bool)
    for chunk in chunks:
        for region in chunk.regions:
            mask[region.start : region.end] = True
    return mask


@pytest.mark.parametrize("gain", [-12, -30, -50, -66])
def test_a_quiet_recording_gives_the_samples_of_a_loud_one(gain, speech):
    (loud,) = chunks_of(speech)
    (quiet,) = chunks_of(speech * decibels(gain))
    assert quiet.gain == pytest.approx(loud.gain - gain, abs=0.5)
    low, high = max(loud.start, quiet.start), min(loud.end, quiet.end)
    assert high - low > 0.98 * len(loud.samples)
    one, other = (
        loud.samples[low - loud.start : high - loud.start],
        quiet.samples[low - quiet.start : high - quiet.start],
    )
    assert np.abs(one - other).max() < 0.03


@pytest.mark.parametrize("drop", [18, 24, 30])
def test_a_quiet_voice_beside_a_loud_one_is_detected_and_levelled(drop, speech):
    pause = np.random.default_rng(1).normal(0, 1e-4, RATE // 3).astype(np.float32)
    loud = speech * np.float32(0.8 / np.abs(speech).max())
    parts = [loud, pause, loud * decibels(-drop), pause] * 2
    samples = np.concatenate(parts)
    alone = covered(chunks_of(loud), len(loud))
    mask = covered(chunks_of(samples), len(samples))
    starts = np.cumsum([0, *map(len, parts)])
    for start in (starts[2], starts[6]):
        assert (mask[start : start + len(loud)] & alone).sum() > 0.9 * alone.sum()
    levels = [
        np.concatenate([c.samples for c in chunks_of(part)]) for part in (samples[: starts[1]], samples[: starts[4]])
    ]
    quiet_half = levels[1][-len(loud) // 2 :]
    assert 20 * np.log10(levels[0].std() / quiet_half.std()) < max(drop - 5, 13)


def test_onsets_and_endings_survive_a_change_of_level(speech):
    # Loud, then 25 dB down without a pause, then loud again: each edge of the speech stays where it is.
    third = len(speech) // 3
    changed = speech.copy()
    changed[third : 2 * third] *= decibels(-25)
    before, after = (covered(chunks_of(samples), len(speech)) for samples in (speech, changed))
    assert (before & ~after).sum() < 0.05 * before.sum()


@pytest.mark.parametrize("level", [1.0, 0.01, 1e-4])
def test_noise_is_neither_speech_nor_amplified(level):
    rng = np.random.default_rng(2)
    noise = (rng.standard_normal(20 * RATE) * 0.1 * level).astype(np.float32)
    assert chunks_of(noise) == []
    dither = np.rint(rng.standard_normal(20 * RATE) * 0.6).astype(np.float32) / 32768
    assert chunks_of(dither) == []
    for still in (noise, dither, np.zeros(RATE, np.float32)):
        levelled, gain = level_speech(still, [Region(0, len(still))], 0)
        assert gain == 0
        np.testing.assert_array_equal(levelled, still)


spans = st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 90_000)), min_size=1, max_size=5)


@settings(deadline=None, max_examples=80)
@given(
    spans=spans,
    gains=st.lists(st.floats(-90, 6), min_size=5, max_size=5),
    tail=st.integers(0, 5000),
    seed=st.integers(0, 9),
)
def test_no_sample_exceeds_full_scale_and_none_changes_its_sign(spans, gains, tail, seed):
    rng = np.random.default_rng(seed)
    regions, parts, at = [], [], 70_000
    for (gap, length), gain in zip(spans, gains, strict=False):
        voice = rng.standard_normal(length) * np.abs(np.sin(np.arange(length) / 2000)) * 0.25 * decibels(gain)
        parts += [rng.standard_normal(gap) * 1e-5, np.clip(voice, -1, 1)]
        regions.append(Region(at + gap, at + gap + length))
        at += gap + length
    samples = np.concatenate([*parts, rng.standard_normal(tail) * 1e-5]).astype(np.float32)
    before = samples.copy()
    levelled, gain = level_speech(samples, regions, 70_000)
    np.testing.assert_array_equal(samples, before)
    assert levelled.shape == samples.shape
    assert levelled.dtype == np.float32
    assert np.abs(levelled).max() <= 1.0
    assert np.all(levelled * samples >= 0)
    assert np.all(np.abs(levelled) >= np.abs(samples) * 0.9999)
    assert np.all(np.abs(levelled) <= np.abs(samples) * decibels(gain) * 1.001 + 1e-12)
