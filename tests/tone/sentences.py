"""What encoders and decoders share that say a sentence token by token: it is written down whole, then read out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.tone.graph import FLOAT, Graph
from tests.tone.onsets import rising


def sentence(g: Graph, fired: str, numbers: Sequence[Sequence[int]], size: int, end: int) -> str:
    """Firings (1, T, words) to the tokens of what was said, one-hot and in order, with an end behind: (L + 1, size).

    Args:
        g: the graph.
        fired: what `onsets` gave.
        numbers: the tokens of each word.
        size: of the vocabulary.
        end: the token that ends a text.
    """
    longest = max(map(len, numbers))
    # One row a token: a word of two tokens fires twice.
    spelled = np.zeros((len(numbers), longest, size), np.float32)
    for word, tokens_of_word in enumerate(numbers):
        spelled[word, range(len(tokens_of_word)), tokens_of_word] = 1
    flat = g.op("MatMul", fired, g.const(spelled.reshape(len(numbers), -1)))
    tokens = g.op("Reshape", flat, g.ints(-1, size))
    said = g.op("Squeeze", g.op("NonZero", g.op("ReduceMax", tokens, axes=[1], keepdims=0)), g.ints(0))
    ending = np.zeros((1, size), np.float32)
    ending[0, end] = 1
    return g.op("Concat", g.op("Gather", tokens, said, axis=0), g.const(ending), axis=0)


def read_out(g: Graph, text: str, place: str) -> str:
    """The row of a sentence (L, size) at a place (1,), its last where there are no more: (1, size)."""
    last = g.op("Sub", g.size(text, 0), g.ints(1))
    return g.op("Gather", text, g.op("Min", g.op("Max", place, g.ints(0)), last), axis=0)


def exchange(g: Graph, row: str, size: int, one: int, other: int, condition: str) -> str:
    """A row (1, size) with two tokens exchanged where a condition holds: so that a test sees a switch arrive."""
    swap = np.eye(size, dtype=np.float32)
    swap[[one, other]] = swap[[other, one]]
    return g.op("Where", condition, g.op("MatMul", row, g.const(swap)), row)


def normalized_onsets(g: Graph, x: str, weights: np.ndarray) -> str:
    """(1, T, bands), each band of mean 0 and deviation 1 over time, -> (1, T, words) of 0 and 1 as `onsets` has them.

    How loud a band is cannot be reported any more, but a tone is still where noise does not: so it is where a band and
    its neighbours are above their mean for a while, and steady.
    """
    wide = sum(np.roll(np.maximum(weights, 0), step, axis=0) for step in (-1, 0, 1)) / 3
    scores = g.op("Transpose", g.op("MatMul", x, g.const(wide)), perm=[0, 2, 1])
    mean = _while(g, scores)
    change = g.op("Sub", _while(g, g.op("Mul", scores, scores)), g.op("Mul", mean, mean))
    steady = g.op("Less", change, g.const(0.1))
    best = g.op("GreaterOrEqual", mean, g.op("ReduceMax", mean, axes=[1], keepdims=1))
    above = g.op("Greater", mean, g.const(0.8))
    heard = g.op("And", g.op("And", best, above), steady)
    now = g.op("Cast", g.op("Transpose", heard, perm=[0, 2, 1]), to=FLOAT)
    silence = g.op("Mul", g.slice(now, 1, 0, 1), g.const(0.0))
    return rising(g, now, silence, silence)


def _while(g: Graph, x: str) -> str:
    """The mean over 150 ms around each frame; a tone is twice as long."""
    return g.op("AveragePool", x, kernel_shape=[15], pads=[7, 7], count_include_pad=1)
