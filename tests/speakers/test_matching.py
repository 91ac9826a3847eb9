from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from asrcli.speakers.matching import best_pairs


@settings(max_examples=100)
@given(
    arrays.arrays(
        np.float64, arrays.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.floats(-10, 10, width=16)
    )
)
def test_no_other_pairing_scores_more(score: np.ndarray) -> None:
    pairs = best_pairs(score)
    rows, columns = score.shape
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == min(rows, columns)
    wide = score if rows <= columns else score.T
    best = max(
        sum(wide[row, column] for row, column in enumerate(choice))
        for choice in permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert abs(sum(score[row, column] for row, column in pairs) - best) < 1e-6


def test_nothing_to_pair() -> None:
    assert best_pairs(np.zeros((0, 3))) == []
    assert best_pairs(np.zeros((3, 0))) == []
