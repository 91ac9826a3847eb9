"""Paraformer: all tokens at once, with the firing pattern that their times are read from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.tone.bands import Bands
from tests.tone.graph import FLOAT, INT32, INT64, Graph, write_tokens
from tests.tone.onsets import onsets

METADATA = {
    "lfr_window_size": 7,
    "lfr_window_shift": 6,
    "neg_mean": [0] * 560,
    "inv_stddev": [1] * 560,
    "model_type": "paraformer",
}


def middle(bands: Bands, words: int) -> np.ndarray:
    """Weights over seven stacked frames that look at the middle one."""
    weights = np.zeros((560, words), np.float32)
    weights[240:320] = bands.weights(words)
    return weights


def vocabulary(words: Sequence[str]) -> list[str]:
    """Latin words as they are, without a mark: in this family it is what goes on that is marked ("hel@@")."""
    return ["<blank>", "<s>", "</s>", *words, "<unk>"]


def paraformer(folder: Path, words: Sequence[str]) -> None:
    symbols = vocabulary(words)
    write_tokens(folder, symbols)
    size, first, end = len(symbols), 3, 2

    g = Graph()
    fired = onsets(g, "speech", middle(Bands(high=8000.0), len(words)))
    # Padded frames are zeros, where nothing fires; the n-th firing of a row becomes its n-th token.
    fires = g.op("ReduceSum", fired, g.ints(2), keepdims=0)
    rank = g.op("Mul", g.op("CumSum", fires, g.const(1, "int64")), fires)
    count = g.op("ReduceSum", fires, g.ints(1), keepdims=0)
    most = g.op("Add", g.op("ReduceMax", count, keepdims=0), g.const(1.0))
    places = g.op("Cast", g.op("Range", g.const(1.0), g.op("Add", most, g.const(1.0)), g.const(1.0)), to=FLOAT)
    columns = g.op("Unsqueeze", places, g.ints(0, 2))
    chosen = g.op("Cast", g.op("Equal", columns, g.op("Unsqueeze", rank, g.ints(1))), to=FLOAT)
    embed = np.zeros((len(words), size), np.float32)
    embed[:, first : first + len(words)] = np.eye(len(words))
    said = g.op("MatMul", g.op("MatMul", chosen, fired), g.const(embed))
    default = np.zeros(size, np.float32)
    default[end] = 0.5
    g.op("Add", said, g.const(default), out="logits")
    g.op("Cast", g.keep(count, "speech_lengths"), to=INT64, out="token_num")

    # A firing at each third of a frame of 60 ms, and one more at the end, which the engine drops.
    thirds = g.op("Concat", g.op("Unsqueeze", fires, g.ints(2)), _zeros(g, fires), _zeros(g, fires), axis=2)
    flat = g.op("Reshape", thirds, g.ints(0, -1))
    ones = g.op("Add", g.op("Mul", g.slice(fires, 1, 0, 1), g.const(0.0)), g.const(1.0))
    g.op("Concat", flat, ones, axis=1, out="us_cif_peak")
    g.op("Identity", fires, out="us_alphas")
    g.save(
        folder / "model.onnx",
        [("speech", FLOAT, ["N", "T", 560]), ("speech_lengths", INT32, ["N"])],
        [
            ("logits", FLOAT, ["N", "L", size]),
            ("token_num", INT64, ["N"]),
            ("us_alphas", FLOAT, ["N", "T"]),
            ("us_cif_peak", FLOAT, ["N", "U"]),
        ],
        {"vocab_size": size, **METADATA},
    )


def _zeros(g: Graph, x: str) -> str:
    return g.op("Mul", g.op("Unsqueeze", x, g.ints(2)), g.const(0.0))


BUILDERS = {"paraformer": paraformer}
