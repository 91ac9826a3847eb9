from __future__ import annotations

import math
import resource
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.random
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asrcli.speakers.clustering import ClusterLimits, _is_mixture, _Rows, _stricter, find_voices
from asrcli.speakers.types import same_direction

LIMITS = ClusterLimits(threshold=0.49, join=0.3)


def limits(least: int = 1, most: int | None = None) -> ClusterLimits:
    return ClusterLimits(LIMITS.threshold, LIMITS.join, least, most)


def spoken(
    rng: np.random.Generator, count: int, *, voices: int = 4, dimensions: int = 64, spread: float = 0.6
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings scattered around so many voices, in turn."""
    centres = same_direction(rng.standard_normal((voices, dimensions)))
    who = np.arange(count) % voices
    noise = rng.standard_normal((count, dimensions)) / np.sqrt(dimensions)
    return centres, same_direction(centres[who] + spread * noise).astype(np.float32)


def named(voices: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Which centre each voice is."""
    return (voices @ centres.T).argmax(axis=1)


@pytest.mark.parametrize("count", [4, 40, 1000])
def test_voices_apart_are_found(count: int) -> None:
    centres, embeddings = spoken(np.random.default_rng(0), count)
    voices = find_voices(embeddings, np.full(count, 5.0), LIMITS)
    assert sorted(named(voices, centres)) == [0, 1, 2, 3]
    assert np.allclose(np.linalg.norm(voices, axis=1), 1.0, atol=1e-5)


def most_memory() -> Any:
    """The most that this process has held, bytes.

    Not ru_maxrss on Linux: it also counts what the process was before its exec, which between vfork and exec is its
    parent, here pytest with all it has loaded.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


TWELVE_HOURS = """
import numpy as np
from tests.speakers.test_clustering import LIMITS, find_voices, most_memory, named, spoken

centres, embeddings = spoken(np.random.default_rng(1), 12 * 3600 // 3, voices=6, dimensions=256)
voices = find_voices(embeddings, np.full(len(embeddings), 3.0), LIMITS)
print(sorted(named(voices, centres).tolist()), most_memory() >> 20)
"""


@pytest.mark.slow
def test_twelve_hours_cost_little_memory_and_one_voice_stays_one() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", TWELVE_HOURS], cwd=root, capture_output=True, text=True, check=True)
    found, _, megabytes = done.stdout.strip().rpartition(" ")
    assert found == "[0, 1, 2, 3, 4, 5]"
    assert int(megabytes) < 500


def test_blocks_and_the_whole_agree() -> None:
    centres, embeddings = spoken(np.random.default_rng(2), 2400, spread=0.7)
    in_blocks = find_voices(embeddings, np.ones(2400), LIMITS)
    at_once = find_voices(embeddings[:1200], np.ones(1200), LIMITS)
    assert len(in_blocks) == len(at_once) == len(centres)
    assert (in_blocks @ at_once.T).max(axis=1).min() > 0.99


def test_the_number_asked_for_is_kept() -> None:
    _, embeddings = spoken(np.random.default_rng(3), 60)
    seconds = np.full(60, 5.0)
    assert len(find_voices(embeddings, seconds, limits(2, 2))) == 2
    assert len(find_voices(embeddings, seconds, limits(most=3))) == 3
    assert len(find_voices(embeddings, seconds, limits(2, 6))) == 4


def test_two_that_are_asked_for_are_two_however_alike_and_three_are_not() -> None:
    """Cosine distance 0.1, where groups up to 0.45 are one voice."""
    embeddings = np.array([[1.0, 0.0], [0.9, np.sqrt(1 - 0.9**2)]], np.float32)
    assert len(find_voices(embeddings, [5.0, 5.0], limits(2, 2))) == 2
    (voice,) = find_voices(embeddings, [5.0, 5.0], limits(3, 3))
    assert voice.dtype == np.float32


def test_a_voice_is_not_mixed_with_a_spurious_group_where_enough_are_found() -> None:
    """The cough is far from both voices, and a little less far from the second."""
    one, other, cough = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.45, math.sqrt(1 - 0.45**2)]
    embeddings = np.array([*[one] * 10, *[other] * 9, cough], np.float32)
    voices = find_voices(embeddings, [*[3.0] * 19, 1.0], limits(2, 2))
    np.testing.assert_allclose(voices, [one, other], atol=1e-6)


def test_one_voice_is_the_mean_of_all_its_embeddings() -> None:
    embeddings = np.array([[1.0, 0.0], [0.8, 0.6]], np.float32)
    np.testing.assert_allclose(
        find_voices(embeddings, [2.0, 2.0], LIMITS), same_direction(embeddings.mean(axis=0, keepdims=True)), atol=1e-6
    )


def test_a_spurious_group_takes_no_voice_s_place() -> None:
    rng = np.random.default_rng(4)
    centres, embeddings = spoken(rng, 61, voices=3)
    spurious = same_direction(rng.standard_normal((1, 64))).astype(np.float32)
    embeddings = np.concatenate([embeddings, spurious])
    seconds = np.append(np.full(61, 5.0), 0.5)
    for wanted in (LIMITS, limits(3, 3)):
        assert sorted(named(find_voices(embeddings, seconds, wanted), centres)) == [0, 1, 2]
    longer = np.append(np.full(61, 5.0), 5.0)
    assert len(find_voices(embeddings, longer, LIMITS)) == 4


def test_groups_that_are_near_are_one_voice() -> None:
    """One voice in two moods: the mean distance is above the threshold, that of the voices is small."""
    rng = np.random.default_rng(5)
    voice, *moods = same_direction(rng.standard_normal((3, 64)))
    noise = rng.standard_normal((2, 100, 64)) * 0.6 / 8
    embeddings = same_direction(np.concatenate([voice + 0.5 * mood + n for mood, n in zip(moods, noise, strict=True)]))
    heard = embeddings.astype(np.float32), np.full(200, 3.0)
    assert len(find_voices(*heard, ClusterLimits(0.3, 0.1))) == 2
    assert len(find_voices(*heard, ClusterLimits(0.3, 0.3))) == 1


def test_a_voice_of_few_pieces_is_not_divided() -> None:
    """The noise of a short piece is large: pieces of one voice are 0.6 apart, of two 0.95, as in real recordings."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        common = rng.standard_normal((1, 256))
        who = np.arange(15) % 3
        centres = same_direction(same_direction(rng.standard_normal((3, 256))) + 0.2 * same_direction(common))
        # In two moods: what is said within a few seconds is more alike.
        moods = same_direction(rng.standard_normal((6, 256)))[who + 3 * (np.arange(15) >= 8)]
        noise = same_direction(rng.standard_normal((15, 256)))
        embeddings = same_direction(centres[who] + 0.6 * moods + noise).astype(np.float32)
        voices = find_voices(embeddings, np.full(15, 2.0), ClusterLimits(0.62, 0.5))
        assert len(voices) == 3, seed


@pytest.mark.parametrize(
    ("count", "speakers", "expected"), [(6, (0, 1), 2), (6, (0, 0), 1), (6, None, 1), (8, None, 2), (40, None, 2)]
)
def test_segmentation_and_many_pieces_keep_voices_apart(
    count: int, speakers: tuple[int, int] | None, expected: int
) -> None:
    """Two voices of a telephone call, which are alike: in each window, segmentation has two speakers, or one."""
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        call, *voices = same_direction(rng.standard_normal((3, 256)))
        noise = same_direction(rng.standard_normal((count, 256)))
        who = np.arange(count) % 2
        embeddings = same_direction(np.array(voices)[who] + 1.1 * call + 0.6 * noise).astype(np.float32)
        tracks = None if speakers is None else np.stack([np.arange(count) // 2, np.array(speakers)[who]], axis=1)
        found = find_voices(embeddings, np.full(count, 2.0), ClusterLimits(0.4, 0.5), tracks)
        assert len(found) == expected, seed


def rows(*weights: tuple[float, ...]) -> _Rows:
    """Groups of embeddings of such weights, all of one direction."""
    sums = [np.array([sum(weight**power for weight in group) for group in weights]) for power in (1, 2)]
    return _Rows(np.tile([1.0, 0.0], (len(weights), 1)), sums[0], sums[0], sums[1])


def test_a_group_counts_for_as_many_embeddings_of_equal_weight() -> None:
    assert rows((2.0,), (2.0,) * 5, (1.0, 3.0), (3.0, 0.1)).counts == pytest.approx([1, 5, 1.6, 9.61 / 9.01])
    parts = rows((1.0,), (3.0,), (2.0, 2.0))
    assert parts.merged(np.array([0, 0, 1])).counts == pytest.approx([1.6, 2])
    assert parts.merged(np.zeros(3, np.intp)).counts == pytest.approx([64 / 18])


def test_which_groups_have_a_stricter_threshold() -> None:
    """Shares of it: from three to four pieces a growing one, up to a quarter; 0.3 for groups that are taken apart; the
    larger of the two.
    """
    groups = rows((1.0,) * 3, (3.0, 3.0, 3.0, 1.0), (1.0,) * 4, (1.0,) * 9)
    some = 0.25 * (100 / 28 - 3)
    apart = np.zeros((4, 4), bool)
    expected = [[0, 0, 0, 0], [0, some, some, some], [0, some, 0.25, 0.25], [0, some, 0.25, 0.25]]
    assert _stricter(groups, apart) == pytest.approx(np.array(expected))
    apart[0, 1] = apart[1, 0] = apart[1, 2] = apart[2, 1] = apart[2, 3] = apart[3, 2] = True
    expected = [[0, 0.3, 0, 0], [0.3, some, 0.3, some], [0, 0.3, 0.25, 0.3], [0, some, 0.3, 0.25]]
    assert _stricter(groups, apart) == pytest.approx(np.array(expected))


@pytest.mark.parametrize("wanted", [LIMITS, limits(4, 4)])
def test_two_voices_at_once_are_no_third(wanted: ClusterLimits) -> None:
    """What segmentation took for one voice lies between two; a voice that speaks little, but alone, is a voice."""
    rng = np.random.default_rng(6)
    centres, embeddings = spoken(rng, 1000, voices=3)
    mixed = same_direction(centres[0] + centres[1] + 0.02 * rng.standard_normal((6, 64)))
    guest = same_direction(rng.standard_normal(64))
    rare = same_direction(guest + 0.02 * rng.standard_normal((6, 64)))
    everything = np.concatenate([embeddings, mixed, rare]).astype(np.float32)
    voices = find_voices(everything, np.full(len(everything), 3.0), wanted)
    assert sorted(named(voices, np.vstack([centres, guest]))) == [0, 1, 2, 3]


@settings(max_examples=100)
@given(
    seed=st.integers(0, 10_000),
    common=st.floats(-0.6, 3.0),
    off=st.floats(0.0, 1.0),
    parts=st.tuples(*[st.floats(-1, 1)] * 2),
)
def test_a_mixture_is_what_least_squares_calls_one(
    seed: int, common: float, off: float, parts: tuple[float, float]
) -> None:
    """Voices of one recording are alike: the directions of a plane are seldom at right angles."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(16)
    voices = same_direction(rng.standard_normal((3, 16)) + common * shared).astype(float)
    vector = parts[0] * voices[0] + parts[1] * voices[1] + off * same_direction(rng.standard_normal(16))
    assume(np.linalg.norm(vector) > 0.01)
    vector /= np.linalg.norm(vector)
    expected, margins = False, []
    for one, other in combinations(voices, 2):
        plane = np.stack([one, other], axis=1)
        weights = np.linalg.lstsq(plane, vector, rcond=None)[0]
        likeness, least = np.linalg.norm(plane @ weights), weights.min()
        margins += [abs(likeness - 0.9), abs(least - 0.3)]
        expected |= bool(likeness >= 0.9 and least >= 0.3)
    assume(min(margins) > 1e-3)
    assert _is_mixture(voices @ vector, voices @ voices.T) == expected


def test_one_embedding_is_one_voice() -> None:
    one = same_direction(np.ones((1, 8))).astype(np.float32)
    assert np.allclose(find_voices(one, [0.5], LIMITS), one)
    assert np.allclose(find_voices(one, [0.5], limits(3, 3)), one)
