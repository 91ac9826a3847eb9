"""Where tones begin: for models that say each token once instead of once a frame."""

from __future__ import annotations

import numpy as np

from tests.tone.bands import THRESHOLD
from tests.tone.graph import FLOAT, Graph


def sounding(g: Graph, x: str, weights: np.ndarray, *, together: bool = False) -> str:
    """(N, T, bands) -> (N, T, words) of 0 and 1: which tone sounds.

    Of tones that sound together the strongest is taken, or all of them.
    """
    scores = g.op("MatMul", x, g.const(weights))
    heard = g.op("Greater", scores, g.const(THRESHOLD))
    if not together:
        best = g.op("ReduceMax", scores, axes=[2], keepdims=1)
        heard = g.op("And", heard, g.op("GreaterOrEqual", scores, best))
    return g.op("Cast", heard, to=FLOAT)


def rising(g: Graph, now: str, one_before: str, two_before: str) -> str:
    """1 where a tone sounds that sounded in neither of the two frames before: its edge may flicker.

    Args:
        g: the graph.
        now: what `sounding` gave, (N, T, words).
        one_before: the frame before its first, (N, 1, words).
        two_before: the frame before that.
    """
    earlier = g.slice(g.op("Concat", one_before, now, axis=1), 1, 0, -1)
    before = g.slice(g.op("Concat", two_before, earlier, axis=1), 1, 0, -1)
    return g.op("Relu", g.op("Sub", now, g.op("Max", earlier, before)))


def onsets(g: Graph, x: str, weights: np.ndarray, *, together: bool = False) -> str:
    """(N, T, bands) -> (N, T, words) of 0 and 1: 1 at the first frame of each tone; before the first is silence."""
    now = sounding(g, x, weights, together=together)
    silence = g.op("Mul", g.slice(now, 1, 0, 1), g.const(0.0))
    return rising(g, now, silence, silence)
