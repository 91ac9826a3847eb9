"""The promises of the segmenter, for any stream: nothing lost, nothing twice, no chunk too long."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.audio.types import SAMPLE_RATE
from asrcli.errors import UsageError
from asrcli.options import VadOptions
from asrcli.vad import Chunk, Region, Segmenter
from asrcli.vad.packing import choose_cut, divide, quietest
from asrcli.vad.regions import HysteresisTracker
from asrcli.vad.types import LEVEL_HOP, WINDOW


class Loudness:
    """Probabilities that can be known beforehand: the mean magnitude of each window."""

    def probabilities(self, samples: np.ndarray, following: np.ndarray | None = None) -> np.ndarray:
        return np.abs(samples).reshape(-1, WINDOW).mean(axis=1)


def stream(probabilities: list[float], tail: int = 0) -> np.ndarray:
    """Samples whose windows have these probabilities by `Loudness`; each sample differs from the others."""
    levels = np.repeat(np.array(probabilities, np.float32), WINDOW)
    samples = np.concatenate([levels, np.full(tail, levels[-1] if len(levels) else 0, np.float32)])
    return samples + np.arange(len(samples), dtype=np.float32) * np.float32(1e-9)


def segment(
    samples: np.ndarray, options: VadOptions, window: float, block: int = 16000, *, in_batches: bool = False
) -> list[Chunk]:
    detector = Loudness() if options.enabled else None
    segmenter = Segmenter(options, window, detector=detector, in_batches=in_batches)
    chunks = []
    for start in range(0, len(samples), block):
        chunks += segmenter.push(samples[start : start + block])
    return chunks + segmenter.finish()


def speech_by_definition(probabilities: list[float], options: VadOptions) -> np.ndarray:
    """Which windows are speech, read off the definition: hysteresis first, then the two durations."""
    end_threshold = options.threshold - 0.15 if options.end_threshold is None else options.end_threshold
    quiet_needed = max(int(np.ceil(round(options.min_silence * SAMPLE_RATE) / WINDOW)), 1)
    speech = np.zeros(len(probabilities), bool)
    at = 0
    while at < len(probabilities):
        if probabilities[at] < options.threshold:
            at += 1
            continue
        end = at
        while end < len(probabilities) and not all(
            p < end_threshold for p in padded(probabilities[end : end + quiet_needed], quiet_needed)
        ):
            end += 1
        if (end - at) * WINDOW >= round(options.min_speech * SAMPLE_RATE):
            speech[at:end] = True
        at = max(end, at + 1)
    return speech


def padded(values: list[float], length: int) -> list[float]:
    # Behind the end of the stream all is silence, but only once it has started there.
    return values + [0.0] * (length - len(values))


# Speech comes in stretches, so draw stretches; single windows would hardly ever make a region.
levels = st.sampled_from([0.0, 0.02, 0.2, 0.34, 0.36, 0.49, 0.5, 0.6, 0.95])
stretches = st.lists(st.tuples(levels, st.integers(1, 90)), max_size=40)
options_drawn = st.builds(
    VadOptions,
    level=st.just(False),
    min_speech=st.sampled_from([0.0, 0.1, 0.25, 0.5]),
    min_silence=st.sampled_from([0.0, 0.1, 0.3, 0.6]),
    pad_before=st.sampled_from([0.0, 0.1, 0.2, 0.5]),
    pad_after=st.sampled_from([0.0, 0.2, 0.4]),
    max_gap=st.sampled_from([0.2, 1.0, 3.0]),
    max_chunk=st.sampled_from([None, 2.0, 5.0]),
)


def unroll(runs: list[tuple[float, int]]) -> list[float]:
    return [level for level, count in runs for _ in range(count)]


@settings(max_examples=120)
@given(runs=stretches, options=options_drawn, window=st.sampled_from([2.0, 3.5, 8.0, 30.0]), tail=st.integers(0, 511))
def test_all_speech_comes_out_once_and_no_chunk_is_too_long(
    runs: list[tuple[float, int]], options: VadOptions, window: float, tail: int
) -> None:
    probabilities = unroll(runs)
    samples = stream(probabilities, tail)
    chunks = segment(samples, options, window)

    limit = round(min(options.max_chunk or window, window) * SAMPLE_RATE)
    taken = np.zeros(len(samples), int)
    previous_end = 0
    for chunk in chunks:
        assert 0 < len(chunk.samples) <= limit
        assert chunk.start == chunk.regions[0].start >= previous_end
        assert chunk.end == chunk.start + len(chunk.samples) <= len(samples)
        np.testing.assert_array_equal(chunk.samples, samples[chunk.start : chunk.end])
        for region in chunk.regions:
            assert previous_end <= region.start < region.end
            taken[region.start : region.end] += 1
            previous_end = region.end
    assert taken.max(initial=0) <= 1

    windows = len(probabilities) * WINDOW
    if not tail:
        expected = np.repeat(speech_by_definition(probabilities, options), WINDOW)
        assert np.all(taken[:windows][expected] == 1)
        # What is taken beyond speech is padding, no further from it than the options say.
        near = expected.copy()
        before, after = (round(pad * SAMPLE_RATE) for pad in (options.pad_before, options.pad_after))
        for edge in np.flatnonzero(np.diff(expected.astype(int))):
            near[max(edge - before + 1, 0) : edge + after + 1] = True
        assert np.all(near[taken[:windows] == 1])


@settings(max_examples=60)
@given(
    runs=stretches,
    options=options_drawn,
    window=st.sampled_from([2.0, 8.0, 30.0]),
    tail=st.integers(0, 511),
    block=st.integers(1, 40_000),
    in_batches=st.booleans(),
)
def test_the_size_of_blocks_changes_nothing(
    runs: list[tuple[float, int]], options: VadOptions, window: float, tail: int, block: int, *, in_batches: bool
) -> None:
    samples = stream(unroll(runs), tail)[:400_000]
    block = max(block, len(samples) // 200)
    at_once = segment(samples, options, window, block=max(len(samples), 1))
    in_blocks = segment(samples, options, window, block=block, in_batches=in_batches)
    assert [(c.start, c.regions) for c in at_once] == [(c.start, c.regions) for c in in_blocks]


@settings(max_examples=60)
@given(runs=stretches, max_gap=st.sampled_from([0.5, 1.0, 3.0]))
def test_no_chunk_holds_a_silence_longer_than_max_gap(runs: list[tuple[float, int]], max_gap: float) -> None:
    options = VadOptions(max_gap=max_gap, pad_before=0.0, pad_after=0.0)
    for chunk in segment(stream(unroll(runs)), options, 30.0):
        gaps = [right.start - left.end for left, right in pairwise(chunk.regions)]
        assert max(gaps, default=0) <= max_gap * SAMPLE_RATE


@settings(max_examples=40)
@given(runs=stretches, tail=st.integers(0, 511), window=st.sampled_from([2.0, 5.0, 30.0]))
def test_without_vad_the_chunks_are_the_whole_stream(runs: list[tuple[float, int]], tail: int, window: float) -> None:
    samples = stream(unroll(runs), tail)
    chunks = segment(samples, VadOptions(enabled=False, level=False), window)
    whole = np.concatenate([chunk.samples for chunk in chunks]) if chunks else samples[:0]
    np.testing.assert_array_equal(whole, samples)
    assert all(len(chunk.samples) <= window * SAMPLE_RATE for chunk in chunks)
    assert all((chunk.speech.shape, chunk.speech.dtype) == ((0,), np.float32) for chunk in chunks)
    if len(samples) > window * SAMPLE_RATE:
        assert min(len(chunk.samples) for chunk in chunks) >= 0.25 * window * SAMPLE_RATE


def seconds(*runs: tuple[float, float]) -> np.ndarray:
    return stream(unroll([(level, round(length * SAMPLE_RATE / WINDOW)) for level, length in runs]))


def test_a_chunk_is_closed_at_the_longest_pause() -> None:
    samples = seconds((0.9, 9), (0.0, 1.0), (0.9, 5), (0.0, 0.4), (0.9, 10), (0.0, 0.4), (0.9, 10))
    chunks = segment(samples, VadOptions(), window=18.0)
    assert chunks[0].end / SAMPLE_RATE == pytest.approx(9.4, abs=0.1)


def test_no_crumb_is_left_behind() -> None:
    pause = (0.0, 0.4)
    samples = seconds((0.9, 9), pause, (0.9, 9), pause, (0.9, 9.5), pause, (0.9, 1), (0.0, 5))
    chunks = segment(samples, VadOptions(), window=29.0)
    assert [len(chunk.regions) for chunk in chunks] == [2, 2]


def test_of_equally_good_pauses_the_later_is_chosen() -> None:
    regions = [Region(0, 600), Region(700, 1000), Region(1100, 1700)]
    assert choose_cut(regions, 1200, lambda low, high: np.zeros(high - low, np.float32)).regions == 2


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    samples = seconds((0.9, 13), (0.55, 0.3), (0.9, 12))
    first, second = segment(samples, VadOptions(), window=15.0)
    assert first.end == second.start
    assert first.end / SAMPLE_RATE == pytest.approx(13.15, abs=0.15)


def test_an_early_pause_is_better_than_a_cut_just_behind_a_late_start() -> None:
    samples = seconds((0.9, 1.0), (0.0, 2.6), (0.9, 1.2), (0.0, 4.0))
    first, second = segment(samples, VadOptions(pad_before=0.0, pad_after=0.0), window=4.0)
    assert [len(first.regions), len(second.regions)] == [1, 1]
    assert first.end / SAMPLE_RATE == pytest.approx(1.0, abs=0.04)


def test_a_chunk_comes_out_as_soon_as_a_long_silence_follows_it() -> None:
    segmenter = Segmenter(VadOptions(max_gap=2.0), 30.0, detector=Loudness())
    assert segmenter.push(seconds((0.9, 1.0), (0.0, 2.0))) == []
    (chunk,) = segmenter.push(seconds((0.0, 0.2)))
    assert chunk.end / SAMPLE_RATE == pytest.approx(1.4, abs=0.04)


def test_memory_is_bounded_by_the_window() -> None:
    segmenter = Segmenter(VadOptions(), 4.0, detector=Loudness())
    held = 0
    for level in (0.9, 0.0, 0.4):
        for _ in range(60):
            segmenter.push(seconds((level, 1.0)))
            blocks = segmenter._buffer._blocks
            held = max(held, sum(len(block) for block in blocks))
    assert held <= (4.0 * 1.5 + 3.0 + 2.0) * SAMPLE_RATE


def test_flush_gives_what_was_said_and_nothing_twice() -> None:
    segmenter = Segmenter(VadOptions(), 30.0, detector=Loudness())
    samples = seconds((0.9, 2.0), (0.0, 0.6), (0.9, 1.0), (0.0, 1.0))
    half = 3 * SAMPLE_RATE  # in the middle of the second stretch
    chunks = segmenter.push(samples[: round(2.5 * SAMPLE_RATE)])
    assert segmenter.quiet
    chunks += segmenter.flush()
    assert chunks[0].end / SAMPLE_RATE == pytest.approx(2.4, abs=0.04)
    chunks += segmenter.push(samples[round(2.5 * SAMPLE_RATE) : half])
    assert not segmenter.quiet
    assert segmenter.flush() == []  # no word is cut
    chunks += segmenter.push(samples[half:]) + segmenter.finish()
    assert len(chunks) == 2
    regions = [region for chunk in chunks for region in chunk.regions]
    assert all(left.end <= right.start for left, right in pairwise(regions))
    assert sum(r.end - r.start for r in regions) / SAMPLE_RATE == pytest.approx(3.0 + 4 * 0.2, abs=0.3)


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.0},
        {"threshold": 1.5},
        {"end_threshold": 0.9},
        {"min_silence": -1.0},
        {"max_chunk": 0.5},
    ],
)
def test_senseless_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Segmenter(VadOptions(**options), 30.0)


def region(low: float, high: float) -> Region:
    """A region in seconds."""
    return Region(round(low * SAMPLE_RATE), round(high * SAMPLE_RATE))


@pytest.mark.parametrize(
    ("spans", "quiet", "expected", "read"),
    [
        # The pause that leaves the most on its lesser side, and is the longest; more than 1 s of pause is no better.
        ([(0, 3), (4, 6), (6.5, 9), (9.2, 14)], None, (2, None), None),
        ([(0, 4), (5, 9), (9.9, 14)], None, (1, None), None),
        ([(0, 4), (6, 8), (9, 14)], None, (2, None), None),
        # Not before four tenths of the limit, nor so early that the rest would have to be cut again.
        ([(0, 4), (6, 14)], None, (1, None), None),
        ([(0, 3.9), (6, 14)], None, (2, 9.92), (6, 10)),
        ([(0, 4.5), (6, 15)], None, (2, 9.92), (6, 10)),
        ([(0, 5), (6, 15)], None, (1, None), None),
        # Without a pause, at the quietest point; a quarter of the limit is left behind it.
        ([(0, 20)], None, (1, 9.92), (5, 10)),
        ([(0, 20)], 8, (1, 8), (5, 10)),
        ([(0, 11)], 8, (1, 8), (4, 8.5)),
        ([(0, 11)], None, (1, 8.42), (4, 8.5)),
        # A region that begins shortly before the limit stays whole.
        ([(0, 1), (8.9, 12)], None, (1, None), None),
        ([(0, 1), (8, 12)], None, (2, 9.42), (8, 9.5)),
        ([(0, 1), (8.5, 12)], None, (2, 9.42), (8.5, 9.5)),
        ([(0, 1), (2, 3), (9.1, 12.6)], None, (2, None), None),
    ],
)
def test_where_a_run_longer_than_ten_seconds_is_cut(
    spans: list[tuple[float, float]],
    quiet: int | None,
    expected: tuple[int, float | None],
    read: tuple[float, float] | None,
) -> None:
    asked = []

    def samples(low: int, high: int) -> np.ndarray:
        asked.append(((low / SAMPLE_RATE) - 100, (high / SAMPLE_RATE) - 100))
        found = np.ones(high - low, np.float32)
        if quiet is not None:
            at = round((100 + quiet) * SAMPLE_RATE) - low
            found[at - 1280 : at + 1280] = 0
        return found

    cut = choose_cut([region(100 + low, 100 + high) for low, high in spans], 10 * SAMPLE_RATE, samples)
    regions, inside = expected
    assert (cut.regions, cut.inside) == (regions, inside and round((100 + inside) * SAMPLE_RATE))
    assert asked == ([pytest.approx(read)] if read else [])


def test_a_region_is_cut_if_a_quarter_of_the_limit_fits_before_the_cut() -> None:
    for start, regions in ((37502, 2), (37503, 1)):
        run = [Region(0, 1000), Region(start, 70000)]
        assert choose_cut(run, 50002, lambda low, high: np.ones(high - low, np.float32)).regions == regions


def test_a_cut_is_sought_in_the_last_ten_seconds() -> None:
    asked = []

    def ones(low: int, high: int) -> np.ndarray:
        asked.append((low, high))
        return np.ones(high - low, np.float32)

    cut = choose_cut([region(0, 45)], 30 * SAMPLE_RATE, ones)
    assert asked == [(20 * SAMPLE_RATE, 30 * SAMPLE_RATE)]
    assert cut.inside == 30 * SAMPLE_RATE - 1280


@pytest.mark.parametrize("decibels", [-50, -80])
def test_the_quietest_point_of_a_quiet_recording(decibels: int) -> None:
    """All of it was below the level of silence: it was cut anywhere."""
    sound = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE).astype(np.float32)
    sound[8000 : 8000 + 2560] *= 0.01
    assert quietest(sound * np.float32(10 ** (decibels / 20))) == 8000 + 1280


def test_the_quietest_point_is_the_middle_of_160_ms_and_the_latest_of_equals() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE).astype(np.float32)
    noise[8000 : 8000 + 2560] = 0
    assert quietest(noise) == 8000 + 1280
    assert quietest(noise[:2559]) == 2559
    assert quietest(noise[:2560]) == quietest(noise[:2561]) == 1280
    assert quietest(np.ones(SAMPLE_RATE, np.float32)) == 42 * 320 + 1280
    faint = np.ones(SAMPLE_RATE, np.float32)
    faint[320 : 320 + 2560] = 0.5
    faint[9600 : 9600 + 2560] = -0.4  # power counts, not the mean
    assert quietest(faint) == 9600 + 1280


@pytest.mark.parametrize(
    ("spans", "parts"),
    [
        ([(1, 3), (3.5, 5)], [[(1, 3)], [(3.5, 5)]]),
        # Half a chunk before the pause is better than a longer pause early on.
        ([(1, 1.8), (2.2, 3.8), (4.1, 7)], [[(1, 1.8), (2.2, 3.8)], [(4.1, 7)]]),
        ([(1, 2.5), (4.5, 5.0), (5.1, 7)], [[(1, 2.5)], [(4.5, 5.0), (5.1, 7)]]),
        # No part is shorter than 0.6 s, nor than a fifth of the chunk.
        ([(1, 1.6), (1.7, 2.3)], [[(1, 1.6)], [(1.7, 2.3)]]),
        ([(1, 1.59), (1.7, 2.3)], []),
        ([(1, 2.9), (3.3, 11)], [[(1, 2.9), (3.3, 6.0)], [(6.0, 11)]]),
        ([(1, 3), (3.3, 11)], [[(1, 3)], [(3.3, 11)]]),
        # Without a pause at the quietest point of the middle; if it lies in a pause, all of that is left out.
        ([(1, 11)], [[(1, 6.0)], [(6.0, 11)]]),
        ([(1, 2.2)], []),
        ([(1, 2.35)], []),
        ([(1, 2.36)], [[(1, 1.68)], [(1.68, 2.36)]]),
    ],
)
def test_a_chunk_is_divided_at_its_best_pause(
    spans: list[tuple[float, float]], parts: list[list[tuple[float, float]]]
) -> None:
    regions = tuple(region(*span) for span in spans)
    samples = np.random.default_rng(0).normal(0, 0.1, regions[-1].end - regions[0].start).astype(np.float32)
    if spans[-1][1] == 11:
        samples[5 * SAMPLE_RATE - 1280 : 5 * SAMPLE_RATE + 1280] = 0
    clock = np.arange(len(samples) // LEVEL_HOP, dtype=np.float32)
    whole = Chunk(regions[0].start, samples, regions, Chunk.measure(samples), clock, 7.0)
    found = divide(whole)
    assert [[(r.start / SAMPLE_RATE, r.end / SAMPLE_RATE) for r in part.regions] for part in found] == [
        [pytest.approx(span, abs=0.001) for span in part] for part in parts
    ]
    for part in found:
        first = part.start - whole.start
        np.testing.assert_array_equal(part.samples, samples[first : first + part.end - part.start])
        np.testing.assert_array_equal(part.levels, Chunk.measure(part.samples))
        np.testing.assert_array_equal(part.speech, clock[first // LEVEL_HOP :][: len(part.levels)])
        assert part.gain == 7.0


def test_the_levels_of_a_chunk_are_its_loudness_in_decibels() -> None:
    samples = np.concatenate([np.full(160, 1.0), np.full(160, -0.1), np.zeros(160), np.ones(159)]).astype(np.float32)
    np.testing.assert_allclose(Chunk.measure(samples), [0, -20, -100], atol=1e-4)


def test_a_chunk_without_samples_keeps_all_but_them() -> None:
    chunk = Chunk(7, np.ones(320, np.float32), (Region(7, 327),), np.zeros(2, np.float32), np.ones(2, np.float32), 3.0)
    without = chunk.without_samples()
    assert (len(without.samples), without.samples.dtype, without.samples.base) == (0, np.float32, None)
    assert (without.start, without.end, without.regions, without.gain) == (7, 327, chunk.regions, 3.0)
    assert without.levels is chunk.levels
    assert without.speech is chunk.speech
    assert without.spans is chunk.spans
    assert without.spoken is chunk.spoken


def live(segmenter: Segmenter, samples: np.ndarray) -> list[tuple[float, float, float]]:
    """Chunks of a live stream in seconds: start, end, and how much of the stream had been heard."""
    segmenter.set_live(True)
    found = []
    for at in range(0, len(samples), WINDOW):
        chunks = segmenter.push(samples[at : at + WINDOW])
        found += [(c.start / SAMPLE_RATE, c.end / SAMPLE_RATE, (at + WINDOW) / SAMPLE_RATE) for c in chunks]
    return found


@pytest.mark.parametrize(
    ("speech", "pause", "ends_after"),
    [(1.0, 0.9, None), (1.0, 2.0, 1.0), (2.4, 0.9, None), (3.0, 0.55, None), (3.0, 1.0, 0.6)],
)
def test_a_live_chunk_ends_soon_after_the_speech(speech: float, pause: float, ends_after: float | None) -> None:
    options = VadOptions(pad_before=0.0, pad_after=0.0, min_silence=0.1)
    found = live(Segmenter(options, 30.0, detector=Loudness()), seconds((0.9, speech), (0.0, pause)))
    if ends_after is None:
        assert found == []
    else:
        ((start, end, heard),) = found
        assert (start, end) == (0, pytest.approx(speech, abs=0.03))
        assert heard - end == pytest.approx(ends_after, abs=0.04)


def test_live_chunks_are_at_most_twelve_seconds() -> None:
    options = VadOptions(pad_before=0.0, pad_after=0.0)
    sinking = seconds((0.9, 50.0)) * np.linspace(1, 0.9, round(50 * SAMPLE_RATE / WINDOW) * WINDOW, dtype=np.float32)
    found = live(Segmenter(options, 30.0, detector=Loudness()), sinking)
    assert found[0] == (0, pytest.approx(10.12, abs=0.02), pytest.approx(13.2, abs=0.04))
    recorded = segment(sinking, options, 30.0)
    assert recorded[0].end / SAMPLE_RATE == pytest.approx(29.92, abs=0.02)


def test_no_later_chunk_begins_before_the_clear_sample() -> None:
    segmenter = Segmenter(VadOptions(pad_before=0.5, level=False), 30.0, detector=Loudness())
    samples = seconds((0.0, 2.0), (0.9, 1.0), (0.0, 1.0), (0.9, 1.0), (0.0, 4.0), (0.9, 1.0))
    clear: list[int] = []
    starts: list[tuple[int, int]] = []
    for at in range(0, len(samples), WINDOW):
        starts += [(chunk.start, len(clear)) for chunk in segmenter.push(samples[at : at + WINDOW])]
        clear.append(segmenter.clear)
    starts += [(chunk.start, len(clear)) for chunk in segmenter.finish()]
    assert clear == sorted(clear)
    assert len(starts) == 2
    assert all(at >= max(clear[:count]) for at, count in starts)
    # In silence it follows the stream, in speech it waits at the onset, less the padding.
    half = SAMPLE_RATE // 2
    assert clear[30] == 31 * WINDOW - half
    assert clear[70] == starts[0][0] == pytest.approx(2.0 * SAMPLE_RATE - half, abs=WINDOW)


def test_probabilities_lie_where_they_were_heard() -> None:
    levels = [0.0] * 40 + [0.9] * 40 + [0.6] * 40 + [0.0] * 130
    (chunk,) = segment(stream(levels), VadOptions(pad_before=0.1, pad_after=0.2, level=False), 30.0)
    assert len(chunk.speech) == len(chunk.samples) // LEVEL_HOP
    middles = chunk.start + np.arange(len(chunk.speech)) * LEVEL_HOP + LEVEL_HOP // 2
    np.testing.assert_allclose(chunk.speech, np.array(levels)[middles // WINDOW], atol=1e-3)
    assert chunk.start == 40 * WINDOW - 1600
    assert chunk.end == 120 * WINDOW + 3200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0.0}, "threshold of 0.0 is not a probability"),
        ({"threshold": 1.0}, "threshold of 1.0 is not a probability"),
        ({"end_threshold": 0.51}, "between 0 and its threshold"),
        ({"end_threshold": -0.01}, "between 0 and its threshold"),
        ({"min_speech": -0.1}, "min-speech cannot be negative"),
        ({"min_silence": -0.1}, "min-silence cannot be negative"),
        ({"pad_before": -0.1}, "pad-before cannot be negative"),
        ({"pad_after": -0.1}, "pad-after cannot be negative"),
        ({"max_gap": -0.1}, "max-gap cannot be negative"),
        ({"max_chunk": 1.9}, "1.9 s are too short"),
    ],
)
def test_a_refused_option_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Segmenter(VadOptions(**options), 30.0, detector=Loudness())
    if "threshold" in options:
        assert caught.value.hint == "Choose one between 0 and 1."


def test_options_at_their_limits_are_accepted() -> None:
    edge = VadOptions(end_threshold=0.5, min_speech=0, min_silence=0, pad_before=0, pad_after=0, max_gap=0, max_chunk=2)
    assert len(segment(seconds((0.9, 1.0), (0.0, 1.0)), edge, 30.0)) == 1
    Segmenter(VadOptions(end_threshold=0.0), 30.0, detector=Loudness())


@pytest.mark.parametrize(
    ("options", "runs", "stretches"),
    [
        # A stretch: first window, window behind the last, windows heard when it was known to have ended.
        ({}, [(0, 3), (0.5, 4), (0, 2), (0.5, 1)], [(3, 7, 8), (9, 10, None)]),
        ({"min_silence": 0.2}, [(0, 3), (0.5, 4), (0, 2), (0.5, 1)], [(3, 7, 9), (9, 10, None)]),
        ({"min_silence": 0.3}, [(0, 3), (0.5, 4), (0, 2), (0.5, 1)], [(3, 10, None)]),
        # It goes on above the end threshold: 0.15 below the other and at least 0.01 where none is given.
        ({}, [(0.49, 3), (0.5, 1), (0.35, 3), (0.34, 1), (0.49, 2)], [(3, 7, 8)]),
        ({"end_threshold": 0.3}, [(0.5, 1), (0.3, 2), (0.2, 1), (0.5, 1)], [(0, 3, 4), (4, 5, None)]),
        ({"threshold": 0.1}, [(0.1, 1), (0.009, 1), (0.1, 1), (0.01, 3)], [(0, 1, 2), (2, 6, None)]),
        # One that is too short never was; a pause within it counts, one behind it does not.
        ({"min_speech": 0.3}, [(0.5, 2), (0, 2), (0.5, 3), (0, 1)], [(4, 7, 8)]),
        ({"min_speech": 0.31}, [(0.5, 3), (0, 1)], []),
        ({"min_speech": 0.4, "min_silence": 0.3}, [(0.5, 1), (0, 2), (0.5, 1), (0, 5)], [(0, 4, 7)]),
        ({"min_speech": 0.4, "min_silence": 0.3}, [(0.5, 2), (0, 2), (0.5, 1), (0, 2)], [(0, 5, None)]),
    ],
)
def test_stretches_of_windows_of_a_tenth_of_a_second(
    options: dict[str, Any], runs: list[tuple[float, int]], stretches: list[tuple[int, int, int | None]]
) -> None:
    tracker = HysteresisTracker(VadOptions(**{"min_speech": 0.0, "min_silence": 0.1, **options}), 1600)
    found = []
    for count, probability in enumerate(unroll(runs), 1):
        if stretch := tracker.step(probability):
            found.append((stretch.start / 1600, stretch.end / 1600, count))
        assert tracker.now == count * 1600
    if stretch := tracker.close():
        found.append((stretch.start / 1600, stretch.end / 1600, None))
    assert found == stretches
    assert tracker.onset is None
    assert tracker.stretch is None
    assert tracker.quiet


def test_padding_ends_where_a_stretch_begins_that_may_prove_too_short() -> None:
    options = VadOptions(min_speech=0.5, min_silence=0.1, pad_after=1.0, level=False)
    segmenter = Segmenter(options, 30.0, detector=Loudness())
    assert segmenter.push(stream([0.9] * 40 + [0.0] * 10 + [0.9] * 5)) == []
    (chunk,) = segmenter.flush()
    assert (chunk.start, chunk.end) == (0, 50 * WINDOW)


def test_speech_that_just_fits_is_one_chunk() -> None:
    options = VadOptions(pad_before=0.0, pad_after=0.0)
    for windows, chunks in ((64, 1), (65, 2)):
        assert len(segment(stream([0.9] * windows), options, 64 * WINDOW / SAMPLE_RATE)) == chunks


@pytest.mark.slow
@settings(max_examples=30)
@given(
    runs=st.lists(st.tuples(st.sampled_from([0.0, 0.9]), st.integers(4, 200)), min_size=1, max_size=12),
    delays=st.lists(st.integers(-1, 40), min_size=1, max_size=8),
)
def test_accepted_proposals_lose_and_repeat_nothing(runs: list[tuple[float, int]], delays: list[int]) -> None:
    """Each is accepted some windows later, or never (-1)."""
    options, samples = VadOptions(pad_before=0.0, pad_after=0.0, level=False), stream(unroll(runs))

    def chunks(*, accepting: bool) -> list[Chunk]:
        segmenter = Segmenter(options, 12.0, detector=Loudness())
        segmenter.set_live(True)
        found: list[Chunk] = []
        due: tuple[Chunk, int] | None = None
        proposals = 0
        for at in range(0, len(samples), WINDOW):
            found += segmenter.push(samples[at : at + WINDOW])
            proposed = segmenter.proposal() if accepting and due is None else None
            if proposed is not None:
                due, proposals = (proposed, delays[proposals % len(delays)]), proposals + 1
            if due is not None:
                chunk, left = due
                if left == 0 and segmenter.accept(chunk):
                    found.append(chunk)
                due = (chunk, left - 1) if left > 0 else None
        return found + segmenter.finish()

    def covered(found: list[Chunk]) -> np.ndarray:
        speech = np.zeros(len(samples), int)
        for chunk in found:
            np.testing.assert_array_equal(chunk.samples, samples[chunk.start : chunk.end])
            for region in chunk.regions:
                speech[region.start : region.end] += 1
        return speech

    found = chunks(accepting=True)
    assert all(one.end <= two.start for one, two in pairwise(found))
    np.testing.assert_array_equal(covered(found), covered(chunks(accepting=False)))


def test_a_pause_is_proposed_once_and_speech_is_not() -> None:
    segmenter = Segmenter(VadOptions(pad_before=0.0, pad_after=0.0), 30.0, detector=Loudness())
    assert segmenter.proposal() is None
    segmenter.push(stream([0.9] * 20 + [0.0] * 12))
    proposed = segmenter.proposal()
    assert proposed is not None
    assert (proposed.start, proposed.end) == (0, 20 * WINDOW)
    assert segmenter.proposal() is None
    segmenter.push(stream([0.9] * 20))
    assert segmenter.proposal() is None
    segmenter.push(stream([0.0] * 12))
    proposed = segmenter.proposal()
    assert proposed is not None
    assert (proposed.start, proposed.end) == (0, 52 * WINDOW)
    assert segmenter.proposal() is None
    # Speech that has not been proposed, as no pause was asked about before it goes on.
    segmenter.push(stream([0.9] * 20 + [0.0] * 12 + [0.9] * 20))
    assert segmenter.proposal() is None


def test_speech_is_proposed_wherever_it_lies_in_the_stream() -> None:
    segmenter = Segmenter(VadOptions(pad_before=0.0, pad_after=0.0), 3.0, detector=Loudness())
    segmenter.push(stream([0.0] * 100 + [0.9] * 20 + [0.0] * 12))
    proposed = segmenter.proposal()
    assert proposed is not None
    assert (proposed.start, proposed.end) == (100 * WINDOW, 120 * WINDOW)


def test_speech_too_long_for_a_chunk_is_not_proposed() -> None:
    segmenter = Segmenter(VadOptions(pad_before=0.0, pad_after=0.0), 3.0, detector=Loudness())
    assert segmenter.push(seconds((0.9, 1.4), (0.0, 0.4), (0.9, 1.4), (0.0, 0.4))) == []
    assert segmenter.proposal() is None, "3.2 s"


def test_padding_behind_an_accepted_proposal_is_shared_with_what_follows() -> None:
    options = VadOptions(min_speech=0.0, min_silence=2 * WINDOW / SAMPLE_RATE, level=False)
    segmenter = Segmenter(options, 30.0, detector=Loudness())
    segmenter.push(stream([0.9] * 20 + [0.0] * 20 + [0.9] * 20 + [0.0] * 2))
    proposed = segmenter.proposal()
    assert proposed is not None
    assert segmenter.accept(proposed)
    chunks = segmenter.push(stream([0.0] * 4 + [0.9] * 20)) + segmenter.finish()
    assert [chunk.start for chunk in chunks] == [64 * WINDOW], "0.4 of 0.6 s of the pause of 6 windows"


def test_a_full_chunk_is_closed_in_a_pause_after_many_others() -> None:
    segmenter = Segmenter(VadOptions(), 3.0, detector=Loudness())
    runs = [(0.9, 1.0), (0.0, 0.4)]
    assert segmenter.push(seconds(*runs * 3)) == []
    assert len(segmenter.push(seconds(*runs))) == 1


def growing_speech() -> tuple[Segmenter, Chunk]:
    """A live stream of 20 windows of silence and 100 of speech, and the speech so far."""
    options = VadOptions(pad_before=0.0, pad_after=0.0, level=False)
    segmenter = Segmenter(options, 30.0, detector=Loudness())
    segmenter.set_live(True)
    assert segmenter.growing() is None
    assert segmenter.push(stream([0.0] * 20 + [0.9] * 100)) == []
    chunk = segmenter.growing()
    assert chunk is not None
    assert (chunk.start, chunk.end) == (20 * WINDOW, 120 * WINDOW)
    return segmenter, chunk


def test_speech_too_long_for_a_chunk_does_not_grow() -> None:
    segmenter, _ = growing_speech()
    windows = 12 * SAMPLE_RATE // WINDOW - 100
    assert segmenter.push(stream([0.9] * windows)) == []
    assert segmenter.growing() is not None
    assert segmenter.push(stream([0.9])) == []
    assert segmenter.growing() is None


def test_speech_grows_from_two_tenths_of_a_second_on() -> None:
    segmenter = Segmenter(VadOptions(min_speech=0.0, pad_before=0.0), 30.0, detector=Loudness())
    segmenter.push(stream([0.0] * 20 + [0.9] * 6))
    assert segmenter.growing() is None
    segmenter.push(stream([0.9]))
    chunk = segmenter.growing()
    assert chunk is not None
    assert (chunk.start, chunk.end) == (20 * WINDOW, 27 * WINDOW)


def test_a_part_that_is_given_up_to_a_pause_ends_with_its_speech() -> None:
    segmenter = Segmenter(VadOptions(pad_before=0.0, pad_after=0.0), 30.0, detector=Loudness())
    segmenter.push(stream(([0.9] * 20 + [0.0] * 20) * 2))
    proposed = segmenter.proposal()
    assert proposed is not None
    part = segmenter.give(proposed, 30 * WINDOW)
    assert part is not None
    assert (part.start, part.end) == (0, 20 * WINDOW)
    assert [(chunk.start, chunk.end) for chunk in segmenter.finish()] == [(40 * WINDOW, 60 * WINDOW)]


def test_chunks_have_the_level_of_speech_unless_the_model_expects_less() -> None:
    speech = np.tile(np.array([0.1, -0.1], np.float32), SAMPLE_RATE // 2)
    samples = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), speech])
    options = VadOptions(threshold=0.05)
    for segmenter, gain in (
        (Segmenter(options, 30.0, detector=Loudness()), 5.0),
        (Segmenter(options, 30.0, gain_offset=2.0, detector=Loudness()), 3.0),
    ):
        chunks = segmenter.push(samples) + segmenter.finish()
        assert [chunk.gain for chunk in chunks] == [pytest.approx(gain, abs=0.1)]


@pytest.mark.parametrize("pausing", [False, True])
def test_the_first_part_of_growing_speech_is_given_out_once(pausing: bool) -> None:
    segmenter, chunk = growing_speech()
    position = 115 * WINDOW
    resume = position if pausing else None
    part = segmenter.give(chunk, position, resume=resume)
    assert part is not None
    assert (part.start, part.end) == (20 * WINDOW, position)
    assert segmenter.give(chunk, position + 1, resume=resume) is None
    # Less probable than speech begins with, and as probable as it continues with: the stretch goes on.
    found = segmenter.push(stream([0.4] * 40)) + segmenter.finish()
    assert [(region.start, region.end) for each in found for region in each.regions] == [(position, 160 * WINDOW)]


def test_a_short_rest_behind_a_pause_is_no_speech() -> None:
    for pausing in (False, True):
        segmenter, chunk = growing_speech()
        resume = 118 * WINDOW if pausing else None
        assert segmenter.give(chunk, 118 * WINDOW, resume=resume) is not None
        found = segmenter.push(stream([0.0] * 40)) + segmenter.finish()
        rest = [(region.start, region.end) for each in found for region in each.regions]
        assert rest == ([] if pausing else [(118 * WINDOW, 120 * WINDOW)])


def test_silence_between_a_cut_and_where_speech_resumes_is_in_no_chunk() -> None:
    segmenter, chunk = growing_speech()
    part = segmenter.give(chunk, 100 * WINDOW, resume=115 * WINDOW)
    assert part is not None
    assert part.end == 100 * WINDOW
    found = segmenter.push(stream([0.9] * 20)) + segmenter.finish()
    assert [(region.start, region.end) for each in found for region in each.regions] == [(115 * WINDOW, 140 * WINDOW)]
