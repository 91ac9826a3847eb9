from __future__ import annotations

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

from asrcli.speakers.clustering import ClusterLimits, _is_mixture, find_voices, merge_groups
from asrcli.speakers.types import same_direction

WANTED = ClusterLimits(threshold=0.7)


def spoken(
    rng: numpy.random.Generator, count: int, *, voices: int = 4, dimensions: int = 64, spread: float = 0.6
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings scattered around so many voices: two of them in each window, in turn."""
    centres = same_direction(rng.standard_normal((voices, dimensions)))
    who = np.arange(count) % voices
    noise = rng.standard_normal((count, dimensions)) / np.sqrt(dimensions)
    return centres, who, same_direction(centres[who] + spread * noise), np.arange(count) // 2


def named(voices: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Which centre each voice is."""
    return (voices @ centres.T).argmax(axis=1)


@pytest.mark.parametrize("count", [4, 40, 1000])
def test_voices_apart_are_found(count: int) -> None:
    rng = np.random.default_rng(0)
    centres, _, embeddings, window = spoken(rng, count)
    voices = find_voices(embeddings, np.full(count, 5.0), window, WANTED)
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
from tests.speakers.test_clustering import WANTED, find_voices, most_memory, named, spoken

windows = 12 * 3600 * 2 // 5
centres, _, embeddings, window = spoken(np.random.default_rng(1), 2 * windows, voices=6, dimensions=192)
voices = find_voices(embeddings, np.full(len(embeddings), 4.0), window, WANTED)
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
    rng = np.random.default_rng(2)
    centres, _, embeddings, window = spoken(rng, 2400, spread=0.7)
    in_blocks = find_voices(embeddings, np.ones(2400), window, WANTED)
    at_once = find_voices(embeddings[:1200], np.ones(1200), window[:1200], WANTED)
    assert len(in_blocks) == len(at_once) == len(centres)
    assert (in_blocks @ at_once.T).max(axis=1).min() > 0.99


def test_the_number_asked_for_is_kept() -> None:
    rng = np.random.default_rng(3)
    _, _, embeddings, window = spoken(rng, 60)
    weights = np.full(60, 5.0)
    assert len(find_voices(embeddings, weights, window, ClusterLimits(0.7, least=2, most=2))) == 2
    assert len(find_voices(embeddings, weights, window, ClusterLimits(0.7, least=6, most=6))) == 6
    assert len(find_voices(embeddings, weights, window, ClusterLimits(0.7, most=3))) == 3
    assert len(find_voices(embeddings, weights, window, ClusterLimits(0.7, least=5))) == 5
    assert len(find_voices(embeddings[:2], weights[:2], window[:2], ClusterLimits(0.7, least=5))) == 2


def test_a_spurious_group_takes_no_voice_s_place() -> None:
    rng = np.random.default_rng(4)
    centres, who, embeddings, _ = spoken(rng, 61, voices=3)
    spurious = same_direction(rng.standard_normal((1, 64)))
    embeddings = np.concatenate([embeddings, spurious])
    weights = np.append(np.full(61, 5.0), 0.5)
    window = np.arange(62)
    for wanted in (ClusterLimits(0.7, least_speech=2.0), ClusterLimits(0.7, least=3, most=3, least_speech=2.0)):
        voices = find_voices(embeddings, weights, window, wanted)
        assert sorted(named(voices, centres)) == [0, 1, 2]
    assert len(find_voices(embeddings, weights, window, ClusterLimits(0.7))) == 4
    assert set(who) == {0, 1, 2}


@pytest.mark.parametrize(
    "wanted", [ClusterLimits(0.5, least_speech=2.0), ClusterLimits(0.5, least=4, most=4, least_speech=2.0)]
)
def test_two_voices_at_once_are_no_third(wanted: ClusterLimits) -> None:
    """What segmentation took for one voice lies between two; somebody who says little, but alone, is a voice."""
    rng = np.random.default_rng(6)
    centres, _, embeddings, window = spoken(rng, 1000, voices=3)
    mixed = same_direction(centres[0] + centres[1] + 0.02 * rng.standard_normal((6, 64)))
    guest = same_direction(rng.standard_normal(64))
    rare = same_direction(guest + 0.02 * rng.standard_normal((6, 64)))
    everything = np.concatenate([embeddings, mixed, rare])
    windows = np.concatenate([window, 1000 + np.arange(12)])
    voices = find_voices(everything, np.full(len(everything), 3.0), windows, wanted)
    assert sorted(named(voices, np.vstack([centres, guest]))) == [0, 1, 2, 3]


@settings(deadline=None, max_examples=100)
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


def test_voices_heard_side_by_side_are_two() -> None:
    """Two voices too alike for the threshold, told apart because the same windows hold both."""
    rng = np.random.default_rng(5)
    first = same_direction(rng.standard_normal(64))
    second = same_direction(first + 0.7 * same_direction(rng.standard_normal(64)))
    embeddings = same_direction(np.stack([first, second] * 20) + 0.02 * rng.standard_normal((40, 64)))
    weights = np.full(40, 4.0)
    assert len(find_voices(embeddings, weights, np.arange(40), WANTED)) == 1
    assert len(find_voices(embeddings, weights, np.arange(40) // 2, WANTED)) == 2


def test_merging_keeps_weight_and_mean() -> None:
    rng = np.random.default_rng(6)
    _, _, embeddings, window = spoken(rng, 50)
    weights = rng.uniform(1, 5, 50)
    from asrcli.speakers.clustering import _singles

    groups = merge_groups(_singles(embeddings, weights, window), 0.5)
    assert groups.weights.sum() == pytest.approx(weights.sum())
    assert groups.windows.sum() == 50
    assert np.allclose((groups.means * groups.weights[:, None]).sum(0), (embeddings * weights[:, None]).sum(0))
