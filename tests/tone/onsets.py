"""Where tones begin: for models that say each token once instead of once a frame."""

from __future__ import annotations

import numpy as np

from tests.tone.bands import THRESHOLD
from tests.tone.graph import FLOAT, Graph


def onsets(g: Graph, x: str, weights: np.ndarray, *, together: bool = False) -> str:
    """(N, T, bands) -> (N, T, words) of 0 and 1: 1 at the first frame of each tone.

    Of tones that sound together the strongest is taken, or all of them.
    """
    words = weights.shape[1]
    scores = g.op("MatMul", x, g.const(weights))
    sounding = g.op("Greater", scores, g.const(THRESHOLD))
    if not together:
        best = g.op("ReduceMax", scores, axes=[2], keepdims=1)
        sounding = g.op("And", sounding, g.op("GreaterOrEqual", scores, best))
    now = g.op("Cast", sounding, to=FLOAT)
    silence = g.op("Mul", g.slice(now, 1, 0, 1), g.const(np.zeros(words)))
    # What sounded in either of the two frames before: the edge of a tone may flicker.
    earlier = g.slice(g.op("Concat", silence, now, axis=1), 1, 0, -1)
    before = g.slice(g.op("Concat", silence, earlier, axis=1), 1, 0, -1)
    return g.op("Relu", g.op("Sub", now, g.op("Max", earlier, before)))
