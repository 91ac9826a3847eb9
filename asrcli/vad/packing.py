"""Where a run of speech is cut into chunks.

A recogniser loses words in short chunks and at cuts through speech, so a chunk is closed at the longest pause that its
limit allows, a little earlier rather than late with a short rest; and only where there is no pause at all, at the
quietest point.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.vad.types import LEVEL_HOP, Chunk, Region

#: a pause longer than this is as good as any, seconds
_PLAIN_PAUSE = 1.0
#: how much one second of pause is worth against filling the chunk
_PAUSE_WEIGHT = 1.0
#: no chunk is cut shorter than this part of the limit while there is more to come
_LEAST_FILL = 0.4
#: the quietest point is sought in the last seconds before the limit, over a mean of 160 ms, every 20 ms
_SEARCH = 10 * SAMPLE_RATE
_MEAN = 160 * SAMPLE_RATE // 1000
_STEP = 20 * SAMPLE_RATE // 1000
#: mean power below which all places are equally quiet (-80 dBFS, in quiet recordings 50 dB below the loudest place): a
#: filter leaves traces in digital silence
_SILENCE, _SILENCE_SHARE = 1e-8, 1e-5
#: and no piece of a region shorter than this is cut off for that
_LEAST_PIECE = SAMPLE_RATE
#: a chunk is divided into parts of at least this length, and this part of it
_SHORTEST_PART = SAMPLE_RATE * 6 // 10
_LEAST_PART = 0.2


@dataclass(frozen=True, slots=True)
class Cut:
    """The first `regions` of a run make a chunk; with `inside`, the last of them only up to that position."""

    regions: int
    inside: int | None = None


def choose_cut(regions: Sequence[Region], limit: int, read: Callable[[int, int], Samples]) -> Cut:
    """Where to close the first chunk of a run of padded, ordered, disjoint regions that is longer than `limit` samples.
    What follows the run is not known yet, or nothing. `read` returns the stream's samples from one position to another.
    """
    start, end = regions[0].start, regions[-1].end
    # Not so early either that the rest would have to be cut again.
    least = start + max(int(_LEAST_FILL * limit), min(end - start - limit, limit // 2))
    best, best_score = 0, -np.inf
    for index, (left, right) in enumerate(pairwise(regions), 1):
        if least <= left.end <= start + limit:
            pause = min((right.start - left.end) / SAMPLE_RATE, _PLAIN_PAUSE)
            # The lesser of the two sides counts: a full chunk is good, a crumb behind it is not.
            fill = min(left.end - start, end - right.start, limit) / limit
            score = _PAUSE_WEIGHT * pause + fill
            if score >= best_score:
                best, best_score = index, score
    if best:
        return Cut(best)
    return _cut_inside(regions, limit, least, read)


def _cut_inside(regions: Sequence[Region], limit: int, least: int, read: Callable[[int, int], Samples]) -> Cut:
    start = regions[0].start
    index = next(i for i, region in enumerate(regions) if region.end > start + limit)
    region = regions[index]
    # Not so late that a crumb is left.
    high = min(start + limit, regions[-1].end - limit // 4)
    piece = min(_LEAST_PIECE, limit // 4)
    if index and region.start > high - piece:
        # Too long only by a region that lies far out: the pauses before it are early, but pauses.
        return Cut(index)
    low = max(region.start, least, high - _SEARCH)
    return Cut(index + 1, quietest(read(low, high)) + low)


def divide(chunk: Chunk) -> list[Chunk]:
    """Two parts of a chunk: at its best pause, else at the quietest point of its middle; [] where it is too short."""
    start, end = chunk.start, chunk.end
    least = max(_SHORTEST_PART, round(_LEAST_PART * (end - start)))
    best, best_score = None, -np.inf
    for left, right in pairwise(chunk.regions):
        shorter = min(left.end - start, end - right.start)
        score = min((right.start - left.end) / SAMPLE_RATE, _PLAIN_PAUSE) + shorter / (end - start)
        if shorter >= least and score > best_score:
            best, best_score = (left.end, right.start), score
    if best is None:
        low, high = start + max(least, (end - start) // 4), end - max(least, (end - start) // 4)
        if high - low < _MEAN:
            return []
        at = low + quietest(chunk.samples[low - start : high - start])
        pauses = [(left.end, right.start) for left, right in pairwise(chunk.regions)]
        best = next(((left, right) for left, right in pauses if left <= at <= right), (at, at))
    return [_part(chunk, start, best[0]), _part(chunk, best[1], end)]


def _part(chunk: Chunk, start: int, end: int) -> Chunk:
    """The span [start, end) of a chunk, stream positions."""
    first, last = start - chunk.start, end - chunk.start
    regions = [Region(max(region.start, start), min(region.end, end)) for region in chunk.regions]
    samples = chunk.samples[first:last]
    levels = Chunk.measure(samples)
    speech = chunk.speech[first // LEVEL_HOP :][: len(levels)]
    kept = tuple(region for region in regions if region.start < region.end)
    return Chunk(start, samples, kept, levels, speech, chunk.gain)


def quietest(samples: Samples) -> int:
    """The middle of the quietest 160 ms of (n,) samples, the latest of equals; n where there is less than that."""
    if len(samples) < _MEAN:
        return len(samples)
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, len(samples) - _MEAN + 1, _STEP)
    mean = energy[starts + _MEAN] - energy[starts]
    mean = np.maximum(mean, min(_SILENCE * _MEAN, _SILENCE_SHARE * float(mean.max())))
    latest = len(mean) - 1 - int(np.argmin(mean[::-1]))
    return int(starts[latest]) + _MEAN // 2
