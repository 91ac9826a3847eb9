"""Which embeddings are one voice: agglomerative clustering with average linkage under cosine distance.

The mean distance of two groups is 1 minus the dot product of their mean vectors, so a group's mean and weight are all
that is needed, and clustering the means of blocks is the same computation as clustering all rows: memory grows with the
block, not with the square of the recording, and a threshold means the same after ten minutes and after twelve hours.

A second step compares the voices behind the groups, without the noise of the single embedding: the likeness of two
groups relative to the likeness within each. It has a stricter threshold for groups that segmentation takes apart.
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
#: the likeness within a group is taken to be that at the threshold, as if so many pairs more had it
_ADDED_PAIRS = 4.0
_LEAST_LIKENESS = 0.05
#: share of the join threshold for groups with more pairs of pieces in one window that segmentation gives to two
#: speakers than to one
_TAKEN_APART = 0.7
#: and for two groups of more pieces than the first, in full from the second on: the more pieces, the less does the
#: distance of two parts of one voice vary
_MANY_PIECES, _MANY = 0.75, (3.0, 4.0)
#: an embedding counts for at most so many seconds: of more than that it is not made
_HEAVIEST = 3.0

_Floats = npt.NDArray[np.float64]
_Labels = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ClusterLimits:
    """How many voices there may be, and how far apart two are.

    Attributes:
        threshold: mean cosine distance (0..2) up to which groups are merged.
        join: distance of the voices behind them (see `_distances`) up to which they are merged.
        least, most: bounds of the number of voices; None: no bound.
        speech: minimum seconds of speech of a voice; None: `least_speech`.
    """

    threshold: float
    join: float
    least: int = 1
    most: int | None = None
    speech: float | None = None


def find_voices(
    embeddings: Vectors, seconds: npt.ArrayLike, limits: ClusterLimits, tracks: npt.NDArray[np.int_] | None = None
) -> Vectors:
    """The voices among embeddings, as mean vectors of length 1, shape (voices, dimensions), most speech first; fewer
    than `limits.least` rather than one voice in two parts. `embeddings` have the shape (n, dimensions), length 1 each,
    in order of time; `seconds` of speech are what each represents; `tracks`, shape (n, 2), are the window of each and
    its local speaker.
    """
    spoken = np.asarray(seconds, np.float64)
    weights = np.minimum(spoken, _HEAVIEST)
    rows, row_of = _in_blocks(_Rows(embeddings, weights, spoken, weights**2), limits.threshold)
    pairs = _Pairs.of(tracks, row_of)
    least_seconds = least_speech(float(spoken.sum())) if limits.speech is None else limits.speech
    most = len(rows) if limits.most is None else limits.most
    best, found = (-1, 0.0), rows.means[:1]
    for labels in _candidates(rows, limits, pairs):
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
        squares: sums of the squared weights of their embeddings, shape (groups,).
    """

    means: _Floats | Vectors
    weights: _Floats
    seconds: _Floats
    squares: _Floats

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, rows: slice) -> _Rows:
        """Some of the groups, in double precision: embeddings of hours are not copied in it as a whole."""
        return _Rows(*(getattr(self, name)[rows].astype(np.float64) for name in _Rows.__slots__))

    @property
    def counts(self) -> _Floats:
        """How many embeddings of equal weight each group is worth, shape (groups,)."""
        return np.asarray(self.weights**2 / self.squares)

    def merged(self, labels: _Labels) -> _Rows:
        """One group for each label, numbered from 0."""
        member = labels[None, :] == np.arange(labels.max() + 1)[:, None]
        weights = member @ self.weights
        means = (member * self.weights) @ self.means / weights[:, None]
        return _Rows(means, weights, np.asarray(member @ self.seconds), np.asarray(member @ self.squares))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of rows with pieces in one window.

    Attributes:
        one, other: the rows, shape (pairs,).
        apart: 1 where the window's local speakers differ, else -1, shape (pairs,).
    """

    one: _Labels
    other: _Labels
    apart: npt.NDArray[np.int_]

    @classmethod
    def of(cls, tracks: npt.NDArray[np.int_] | None, row_of: _Labels) -> _Pairs:
        """The pairs of pieces, given the row of each; windows in order."""
        found = [np.zeros((3, 0), dtype=np.intp)]
        windows, speakers = np.zeros((2, 0), np.intp) if tracks is None else tracks.T
        for step in range(1, len(windows)):
            first = np.flatnonzero(windows[step:] == windows[:-step])
            if not len(first):
                break
            differ = speakers[first] != speakers[first + step]
            found.append(np.stack([row_of[first], row_of[first + step], np.where(differ, 1, -1)]))
        return cls(*np.concatenate(found, axis=1))

    def taken_apart(self, labels: _Labels) -> npt.NDArray[np.bool_]:
        """Which two groups have more pairs that differ, shape (groups, groups)."""
        count = int(labels.max()) + 1
        differ = np.zeros((count, count), dtype=np.intp)
        np.add.at(differ, (labels[self.one], labels[self.other]), self.apart)
        return np.asarray(differ + differ.T > 0)


def _candidates(rows: _Rows, limits: ClusterLimits, pairs: _Pairs) -> Iterator[_Labels]:
    """Groupings, the preferred ones first."""
    merges = _linkage(rows)
    apart = int((merges[:, 2] > limits.threshold).sum()) + 1
    yield _join(_cut(merges, len(rows), apart), rows, limits, pairs)
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


def _join(labels: _Labels, rows: _Rows, limits: ClusterLimits, pairs: _Pairs) -> _Labels:
    """Merge groups that are one voice, the surest first."""
    while True:
        groups = rows.merged(labels)
        distance = _distances(groups, 1.0 - limits.threshold) + limits.join * _stricter(
            groups, pairs.taken_apart(labels)
        )
        np.fill_diagonal(distance, np.inf)
        one, other = np.unravel_index(distance.argmin(), distance.shape)
        if distance[one, other] > limits.join:
            return labels
        labels = np.unique(np.where(labels == other, one, labels), return_inverse=True)[1]


def _stricter(groups: _Rows, apart: npt.NDArray[np.bool_]) -> _Floats:
    """By which share of the join threshold two groups must be nearer, given which are taken apart."""
    many = np.interp(groups.counts, _MANY, (0.0, 1.0 - _MANY_PIECES))
    return np.asarray(np.maximum(np.minimum.outer(many, many), (1.0 - _TAKEN_APART) * apart))


def _distances(groups: _Rows, likeness: float) -> _Floats:
    """How far apart the voices of groups are: 1 minus their mean cosine, relative to the mean cosines within the two.

    The direction of a mean of few embeddings is mostly their noise: the halves of one voice lie the further apart, the
    fewer there are. This measure is near 0 for one voice, whatever their number. `likeness` is that of the pairs added.
    """
    counts = groups.counts
    pairs = counts * (counts - 1.0)
    alike = counts**2 * (groups.means**2).sum(axis=1) - counts
    within = np.sqrt(np.maximum((alike + _ADDED_PAIRS * likeness) / (pairs + _ADDED_PAIRS), _LEAST_LIKENESS))
    return np.asarray(1.0 - groups.means @ groups.means.T / np.outer(within, within))


def _in_blocks(rows: _Rows, threshold: float) -> tuple[_Rows, _Labels]:
    """Rows, merged block by block where there are too many to compare each with each; the new row of each."""
    row_of = np.arange(len(rows))
    while len(rows) > FINAL_ROWS:
        parts: list[_Rows] = []
        merged: list[_Labels] = []
        for first in range(0, len(rows), BLOCK_ROWS):
            block = rows[first : first + BLOCK_ROWS]
            merges = _linkage(block)
            apart = int((merges[:, 2] > threshold * BLOCK_SHARE).sum()) + 1
            labels = _cut(merges, len(block), min(apart, BLOCK_GROUPS))
            merged.append(labels + sum(map(len, parts)))
            parts.append(block.merged(labels))
        rows = _Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Rows.__slots__))
        row_of = np.concatenate(merged)[row_of]
    return rows[:], row_of
