"""Quiet recordings and quiet voices: what the detector and the recogniser receive."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.options import VadOptions
from asrcli.vad import Region, Segmenter
from asrcli.vad.gain import _AROUND, AHEAD, GainNormalizer, _changes, _peaks_ahead, level_speech, percentile
from asrcli.vad.types import WINDOW, Chunk

RATE = 16000


@pytest.fixture(scope="module")
def speech(wheel_audio: Path) -> np.ndarray:
    """beckett.wav: 10 s of speech with pauses."""
    return soundfile.read(wheel_audio / "beckett.wav", dtype="float32")[0]


def decibels(gain: float) -> np.float32:
    return np.float32(10 ** (gain / 20))


def chunks_of(samples: np.ndarray) -> list[Chunk]:
    segmenter = Segmenter(VadOptions(), 30.0)
    return segmenter.push(samples) + segmenter.finish()


def covered(chunks: list[Chunk], length: int) -> np.ndarray:
    """Which samples lie in a region."""
    mask = np.zeros(length, bool)
    for chunk in chunks:
        for region in chunk.regions:
            mask[region.start : region.end] = True
    return mask


@pytest.mark.parametrize("gain", [-12, -30, -50, -66])
def test_a_quiet_recording_gives_the_samples_of_a_loud_one(gain: int, speech: np.ndarray) -> None:
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


@pytest.mark.parametrize("gain", range(-20, -62, -2))
def test_a_copy_at_another_level_has_the_same_samples(gain: int, speech: np.ndarray) -> None:
    """From -40 dB on they differed by more than rounding, and a recogniser had other words for them."""
    regions = [Region(0, len(speech) // 2), Region(len(speech) * 2 // 3, len(speech))]
    loud, first = level_speech(speech, regions, 0)
    quiet, second = level_speech(speech * decibels(gain), regions, 0)
    assert second == pytest.approx(first - gain, abs=1e-5)
    np.testing.assert_allclose(quiet, loud, rtol=0, atol=2e-6)


@pytest.mark.parametrize("seconds", [0.0006, 0.05], ids=["click", "knock"])
@pytest.mark.parametrize("place", [0.01, 0.3, 0.5, 0.75])
def test_a_click_in_a_quiet_recording(place: float, seconds: float, speech: np.ndarray) -> None:
    """Nothing was detected for seconds after it."""
    quiet = speech * decibels(-66)
    first, length = round(place * len(speech)), round(seconds * RATE)
    clicked = quiet.copy()
    clicked[first : first + length] = np.resize([0.9, -0.9], length)
    whole, found = covered(chunks_of(quiet), len(speech)), covered(chunks_of(clicked), len(speech))
    assert np.count_nonzero(whole & ~found) < 0.5 * RATE


@pytest.mark.parametrize("drop", [18, 24, 30])
def test_a_quiet_voice_beside_a_loud_one_is_detected_and_levelled(drop: int, speech: np.ndarray) -> None:
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


def test_onsets_and_endings_survive_a_change_of_level(speech: np.ndarray) -> None:
    # Loud, then 25 dB down without a pause, then loud again: each edge of the speech stays where it is.
    third = len(speech) // 3
    changed = speech.copy()
    changed[third : 2 * third] *= decibels(-25)
    before, after = (covered(chunks_of(samples), len(speech)) for samples in (speech, changed))
    assert (before & ~after).sum() < 0.05 * before.sum()


@pytest.mark.parametrize("level", [1.0, 0.01, 1e-4])
def test_noise_is_neither_speech_nor_amplified(level: float) -> None:
    rng = np.random.default_rng(2)
    noise = (rng.standard_normal(20 * RATE) * 0.1 * level).astype(np.float32)
    assert chunks_of(noise) == []
    dither = np.rint(rng.standard_normal(20 * RATE) * 0.6).astype(np.float32) / 32768
    assert chunks_of(dither) == []
    stills: tuple[np.ndarray, ...] = (noise, dither, np.zeros(RATE, np.float32))
    for still in stills:
        levelled, gain = level_speech(still, [Region(0, len(still))], 0)
        assert gain == 0
        np.testing.assert_array_equal(levelled, still)


spans = st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 90_000)), min_size=1, max_size=5)


@settings(max_examples=80)
@given(
    spans=spans,
    gains=st.lists(st.floats(-90, 6), min_size=5, max_size=5),
    tail=st.integers(0, 5000),
    seed=st.integers(0, 9),
)
def test_no_sample_exceeds_full_scale_and_none_changes_its_sign(
    spans: list[tuple[int, int]], gains: list[float], tail: int, seed: int
) -> None:
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


class Recorder:
    """A detector that keeps what it receives."""

    def probabilities(self, samples: np.ndarray) -> np.ndarray:
        self.received = samples
        return np.zeros(len(samples) // WINDOW, np.float32)


def detector_gains(*peaks: float) -> list[float]:
    """The gains of windows with these peaks; each window in a call of its own."""
    recorder = Recorder()
    normalizer = GainNormalizer(recorder)
    gains = []
    for peak in peaks:
        normalizer.probabilities(np.full(WINDOW, peak, np.float32))
        gains.append(float(recorder.received[0] / peak))
    return gains


def test_the_detector_receives_peaks_of_fifteen_hundredths() -> None:
    assert detector_gains(0.001) == [pytest.approx(150)]
    assert detector_gains(0.01, -0.05, 0.3, 0.15) == pytest.approx([15, 3, 1, 1])
    assert detector_gains(1e-9) == [pytest.approx(1e8)]
    # The peak is forgotten by half in 0.5 s, which is 15.6 windows.
    assert detector_gains(1e-4, 0.05, *[0.01] * 16)[-1] == pytest.approx(3 * 2 ** (16 * 0.064), rel=1e-4)
    # The lowest of the last seconds comes to three hundredths at most: its estimate doubles in 2 s.
    assert detector_gains(0.02, *[0.01] * 51)[-1] == pytest.approx(15 / 2 ** (51 * 0.016), rel=1e-4)
    assert detector_gains(0.001, *[0.001] * 250)[-1] == pytest.approx(30)
    assert detector_gains(0.1, *[0.005] * 40)[-1] == pytest.approx(6)
    # What is loud for three windows at most counts six times the level of the others, once 0.13 s have passed.
    assert detector_gains(*[1e-4] * 4, *[0.9] * 3, *[1e-4] * 4)[-1] == pytest.approx(250, rel=0.01)
    assert detector_gains(*[1e-4] * 4, *[0.9] * 4, *[1e-4] * 4)[-1] == pytest.approx(1)
    assert detector_gains(0.1, 0.002, *[0.1] * 63)[-1] == pytest.approx(1.5)


def tone(*runs: tuple[float, float]) -> np.ndarray:
    """Samples that alternate between two values: level in dB of full scale, seconds."""
    parts = [np.tile([1, -1], round(length * RATE / 2)) * decibels(level) for level, length in runs]
    return np.concatenate(parts).astype(np.float32)


def gains_of(*runs: tuple[float, float], spans: list[tuple[float, float]]) -> tuple[list[float], float]:
    """The gain in dB in the middle of each run, and the one that is reported."""
    samples = tone(*runs)
    regions = [Region(round((50 + low) * RATE), round((50 + high) * RATE)) for low, high in spans]
    levelled, gain = level_speech(samples, regions, 50 * RATE)
    edges = np.cumsum([0, *(length for _, length in runs)])
    middles = [round((low + high) / 2 * RATE) for low, high in pairwise(edges)]
    return [round(float(20 * np.log10(levelled[at] / samples[at])), 1) for at in middles], round(gain, 1)


@pytest.mark.parametrize(
    ("runs", "spans", "gains", "reported"),
    [
        # The loudest stretch comes to -15 dB; nothing is made quieter.
        ([(-80, 1), (-40, 2), (-80, 1)], [(1, 3)], [25, 25, 25], 25),
        ([(-80, 1), (-10, 2)], [(1, 3)], [0, 0], 0),
        # Softer stretches come to 12 dB below it, whatever that takes; a pause lies between the two gains.
        ([(-90, 1), (-20, 2), (-90, 1), (-30, 2)], [(1, 3), (4, 6)], [5, 5, 5, 5], 5),
        ([(-90, 1), (-20, 2), (-90, 1), (-40, 2)], [(1, 3), (4, 6)], [5, 5, 9, 13], 13),
        ([(-99, 1), (-20, 2), (-99, 1), (-70, 2)], [(1, 3), (4, 6)], [5, 5, 23.8, 43], 43),
        # A gain is given in full from 10 dB above the floor, and not at all up to 4 dB.
        ([(-44, 1), (-40, 2)], [(1, 3)], [0, 0], 0),
        ([(-47, 1), (-40, 2)], [(1, 3)], [12.5, 12.5], 12.5),
        ([(-50, 1), (-40, 2)], [(1, 3)], [25, 25], 25),
        ([(-60, 1), (-20, 2), (-60, 1), (-53, 2)], [(1, 3), (4, 6)], [5, 5, 10.2, 15.5], 15.5),
        # No gain is over 160 dB, and none lifts a sample over 0.98.
        ([(-198, 1), (-178, 2)], [(1, 3)], [160, 160], 160),
        ([(-80, 1), (-40, 1.9), (-3, 0.1)], [(1, 3)], [25, 25, 2.8], 25),
    ],
)
def test_how_much_a_chunk_is_amplified(
    runs: list[tuple[int, float]], spans: list[tuple[float, float]], gains: list[float], reported: float
) -> None:
    assert gains_of(*runs, spans=spans) == (pytest.approx(gains, abs=0.15), pytest.approx(reported, abs=0.1))


def test_a_level_that_has_fallen_for_good_is_followed_at_once() -> None:
    """As far as the next second shows it; a pause of a second and its noise are no such fall."""
    loud, noise, quiet = [0.3] * 30, [0.0003] * 2, [0.003] * 40

    def gains(*peaks: float, known: bool) -> list[float]:
        recorder = Recorder()
        windows = [np.full(WINDOW, peak, np.float32) for peak in peaks]
        following = np.concatenate([*windows, np.zeros(0, np.float32)])
        normalizer, found = GainNormalizer(recorder), []
        for number, window in enumerate(windows, 1):
            ahead = following[number * WINDOW :][: AHEAD * WINDOW]
            normalizer.probabilities(window, ahead if known else None)
            found.append(float(recorder.received[0] / window[0]))
        return found

    assert gains(*loud, *noise, *quiet, known=True)[33] == pytest.approx(50)
    assert gains(*loud, *noise, *quiet, known=False)[33] == pytest.approx(1)
    assert gains(*loud, *noise, *quiet[:20], *loud, known=True)[33] == pytest.approx(1)
    assert gains(*loud, *[0.0003] * 62, *loud, known=True)[40] == pytest.approx(1)


@pytest.mark.parametrize("drop", [40, 50, 100])
@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_speech_far_below_the_voice_before_it_is_found_from_its_start(
    drop: int, pause: float, speech: np.ndarray
) -> None:
    """The detector waited until the level of the voice before was forgotten: 12 dB a second."""
    quiet = np.concatenate([np.zeros(round(pause * RATE), np.float32), speech * decibels(-drop)])
    segmenter = Segmenter(VadOptions(), 30.0, in_batches=True)
    chunks = segmenter.push(np.concatenate([speech, quiet])) + segmenter.finish()
    alone = covered(chunks_of(speech), len(speech))
    mask = covered(chunks, len(speech) + len(quiet))[-len(speech) :]
    assert (mask & alone).sum() > 0.95 * alone.sum()
    levels = np.concatenate([chunk.samples for chunk in chunks])[-len(speech) // 2 :]
    assert 20 * np.log10(speech[len(speech) // 2 :].std() / levels.std()) < 13


def test_a_change_of_level_within_a_region_is_followed_in_stretches_of_three_seconds() -> None:
    gains, reported = gains_of((-90, 1), (-20, 3), (-42, 3), spans=[(1, 7)])
    assert (gains, reported) == ([5, 5, 15], 15)
    samples = tone((-90, 1), (-20, 3), (-42, 3))
    levelled, _ = level_speech(samples, [Region(RATE, 7 * RATE)], 0)
    curve = 20 * np.log10(np.abs(levelled / samples))
    # From the one to the other over 0.1 s: what lies outside is untouched by the neighbour's gain.
    assert curve[round(3.94 * RATE)] == pytest.approx(5, abs=0.1)
    assert curve[round(4.06 * RATE)] == pytest.approx(15, abs=0.1)
    assert curve[round(3.97 * RATE)] > 6
    assert 5.5 < curve[round(3.99 * RATE)] < curve[round(4.02 * RATE)] < 14


def test_a_stretch_ends_where_the_level_changes() -> None:
    """The end of a voice beside a louder one got the gain of the louder one."""
    for runs in ([(-90, 1), (-70, 4.1), (-20, 2)], [(-90, 1), (-20, 2.3), (-70, 4)]):
        samples = tone(*runs)
        edge = round((runs[0][1] + runs[1][1]) * RATE)
        levelled, _ = level_speech(samples, [Region(RATE, len(samples))], 0)
        gains = 20 * np.log10(np.abs(levelled / samples))[[edge - RATE // 5, edge + RATE // 5]]
        assert sorted(gains) == pytest.approx([5, 43], abs=0.2)


def test_changes_of_level_are_found_where_they_are() -> None:
    assert _changes(np.repeat([-15.0, -60.0, -15.0], [55, 70, 40]), -80.0) == [55, 125]
    assert _changes(np.repeat([-60.0, -15.0], [70, 60]), -80.0) == [70]
    assert _changes(np.repeat([-60.0, -15.0], [70, 60]), -50.0) == []


def test_a_chunk_without_samples_or_speech_stays() -> None:
    for samples, regions in ((np.zeros(0, np.float32), [Region(0, 1)]), (tone((-40, 1)), [])):
        levelled, gain = level_speech(samples, regions, 0)
        assert levelled is samples
        assert gain == 0


def test_samples_of_any_size_stay_numbers() -> None:
    """Files of floats may hold them; the square of such a number is no 32-bit float."""
    samples = np.tile(np.array([1e25, -1e25], np.float32), 8000)
    levelled, gain = level_speech(samples, [Region(0, 16000)], 0)
    np.testing.assert_array_equal(levelled, samples)
    assert gain == 0


def test_a_stretch_of_less_than_a_tenth_of_a_second_has_its_gain_in_its_middle() -> None:
    samples = tone((-90, 0.5), (-50, 0.06), (-90, 0.5), (-20, 1))
    spans = [Region(8000, 8960), Region(16960, 32960)]
    levelled, _ = level_speech(samples, spans, 0)
    gains = 20 * np.log10(levelled[[4000, 8480, 24960]] / samples[[4000, 8480, 24960]])
    np.testing.assert_allclose(gains, [23, 23, 5], atol=0.2)


@pytest.mark.parametrize(("offset", "gain"), [(0.0, 17), (12.0, 5), (15.0, 2), (25.0, 0)])
def test_a_model_that_needs_less_gets_less_gain(offset: float, gain: float) -> None:
    samples = tone((-90, 1), (-32, 3))
    levelled, reported = level_speech(samples, [Region(RATE, 4 * RATE)], 0, offset=offset)
    assert reported == pytest.approx(gain, abs=0.1)
    assert 20 * np.log10(levelled[-RATE] / samples[-RATE]) == pytest.approx(gain, abs=0.1)


def test_a_quiet_voice_beside_a_loud_one_gets_its_own_gain_from_any_model() -> None:
    samples = tone((-90, 1), (-20, 2), (-90, 1), (-40, 2))
    levelled, reported = level_speech(samples, [Region(RATE, 3 * RATE), Region(4 * RATE, 6 * RATE)], 0, offset=15.0)
    assert reported == pytest.approx(8, abs=0.1)
    assert levelled[2 * RATE] == samples[2 * RATE]
    assert 20 * np.log10(levelled[5 * RATE] / samples[5 * RATE]) == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize("percent", [5, 10, 90])
@pytest.mark.parametrize("count", [1, 2, 3, 10, 301])
def test_percentiles_are_those_of_numpy(count: int, percent: float) -> None:
    values = np.random.default_rng(count).normal(-40, 15, count)
    assert percentile(values, percent) == pytest.approx(np.percentile(values, percent), abs=1e-12)


@pytest.mark.parametrize("following", [0, 5, AHEAD, AHEAD + 3])
def test_what_comes_is_the_highest_peak_and_the_lowest_that_is_no_silence(following: int) -> None:
    rng = np.random.default_rng(following)
    heights = rng.random(40 + following).astype(np.float32) * (rng.random(40 + following) > 0.2)
    behind = np.repeat(heights[40:], WINDOW)
    known = np.concatenate([heights[: 40 + min(following, AHEAD)], np.zeros(AHEAD)])
    spans = [known[at : at + AHEAD + 1] for at in range(40)]
    expected = [(max(span), min(span[span > 0], default=np.inf)) for span in spans]
    assert _peaks_ahead(heights[:40], behind) == expected


def test_the_level_changes_where_it_does_in_a_part_of_an_array() -> None:
    levels = np.repeat([-10.0, -20.0, -60.0], [300, 2 * _AROUND, 2 * _AROUND])
    assert _changes(levels[300:], -70.0) == [2 * _AROUND]
