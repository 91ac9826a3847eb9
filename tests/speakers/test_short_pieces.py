"""Voices that have short pieces alone, since they pause after every few words."""

from __future__ import annotations

import numpy as np

from asrcli.speakers.clustering import ClusterLimits
from asrcli.speakers.diarizer import Pieces, voices_of
from asrcli.speakers.types import same_direction

LIMITS = ClusterLimits(threshold=0.62, join=0.45)
CENTRES = np.eye(64)[:3]
#: one piece: its window, the local speaker there, whose voice it is, its length in seconds
Row = tuple[int, int, int, float]


def pieces(*rows: Row) -> Pieces:
    random = np.random.default_rng(0)
    windows, speakers, voices, seconds = zip(*sorted(rows), strict=True)
    noise = 0.8 * random.standard_normal((len(rows), 64)) / 8
    vectors = same_direction(CENTRES[list(voices)] + noise).astype(np.float32)
    return Pieces(vectors, np.array(seconds), np.stack([windows, speakers], axis=1))


def long_ones(windows: int) -> list[Row]:
    """Two voices, in turn."""
    return [(window, 0, window % 2, 2.0) for window in range(windows)]


def found(*rows: Row) -> list[int]:
    voices = voices_of(pieces(*rows), LIMITS)
    return sorted((voices @ CENTRES.T).argmax(axis=1).tolist())


def test_a_voice_of_short_pieces_alone_is_found() -> None:
    short = [(window, 1, 2, 0.7) for window in (1, 1, 4, 4, 7, 7)]
    assert found(*long_ones(10), *short) == [0, 1, 2]


def test_voices_that_segmentation_takes_apart_stay_two_beside_a_voice_of_short_pieces() -> None:
    """Two voices of a telephone call, as alike as those of one; the third is of short pieces alone."""
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        call, one, other, third = same_direction(rng.standard_normal((4, 256)))
        noise = same_direction(rng.standard_normal((12, 256)))
        pair, short = np.array([one, other] * 3) + 1.1 * call + 0.6 * noise[:6], third + 0.3 * noise[6:]
        vectors = same_direction(np.concatenate([pair, short])).astype(np.float32)
        tracks = np.array([(at // 2, at % 2) for at in range(6)] + [(at // 2, 2) for at in range(6)])
        order = np.argsort(tracks[:, 0], kind="stable")
        heard = Pieces(vectors[order], np.array([2.0] * 6 + [0.7] * 6)[order], tracks[order])
        assert len(voices_of(heard, ClusterLimits(0.4, 0.5))) == 3, seed


def test_a_few_short_words_are_no_voice() -> None:
    assert found(*long_ones(10), (1, 1, 2, 0.7), (1, 1, 2, 0.7), (4, 1, 2, 0.7)) == [0, 1]


def test_short_pieces_of_known_voices_change_nothing() -> None:
    alike = [(window, 1, (window + 1) % 2, 0.7) for window in (1, 1, 4, 4, 7, 7)]
    mixed = [(window, 2, voice, 0.7) for window in (2, 5, 8) for voice in (0, 1)]
    rows = pieces(*long_ones(10), *alike, *mixed)
    alone = rows.of_rows(rows.tracks[:, 1] == 0)
    np.testing.assert_array_equal(voices_of(rows, LIMITS), voices_of(alone, LIMITS))


def test_short_pieces_beside_a_long_one_of_their_speaker_are_not_joined() -> None:
    """They belong to the speaker of the long one, and the voice is found from it. Nor are those of two voices."""
    together = pieces(
        (0, 0, 0, 2.0),
        (0, 0, 1, 0.7),
        (0, 0, 1, 0.7),
        (1, 0, 1, 0.7),
        (1, 0, 1, 0.4),
        (2, 0, 1, 0.8),
        (3, 0, 1, 0.7),
        (3, 0, 2, 0.7),
    )
    joined = together.together(together.seconds >= 1.0, 0.2)
    assert joined.tracks.tolist() == [[1, 0]]
    np.testing.assert_allclose(joined.seconds, [1.1])
    np.testing.assert_allclose(np.linalg.norm(joined.embeddings, axis=1), 1.0, rtol=1e-6)


def test_short_pieces_are_joined_from_their_mean_likeness_on() -> None:
    """Three of 0.7 s, of which each two have the cosine 0.3."""
    cosines = np.full((3, 3), 0.3) + 0.7 * np.eye(3)
    vectors = np.linalg.cholesky(cosines).astype(np.float32)
    rows = Pieces(vectors, np.full(3, 0.7), np.zeros((3, 2), np.int_))
    assert [len(rows.together(rows.seconds >= 1.0, likeness).seconds) for likeness in (0.29, 0.31)] == [1, 0]
