"""Which embeddings are one voice: agglomerative clustering with average linkage under cosine distance.

The mean distance of two groups is 1 minus the dot product of their mean vectors, so a group's mean and weight are all
that is needed, and clustering the means of blocks is the same computation as clustering all rows: memory grows with the
block, not with the square of the recording, and a threshold means the same after ten minutes and after twelve hours.

A second step compares the *directions* of the groups' means, in which the noise of the single embedding is averaged
out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asrcli.speakers.types import Vectors, same_direction

#: rows that are clustered at once; more are merged in blocks first
FINAL_ROWS = 1200
BLOCK_ROWS = 400
#: what a block is merged to: no further than this share of the threshold (the rest is decided with a view of the whole
#: recording), and to no more groups than this
BLOCK_SHARE = 0.6
BLOCK_GROUPS = 100
#: groups nearer than this share of the threshold are one voice, even if more voices were asked for (of more than two)
_ONE_VOICE = 0.92
_TWO = 2
#: how many spurious groups may remain beside the voices that were asked for
_SPURIOUS = 8
#: overlapped speech that segmentation took for one voice: a group with no more than this share of all speech, whose
#: mean lies so near (cosine) to the plane of two larger ones, and between them: each has this share in it at least
_MIXED_SHARE, _MIXED_LIKENESS, _MIXED_PART = 0.01, 0.9, 0.3
#: a voice has at least so much speech (seconds; more than one window can hold of an odd moment), or in a short
#: recording this share of all speech; with more than so much speech in all, odd moments come together by chance
_LEAST_SPEECH = 3.0
_LEAST_SHARE = 0.1
_LONG = 1800.0
#: an embedding counts for at most so many seconds: of more than that it is not made
_HEAVIEST = 3.0

_Floats = npt.NDArray[np.float64]
_Labels = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ClusterLimits:
    """How many voices there may be, and how far apart two are.

    Attributes:
        threshold: mean cosine distance (0..2) up to which groups are merged.
        join: cosine distance of their mean directions up to which they are merged.
        least, most: bounds of the number of voices; None: no bound.
    """

    threshold: float
    join: float
    least: int = 1
    most: int | None = None


def find_voices(embeddings: Vectors, seconds: npt.ArrayLike, limits: ClusterLimits) -> Vectors:
    """The voices among embeddings, as mean vectors of length 1, shape (voices, dimensions), most speech first; fewer
    than `limits.least` rather than one voice in two parts. `embeddings` have the shape (n, dimensions), length 1 each,
    in order of time; `seconds` of speech are what each represents.
    """
    spoken = np.asarray(seconds, np.float64)
    rows = _Rows(embeddings.astype(np.float64), np.minimum(spoken, _HEAVIEST), spoken)
    rows = _in_blocks(rows, limits.threshold)
    least_seconds = least_speech(float(spoken.sum()))
    most = len(rows) if limits.most is None else limits.most
    best, found = (-1, 0.0), rows.means[:1]
    for labels in _candidates(rows, limits):
        groups = rows.merged(labels)
        voices = _voices(groups, least_seconds)
        order = np.lexsort((-groups.seconds, ~voices))
        real = max(1, int(voices.sum()))
        # Of groupings with too few voices the most even one of those with most voices is taken.
        rank = (min(real, limits.least) if real <= most else 0, float(groups.seconds[order[1:2]].sum()))
        if rank > best:
            best, found = rank, groups.means[order[: min(max(real, min(limits.least, _TWO)), most)]]
        if limits.least <= real <= most:
            break
    return np.asarray(same_direction(found), dtype=np.float32)


def least_speech(total: float) -> float:
    """Minimum seconds of speech of a voice in a recording with so much speech; one with less is spurious."""
    return min(_LEAST_SPEECH * max(1.0, math.sqrt(total / _LONG)), _LEAST_SHARE * total)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Groups of embeddings, at first of one each.

    Attributes:
        means: weighted mean vectors, shape (groups, dimensions); the more varied a group, the shorter.
        weights: shape (groups,).
        seconds: of speech, shape (groups,).
    """

    means: _Floats
    weights: _Floats
    seconds: _Floats

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, rows: slice) -> _Rows:
        return _Rows(self.means[rows], self.weights[rows], self.seconds[rows])

    def merged(self, labels: _Labels) -> _Rows:
        """One group for each label, numbered from 0."""
        member = labels[None, :] == np.arange(labels.max() + 1)[:, None]
        weights = member @ self.weights
        return _Rows(
            (member * self.weights) @ self.means / weights[:, None], weights, np.asarray(member @ self.seconds)
        )


def _candidates(rows: _Rows, limits: ClusterLimits) -> Iterator[_Labels]:
    """Groupings, the preferred ones first."""
    merges = _linkage(rows)
    apart = int((merges[:, 2] > limits.threshold).sum()) + 1
    yield _join(_cut(merges, len(rows), apart), rows, limits.join)
    target = limits.most if limits.most is not None and apart > limits.most else limits.least
    # Who asks for two speakers has heard two, whatever the embedding makes of them.
    one_voice = limits.threshold * _ONE_VOICE if target > _TWO else 0.0
    finest = max(apart, int((merges[:, 2] > one_voice).sum()) + 1)
    for groups in range(target, min(target + _SPURIOUS, finest) + 1):
        yield _cut(merges, len(rows), groups)


def _voices(groups: _Rows, least_seconds: float) -> npt.NDArray[np.bool_]:
    """Which groups are voices: neither too short nor two voices at once."""
    real = groups.seconds >= least_seconds
    small = real & (groups.seconds <= _MIXED_SHARE * groups.seconds.sum())
    if small.any():
        directions = same_direction(groups.means)
        likeness = directions @ directions.T
        larger = np.flatnonzero(real & ~small)
        for index in np.flatnonzero(small):
            real[index] = not _is_mixture(likeness[index, larger], likeness[np.ix_(larger, larger)])
    return np.asarray(real)


def _is_mixture(to_each: _Floats, among: _Floats) -> bool:
    """Whether a direction is nearly a sum of two others, given the cosines to them and those among them."""
    one, other = np.triu_indices(len(to_each), k=1)
    # The nearest point of each plane, as a sum of its two directions: the normal equations of two unknowns.
    spread = 1.0 - among[one, other] ** 2
    plane = spread > 1e-6
    one, other, spread = one[plane], other[plane], spread[plane]
    first = (to_each[one] - among[one, other] * to_each[other]) / spread
    second = (to_each[other] - among[one, other] * to_each[one]) / spread
    near = first * to_each[one] + second * to_each[other] >= _MIXED_LIKENESS**2
    return bool((near & (np.minimum(first, second) >= _MIXED_PART)).any())


def _linkage(rows: _Rows) -> _Floats:
    """Merge the nearest two groups until one is left: (kept, merged into it, mean cosine distance) of each step."""
    means, weights = rows.means.copy(), rows.weights.copy()
    similar = means @ means.T
    distance = 1.0 - similar
    np.fill_diagonal(distance, np.inf)
    # The nearest of each group is kept up to date, or every merge would search the whole matrix.
    nearest, nearby = distance.argmin(axis=1), distance.min(axis=1)
    alive = np.ones(len(rows), dtype=bool)
    merges = np.zeros((len(rows) - 1, 3))
    for step in range(len(rows) - 1):
        one = int(nearby.argmin())
        other = int(nearest[one])
        merges[step] = one, other, nearby[one]
        share = weights[other] / (weights[one] + weights[other])
        weights[one] += weights[other]
        similar[one] += share * (similar[other] - similar[one])
        similar[:, one] = similar[one]
        similar[one, one] = 0.0
        alive[other] = False
        row = 1.0 - similar[one]
        row[~alive] = row[one] = np.inf
        distance[one] = distance[:, one] = row
        distance[other] = distance[:, other] = np.inf
        lost = alive & ((nearest == one) | (nearest == other))
        lost[one] = True
        nearest[lost], nearby[lost] = distance[lost].argmin(axis=1), distance[lost].min(axis=1)
        closer = row < nearby
        nearest[closer], nearby[closer] = one, row[closer]
        nearby[other] = np.inf
    return merges


def _cut(merges: _Floats, count: int, groups: int) -> _Labels:
    """The labels of `count` rows when so many groups are left."""
    labels = np.arange(count)
    for one, other, _ in merges[: count - groups]:
        labels[labels == int(other)] = int(one)
    return np.unique(labels, return_inverse=True)[1]


def _join(labels: _Labels, rows: _Rows, threshold: float) -> _Labels:
    """Merge groups whose mean directions are near, the nearest first."""
    while True:
        directions = same_direction(rows.merged(labels).means)
        distance = 1.0 - directions @ directions.T
        np.fill_diagonal(distance, np.inf)
        one, other = np.unravel_index(distance.argmin(), distance.shape)
        if distance[one, other] > threshold:
            return labels
        labels = np.unique(np.where(labels == other, one, labels), return_inverse=True)[1]


def _in_blocks(rows: _Rows, threshold: float) -> _Rows:
    """Rows, merged block by block where there are too many to compare each with each."""
    while len(rows) > FINAL_ROWS:
        parts = []
        for first in range(0, len(rows), BLOCK_ROWS):
            block = rows[first : first + BLOCK_ROWS]
            merges = _linkage(block)
            apart = int((merges[:, 2] > threshold * BLOCK_SHARE).sum()) + 1
            parts.append(block.merged(_cut(merges, len(block), min(apart, BLOCK_GROUPS))))
        rows = _Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Rows.__slots__))
    return rows
