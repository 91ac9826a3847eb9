"""Token times from attention, on attention that is made up."""

from __future__ import annotations

import numpy as np

from asrcli.backends.moonshine.alignment import token_frames
from asrcli.backends.moonshine.sizes import Head

HEADS = (Head(0, 0, 2), Head(1, 3, -1), Head(2, 5, 0))
FRAMES = 60


def attention(places: list[int], *, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Queries and keys of heads that attend to places, each as late as it is."""
    keys = np.tile(np.eye(FRAMES, dtype=np.float32), (len(HEADS), 1, 1))
    frames = np.arange(FRAMES)
    queries = [
        [-np.abs(frames - place - head.late) / spread * FRAMES**0.5 for head in HEADS]  # the width divides it again
        for place in places
    ]
    return np.array(queries, np.float32), keys


def test_each_token_is_where_its_heads_attend_less_their_lateness() -> None:
    places = [4, 10, 11, 30, 52]
    found = token_frames(*attention(places), HEADS)
    assert found is not None
    assert found.tolist() == places


def test_every_token_is_behind_the_one_before_it() -> None:
    found = token_frames(*attention([4, 10, 9, 30, 29, 52, 52], spread=3.0), HEADS)
    assert found is not None
    assert (np.diff(found) > 0).all()
    assert abs(found - np.array([4, 10, 10, 30, 30, 52, 52])).max() <= 2


def test_heads_that_do_not_agree_place_nothing() -> None:
    chance = np.random.default_rng(1)
    _, keys = attention([])
    queries = chance.normal(0, 30, (12, len(HEADS), FRAMES)).astype(np.float32)
    assert token_frames(queries, keys, HEADS) is None


def test_one_token_at_either_end_of_the_chunk() -> None:
    for place in (0, FRAMES - 1):
        found = token_frames(*attention([place]), HEADS)
        assert found is not None
        assert abs(found[0] - place) <= 2
