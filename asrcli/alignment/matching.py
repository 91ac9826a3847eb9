"""Which units of two texts correspond, in time and memory proportional to their length.

Runs of units that occur once in each text divide the problem (patience diff); between them the edit distance is
computed in full. Where nothing occurs once, the ranges are halved.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

import numpy as np

#: cells of one edit distance at most
_CELLS = 1 << 20
#: lengths of runs that divide, tried in this order
_RUNS = (4, 3, 2, 1)
#: a letter or two heard differently: the share of equal letters from which a substitute counts as the same word
_SIMILAR = 0.65

#: costs of an edit: two substitutes cost more than a word that moves to the place beside. Each run of words without a
#: pair costs a little more, but not at the ends of the texts, so that a part of a text is found in one piece.
_GAP, _SUBSTITUTE, _OPEN = 20, 30, 1
_IMPOSSIBLE = 1 << 30

Pair = tuple[int, int]
#: first and end of a range of the given text, and of the recognised one
_Ranges = tuple[int, int, int, int]


def match(given: Sequence[str], recognised: Sequence[str]) -> list[Pair]:
    """Pairs of positions of equal or similar units, ascending in both texts."""
    numbers: dict[str, int] = {}
    one, other = ([numbers.setdefault(unit, len(numbers)) for unit in units] for units in (given, recognised))
    pairs = [pair for ranges in _divided(one, other) for pair in _edit_distance(one, other, ranges)]
    found = [pair for pair in pairs if _are_similar(given[pair[0]], recognised[pair[1]])]
    if found or not (common := set(given).intersection(recognised)):
        return found
    # The least edit may replace every unit, also where both texts have one.
    at = next(at for at, unit in enumerate(given) if unit in common)
    return [(at, recognised.index(given[at]))]


def _are_similar(one: str, other: str) -> bool:
    return one == other or SequenceMatcher(None, one, other, autojunk=False).ratio() >= _SIMILAR


def _divided(one: Sequence[int], other: Sequence[int]) -> Iterator[_Ranges]:
    """Ranges in order whose edit distance is affordable, the dividing runs included."""
    waiting = [(0, len(one), 0, len(other))]
    while waiting:
        low, high, left, right = ranges = waiting.pop()
        if (high - low + 1) * (right - left + 1) <= _CELLS:
            yield ranges
            continue
        cuts = _cuts(one, other, ranges) or [((low + high) // 2, (left + right) // 2)]
        edges = [(low, left), *cuts, (high, right)]
        parts = [(a, b, c, d) for (a, c), (b, d) in pairwise(edges)]
        waiting += reversed(parts)


def _cuts(one: Sequence[int], other: Sequence[int], ranges: _Ranges) -> list[Pair]:
    """Places inside the ranges where both texts are cut: before runs that occur once in each."""
    low, high, left, right = ranges
    for length in _RUNS:
        places = _unique(one, low, high, length)
        others = _unique(other, left, right, length)
        common = sorted((places[run], others[run]) for run in places.keys() & others.keys())
        cuts = [cut for cut in _ascending(common) if cut != (low, left)]
        if cuts:
            return cuts
    return []


def _unique(units: Sequence[int], low: int, high: int, length: int) -> dict[tuple[int, ...], int]:
    runs = [tuple(units[at : at + length]) for at in range(low, high - length + 1)]
    count = Counter(runs)
    return {run: low + at for at, run in enumerate(runs) if count[run] == 1}


def _ascending(pairs: Sequence[Pair]) -> list[Pair]:
    """The longest selection of pairs (sorted by the first) that ascends in the second, too."""
    tails: list[int] = []
    ends: list[int] = []
    before = [-1] * len(pairs)
    for number, (_, second) in enumerate(pairs):
        at = bisect_left(tails, second)
        tails[at : at + 1] = [second]
        ends[at : at + 1] = [number]
        before[number] = ends[at - 1] if at else -1
    chain = []
    number = ends[-1] if ends else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]


def _edit_distance(one: Sequence[int], other: Sequence[int], ranges: _Ranges) -> list[Pair]:
    """The pairs of an alignment of least edit distance, substitutes included; of several, the one with the fewest runs
    of units that have no pair.
    """
    low, high, left, right = ranges
    rows, columns = np.array(one[low:high], np.int64), np.array(other[left:right], np.int64)
    return [(low + at, left + place) for at, place in _trace(_costs(rows, columns), rows, columns)]


@dataclass(frozen=True, slots=True)
class _Costs:
    """The least cost of each pair of beginnings of two texts, (rows + 1, columns + 1)."""

    #: of all alignments
    whole: np.ndarray
    #: of those that do not end with units of the columns without a pair; that end with units of the rows without one
    paired: np.ndarray
    skipping: np.ndarray


def _costs(rows: np.ndarray, columns: np.ndarray) -> _Costs:
    shape = len(rows) + 1, len(columns) + 1
    whole, paired, skipping = (np.full(shape, _IMPOSSIBLE, np.int32) for _ in range(3))
    steps = np.arange(shape[1], dtype=np.int32) * _GAP
    whole[0], paired[0, 0] = steps, 0
    for row, unit in enumerate(rows, 1):
        skipping[row] = np.minimum(whole[row - 1] + _opening(shape[1]), skipping[row - 1]) + _GAP
        paired[row] = skipping[row]
        pairs = whole[row - 1, :-1] + (columns != unit) * np.int32(_SUBSTITUTE)
        paired[row, 1:] = np.minimum(paired[row, 1:], pairs)
        # Insertions along the row: each costs more than the place before.
        runs = np.minimum.accumulate(paired[row] - steps) + steps + _opening(shape[0])[row]
        whole[row] = np.minimum(paired[row], runs)
    return _Costs(whole, paired, skipping)


@lru_cache(maxsize=8)
def _opening(count: int) -> np.ndarray:
    """The cost of a run without pairs at each of `count` places in the other text: none at its ends."""
    cost = np.full(count, _OPEN, np.int32)
    cost[0] = cost[-1] = 0
    return cost


def _trace(costs: _Costs, rows: np.ndarray, columns: np.ndarray) -> list[Pair]:
    row, column = len(rows), len(columns)
    runs, skips = _opening(row + 1), _opening(column + 1)
    pairs = []
    while row and column:
        if (cost := costs.whole[row, column]) != costs.paired[row, column]:
            column -= 1
            cost -= runs[row] + _GAP
            while column and cost != costs.paired[row, column]:
                column -= 1
                cost -= _GAP
        elif cost == costs.whole[row - 1, column - 1] + _SUBSTITUTE * int(rows[row - 1] != columns[column - 1]):
            row, column = row - 1, column - 1
            pairs.append((row, column))
        else:
            while row and costs.skipping[row, column] != costs.whole[row - 1, column] + skips[column] + _GAP:
                row -= 1
            row -= 1
    return pairs[::-1]
