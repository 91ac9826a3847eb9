"""One-to-one assignment at the greatest total score: local to global voices, hypothesis to reference speakers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def best_pairs(score: npt.NDArray[np.floating[Any]]) -> list[tuple[int, int]]:
    """Pair rows with columns so that the sum of their scores is greatest; min(rows, columns) pairs, by row.

    The Hungarian method with potentials, O(n^3): Kuhn, "The Hungarian method for the assignment problem", 1955. Written
    here because the core has no scipy.
    """
    import numpy as np

    if score.size == 0:
        return []
    if score.shape[0] > score.shape[1]:
        return sorted((row, column) for column, row in best_pairs(score.T))
    cost = score.max() - score.astype(np.float64)
    rows, columns = cost.shape
    # One extra row and column (index 0) mean "not yet paired".
    row_potential = np.zeros(rows + 1)
    column_potential = np.zeros(columns + 1)
    row_of = np.zeros(columns + 1, dtype=np.intp)
    for row in range(1, rows + 1):
        row_of[0] = row
        column = 0
        best = np.full(columns + 1, np.inf)
        previous = np.zeros(columns + 1, dtype=np.intp)
        used = np.zeros(columns + 1, dtype=bool)
        while row_of[column] != 0:
            used[column] = True
            here = row_of[column]
            reduced = cost[here - 1] - row_potential[here] - column_potential[1:]
            closer = ~used[1:] & (reduced < best[1:])
            best[1:][closer] = reduced[closer]
            previous[1:][closer] = column
            column = int(np.where(used, np.inf, best).argmin())
            delta = best[column]
            row_potential[row_of[used]] += delta
            column_potential[used] -= delta
            best[~used] -= delta
        while column:
            row_of[column] = row_of[previous[column]]
            column = int(previous[column])
    return sorted((int(row) - 1, column) for column, row in enumerate(row_of[1:]) if row)
