"""Transducers: an encoder that marks onsets, a decoder that remembers, a joiner that adds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.tone.bands import Bands
from tests.tone.graph import FLOAT, INT32, INT64, Graph, pieces, write_tokens
from tests.tone.onsets import onsets

_SURE = 12.0


def transducer(folder: Path, words: Sequence[str]) -> None:
    """Icefall's kind: one symbol a frame of 40 ms, a decoder without state that sees the last two tokens.

    Tones that begin together are equally likely, so that a hotword decides.
    """
    symbols = ["<blk>", *pieces(words)]
    write_tokens(folder, symbols)
    size = len(symbols)

    g = Graph()
    fired = onsets(g, g.slice("x", 1, 0, step=4), Bands().weights(len(words)), together=True)
    with_blank(g, fired, out="encoder_out")
    g.op("Div", g.op("Add", "x_lens", g.ints(3)), g.ints(4), out="encoder_out_lens")
    g.save(
        folder / "encoder.onnx",
        [("x", FLOAT, ["N", "T", 80]), ("x_lens", INT64, ["N"])],
        [("encoder_out", FLOAT, ["N", "L", size]), ("encoder_out_lens", INT64, ["N"])],
        {"model_type": "zipformer2"},
    )
    save_decoder(folder, size)
    save_joiner(folder, size)


def with_blank(g: Graph, fired: str, out: str) -> str:
    """Logits of blank and words from firings: one of them is sure."""
    none = g.op("Sub", g.const(0.5), g.op("ReduceMax", fired, axes=[2], keepdims=1))
    return g.op("Mul", g.op("Concat", none, fired, axis=2), g.const(_SURE), out=out)


def save_decoder(folder: Path, size: int) -> None:
    """(N, 2) tokens -> (N, size): nothing but what keeps the input in the graph."""
    g = Graph()
    last = g.op("Cast", g.slice("y", 1, 1), to=FLOAT)
    g.op("MatMul", last, g.const(np.zeros((1, size))), out="decoder_out")
    g.save(
        folder / "decoder.onnx",
        [("y", INT64, ["N", 2])],
        [("decoder_out", FLOAT, ["N", size])],
        {"vocab_size": size, "context_size": 2},
    )


def save_joiner(folder: Path, size: int) -> None:
    g = Graph()
    g.op("Add", "encoder_out", "decoder_out", out="logit")
    g.save(
        folder / "joiner.onnx",
        [("encoder_out", FLOAT, ["N", size]), ("decoder_out", FLOAT, ["N", size])],
        [("logit", FLOAT, ["N", size])],
        {"joiner_dim": size},
    )


def nemo_transducer(folder: Path, words: Sequence[str]) -> None:
    """NeMo's kind with durations (TDT): several symbols a frame, a decoder with state, blank last.

    The encoder reports how many tones have started and which was the last; the decoder counts the tokens it has seen. A
    token is due while the first count is ahead, so none is lost where the search skips frames.
    """
    symbols = [*pieces(words), "<blk>"]
    write_tokens(folder, symbols)
    count = len(words)

    g = Graph()
    frames = g.slice(g.op("Transpose", "audio_signal", perm=[0, 2, 1]), 1, 0, step=4)
    fired = onsets(g, frames, Bands(low=0.0, scale="slaney").weights(count))
    started = g.op("CumSum", fired, g.const(1, "int64"))
    total = g.op("ReduceSum", started, g.ints(2), keepdims=1)
    # The tone that began last: where the running number of firings was last raised.
    numbers = g.op("Mul", fired, total)
    last = _running_max(g, numbers)
    current = g.op("Cast", g.op("And", g.op("Equal", last, total), g.op("Greater", total, g.const(0.0))), to=FLOAT)
    g.op("Transpose", g.op("Concat", current, total, axis=2), perm=[0, 2, 1], out="outputs")
    g.op("Div", g.op("Add", "length", g.ints(3)), g.ints(4), out="encoded_lengths")
    g.save(
        folder / "encoder.onnx",
        [("audio_signal", FLOAT, ["N", 80, "T"]), ("length", INT64, ["N"])],
        [("outputs", FLOAT, ["N", count + 1, "L"]), ("encoded_lengths", INT64, ["N"])],
        {
            "model_type": "EncDecRNNTBPEModel",
            "vocab_size": count,
            "subsampling_factor": 4,
            "normalize_type": "",
            "pred_rnn_layers": 1,
            "pred_hidden": 1,
            "feat_dim": 80,
            "url": "tdt",
        },
    )
    _save_counting_decoder(folder, blank=count)
    _save_comparing_joiner(folder, count)


def _running_max(g: Graph, x: str) -> str:
    """(N, T, C) -> its maximum over time so far: pooling over all that came before."""
    moved = g.op("Transpose", x, perm=[0, 2, 1])
    longest = 4096
    padded = g.op("Pad", moved, g.ints(0, 0, longest - 1, 0, 0, 0), g.const(0.0))
    pooled = g.op("MaxPool", padded, kernel_shape=[longest])
    return g.op("Transpose", pooled, perm=[0, 2, 1])


def _save_counting_decoder(folder: Path, blank: int) -> None:
    g = Graph()
    real = g.op("Cast", g.op("Less", "targets", g.const(blank, "int32")), to=FLOAT)
    counted = g.op("Add", "states.1", g.op("Unsqueeze", real, g.ints(0)), out="states")
    g.op("Identity", "states.2", out="states_2")
    g.op("Transpose", counted, perm=[1, 2, 0], out="outputs")
    g.op("Identity", "target_length", out="prednet_lengths")
    state = [1, "N", 1]
    g.save(
        folder / "decoder.onnx",
        [
            ("targets", INT32, ["N", 1]),
            ("target_length", INT32, ["N"]),
            ("states.1", FLOAT, state),
            ("states.2", FLOAT, state),
        ],
        [
            ("outputs", FLOAT, ["N", 1, 1]),
            ("prednet_lengths", INT32, ["N"]),
            ("states", FLOAT, state),
            ("states_2", FLOAT, state),
        ],
    )


def _save_comparing_joiner(folder: Path, count: int) -> None:
    """Words, blank, and five durations: two frames for a word, one for blank."""
    g = Graph()
    current = g.slice("encoder_outputs", 1, 0, count)
    started = g.slice("encoder_outputs", 1, count)
    due = g.op("Cast", g.op("Greater", started, "decoder_outputs"), to=FLOAT)
    words = g.op("Mul", current, due)
    blank = g.op("Sub", g.const(1.0), due)
    zero = g.op("Mul", due, g.const(0.0))
    durations = g.op("Concat", zero, blank, due, zero, zero, axis=1)
    everything = g.op("Mul", g.op("Concat", words, blank, durations, axis=1), g.const(_SURE))
    moved = g.op("Transpose", everything, perm=[0, 2, 1])
    g.op("Unsqueeze", moved, g.ints(2), out="outputs")
    g.save(
        folder / "joiner.onnx",
        [("encoder_outputs", FLOAT, ["N", count + 1, 1]), ("decoder_outputs", FLOAT, ["N", 1, 1])],
        [("outputs", FLOAT, ["N", 1, 1, count + 6])],
    )


BUILDERS = {"transducer": transducer, "nemo_transducer": nemo_transducer}
