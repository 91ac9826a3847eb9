"""Which embeddings are one voice: agglomerative clustering in two levels.

Average linkage under cosine distance. The mean distance of two groups is 1 minus the dot product of their mean vectors,
so a group is known by its mean and weight alone, and clustering the means of blocks is the same computation as
clustering all rows: memory grows with the block, not with the square of the recording, and a threshold means the same
after ten minutes and after twelve hours. (Complete linkage, as in sherpa-onnx's `FastClustering`, splits voices more
the longer the recording is: one unlucky pair of windows suffices.)

To the distance comes evidence from segmentation: voices heard side by side in the same windows are hardly one voice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asrcli.speakers.types import Vectors

#: The catalogue's thresholds are for complete linkage, where they bound the *largest* distance in a cluster; the mean
#: distance at the same decision is about this share of it (measured: docs/speakers.md).
AVERAGE_SHARE = 0.7
#: added to the distance of two groups that are only ever heard in the same windows
SIDE_BY_SIDE = 0.5
#: rows that are clustered at once; more are merged in blocks first
FINAL_ROWS = 1200
BLOCK_ROWS = 400
#: what a block is merged to: no further than this share of the threshold (the rest is decided with a view of the whole
#: recording), and to no more groups than this
BLOCK_SHARE = 0.6
BLOCK_GROUPS = 100
#: how many spurious groups may remain beside the voices that were asked for
_SPURIOUS = 8
#: overlapped speech that segmentation took for one voice: a group with no more than this share of all speech, whose
#: mean lies so near (cosine) to the plane of two larger ones, and between them: each has this share in it at least
_MIXED_SHARE, _MIXED_LIKENESS, _MIXED_PART = 0.01, 0.9, 0.3

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Groups:
    """Embeddings merged into groups.

    Attributes:
        means: weighted mean vectors, shape (groups, dimensions); the more varied a group, the shorter.
        weights: seconds of speech, shape (groups,).
        windows: in how many windows each group is heard, shape (groups,).
        together: in how many windows two groups are heard side by side, shape (groups, groups).
    """

    means: _Floats
    weights: _Floats
    windows: _Floats
    together: _Floats

    def __len__(self) -> int:
        return len(self.weights)

    def take(self, rows: npt.NDArray[np.intp]) -> Groups:
        """Only these groups."""
        return Groups(self.means[rows], self.weights[rows], self.windows[rows], self.together[np.ix_(rows, rows)])


@dataclass(frozen=True, slots=True)
class ClusterLimits:
    """How many voices there may be, and how far apart two are.

    Attributes:
        threshold: cosine distance (0..2) as the catalogue gives it, for complete linkage.
        least, most: bounds of the number of voices; None: no bound.
        least_speech: a voice with less (in the unit of the weights) is spurious.
    """

    threshold: float
    least: int = 1
    most: int | None = None
    least_speech: float = 0.0


def find_voices(embeddings: Vectors, weights: npt.ArrayLike, window: npt.ArrayLike, wanted: ClusterLimits) -> Vectors:
    """The voices among embeddings, as mean vectors of length 1, shape (voices, dimensions), most speech first; fewer
    than `wanted.least` only if there are fewer embeddings. `embeddings` have the shape (n, dimensions), length 1 each,
    in the order of their windows; `weights` are seconds of speech, `window` the number of the window of each.
    """
    threshold = wanted.threshold * AVERAGE_SHARE
    groups = _in_blocks(embeddings, np.asarray(weights, np.float64), np.asarray(window), threshold)
    found = merge_groups(groups, threshold, least=wanted.least, most=wanted.most)
    real = _real(found, wanted.least_speech)
    target = max(int(real.sum()), wanted.least, 1)
    if wanted.most is not None:
        target = min(target, wanted.most)
    if real.sum() != target:
        found = _cut_to(groups, target, wanted.least_speech)
        real = _real(found, wanted.least_speech)
    order = np.lexsort((-found.weights, ~real))[:target]
    means = found.means[order]
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), dtype=np.float32)


def merge_groups(groups: Groups, threshold: float, *, least: int = 1, most: int | None = None) -> Groups:
    """Merge the nearest two groups until no two are nearer than `threshold` (mean cosine distance).

    Stops at `least` groups; goes on past the threshold while there are more than `most`.
    """
    means, weights = groups.means.copy(), groups.weights.copy()
    windows, together = groups.windows.copy(), groups.together.copy()
    alive = np.ones(len(weights), dtype=bool)
    similar = means @ means.T
    distance = 1.0 - similar + SIDE_BY_SIDE * together / np.minimum(windows[:, None], windows[None, :])
    np.fill_diagonal(distance, np.inf)
    # The nearest of each group is kept up to date, or every merge would search the whole matrix.
    nearest = distance.argmin(axis=1)
    nearby = distance.min(axis=1)
    for count in range(len(weights), max(1, least), -1):
        one = int(nearby.argmin())
        other = int(nearest[one])
        if nearby[one] > threshold and (most is None or count <= most):
            break
        share = weights[other] / (weights[one] + weights[other])
        weights[one] += weights[other]
        windows[one] += windows[other]
        means[one] += share * (means[other] - means[one])
        for matrix, merged in (
            (similar, similar[one] + share * (similar[other] - similar[one])),
            (together, together[one] + together[other]),
        ):
            matrix[one] = matrix[:, one] = merged
        alive[other] = False
        row = 1.0 - similar[one] + SIDE_BY_SIDE * together[one] / np.minimum(windows, windows[one])
        row[~alive] = row[one] = np.inf
        distance[one] = distance[:, one] = row
        distance[other] = distance[:, other] = np.inf
        lost = alive & ((nearest == one) | (nearest == other))
        lost[one] = True
        nearest[lost], nearby[lost] = distance[lost].argmin(axis=1), distance[lost].min(axis=1)
        closer = row < nearby
        nearest[closer], nearby[closer] = one, row[closer]
        nearby[other] = np.inf
    return Groups(means, weights, windows, together).take(np.flatnonzero(alive))


def _in_blocks(embeddings: Vectors, weights: _Floats, window: npt.NDArray[np.intp], threshold: float) -> Groups:
    """Embeddings as groups, merged block by block where there are too many to compare each with each."""
    if len(weights) <= FINAL_ROWS:
        return _singles(embeddings, weights, window)
    spans = _spans(len(weights), BLOCK_ROWS)
    parts = [
        merge_groups(
            _singles(embeddings[span], weights[span], window[span]), threshold * BLOCK_SHARE, most=BLOCK_GROUPS
        )
        for span in spans
    ]
    groups = _joined(parts)
    while len(groups) > FINAL_ROWS:
        rows = [np.arange(span.start, span.stop) for span in _spans(len(groups), BLOCK_ROWS)]
        parts = [merge_groups(groups.take(row), threshold * BLOCK_SHARE, most=BLOCK_GROUPS) for row in rows]
        groups = _joined(parts)
    return groups


def _spans(count: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def _singles(embeddings: Vectors, weights: _Floats, window: npt.NDArray[np.intp]) -> Groups:
    together = (window[:, None] == window[None, :]).astype(np.float64)
    np.fill_diagonal(together, 0.0)
    return Groups(embeddings.astype(np.float64), weights, np.ones(len(weights)), together)


def _joined(parts: Sequence[Groups]) -> Groups:
    """Blocks side by side; groups of different blocks share no window."""
    together = np.zeros((sum(map(len, parts)),) * 2)
    at = 0
    for part in parts:
        together[at : at + len(part), at : at + len(part)] = part.together
        at += len(part)
    return Groups(
        np.concatenate([part.means for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.windows for part in parts]),
        together,
    )


def _cut_to(groups: Groups, count: int, least_speech: float) -> Groups:
    """The cut with `count` real voices; spurious groups may remain beside them, but not in place of one."""
    cuts = [
        merge_groups(groups, -np.inf, least=wider, most=wider)
        for wider in range(count, min(count + _SPURIOUS, len(groups)) + 1)
    ]
    return next((cut for cut in cuts if _real(cut, least_speech).sum() == count), cuts[0] if cuts else groups)


def _real(groups: Groups, least_speech: float) -> npt.NDArray[np.bool_]:
    """Which groups are voices: neither too short nor two voices at once."""
    real = groups.weights >= least_speech
    small = real & (groups.weights <= _MIXED_SHARE * groups.weights.sum())
    if not small.any():
        return real
    likeness = _cosines(groups.means)
    larger = np.flatnonzero(real & ~small)
    for index in np.flatnonzero(small):
        real[index] = not _is_mixture(likeness[index, larger], likeness[np.ix_(larger, larger)])
    return real


def _cosines(means: _Floats) -> _Floats:
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


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
