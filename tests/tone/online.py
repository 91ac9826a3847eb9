"""Streaming models: the same ears, with states that carry what came before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.tone.bands import Bands
from tests.tone.ctc import frame_scores
from tests.tone.graph import FLOAT, INT32, INT64, Graph, pieces, write_tokens
from tests.tone.onsets import onsets, rising, sounding
from tests.tone.paraformer import METADATA, middle, vocabulary
from tests.tone.transducer import save_decoder, save_joiner, with_blank

#: frames of 10 ms that the Zipformer and LSTM kinds hear at once
_CHUNK = 32


def online_zipformer2_ctc(folder: Path, words: Sequence[str]) -> None:
    """Its states are as many and as shaped as the loader wants, and pass through."""
    write_tokens(folder, ["<blk>", *pieces(words)])
    size = 1 + len(words)
    states = {
        "cached_key_0": [1, "N", 1],
        "cached_nonlin_attn_0": [1, "N", 1, 3],
        "cached_val1_0": [1, "N", 1],
        "cached_val2_0": [1, "N", 1],
        "cached_conv1_0": ["N", 4, 1],
        "cached_conv2_0": ["N", 4, 1],
        "embed_states": ["N", 128, 3, 19],
    }
    g = Graph()
    scores = frame_scores(g, "x", Bands().weights(len(words)), 4)
    g.op("Identity", scores, out="log_probs")
    for name in states:
        g.op("Identity", name, out=f"new_{name}")
    g.op("Add", "processed_lens", g.ints(_CHUNK), out="new_processed_lens")
    g.save(
        folder / "model.onnx",
        [
            ("x", FLOAT, ["N", _CHUNK, 80]),
            *((name, FLOAT, shape) for name, shape in states.items()),
            ("processed_lens", INT64, ["N"]),
        ],
        [
            ("log_probs", FLOAT, ["N", _CHUNK // 4, size]),
            *((f"new_{name}", FLOAT, shape) for name, shape in states.items()),
            ("new_processed_lens", INT64, ["N"]),
        ],
        {
            "model_type": "zipformer2",
            "encoder_dims": [4],
            "query_head_dims": [1],
            "value_head_dims": [1],
            "num_heads": [1],
            "num_encoder_layers": [1],
            "cnn_module_kernels": [3],
            "left_context_len": [1],
            "T": _CHUNK,
            "decode_chunk_len": _CHUNK,
        },
    )


def online_transducer(folder: Path, words: Sequence[str]) -> None:
    """Icefall's LSTM kind: the two states remember the last two frames, so that a tone across chunks is said once."""
    symbols = ["<blk>", *pieces(words)]
    write_tokens(folder, symbols)
    size, count = len(symbols), len(words)
    g = Graph()
    now = sounding(g, g.slice("x", 1, 0, step=4), Bands().weights(count), together=True)
    fired = rising(g, now, *(g.op("Transpose", state, perm=[1, 0, 2]) for state in ("h", "c")))
    with_blank(g, fired, out="encoder_out")
    g.op("Transpose", g.slice(now, 1, -1), perm=[1, 0, 2], out="next_h")
    g.op("Transpose", g.slice(now, 1, -2, -1), perm=[1, 0, 2], out="next_c")
    state = [1, "N", count]
    g.save(
        folder / "encoder.onnx",
        [("x", FLOAT, ["N", _CHUNK, 80]), ("h", FLOAT, state), ("c", FLOAT, state)],
        [("encoder_out", FLOAT, ["N", _CHUNK // 4, size]), ("next_h", FLOAT, state), ("next_c", FLOAT, state)],
        {
            "model_type": "lstm",
            "num_encoder_layers": 1,
            "T": _CHUNK,
            "decode_chunk_len": _CHUNK,
            "rnn_hidden_size": count,
            "d_model": count,
        },
    )
    save_decoder(folder, size)
    save_joiner(folder, size)


def online_paraformer(folder: Path, words: Sequence[str]) -> None:
    """Frames of 60 ms with five before and three after in view; a token fires at once (its weight is 1)."""
    symbols = vocabulary(words)
    write_tokens(folder, symbols)
    size, first = len(symbols), 3
    # The engine adds sines of height 1 for the position: ten times louder features drown them.
    loud = 10.0

    g = Graph()
    fired = onsets(g, "speech", middle(Bands(high=8000.0), len(words)) / loud)
    embed = np.zeros((len(words), size), np.float32)
    embed[:, first : first + len(words)] = np.eye(len(words))
    g.op("MatMul", fired, g.const(embed), out="enc")
    g.op("Identity", "speech_lengths", out="enc_len")
    g.op("ReduceSum", fired, g.ints(2), keepdims=0, out="alphas")
    g.save(
        folder / "encoder.onnx",
        [("speech", FLOAT, [1, "T", 560]), ("speech_lengths", INT32, [1])],
        [("enc", FLOAT, [1, "T", size]), ("enc_len", INT32, [1]), ("alphas", FLOAT, [1, "T"])],
        {
            "vocab_size": size,
            **METADATA,
            "inv_stddev": [loud / np.sqrt(size)] * 560,
            "encoder_output_size": size,
            "decoder_num_blocks": 1,
            "decoder_kernel_size": 2,
        },
    )

    g = Graph()
    g.keep("acoustic_embeds", "enc", "enc_len", "acoustic_embeds_len", out="logits")
    g.op("ArgMax", "acoustic_embeds", axis=2, keepdims=0, out="sample_ids")
    g.op("Identity", "in_cache_0", out="out_cache_0")
    state = [1, size, 1]
    g.save(
        folder / "decoder.onnx",
        [
            ("enc", FLOAT, [1, "T", size]),
            ("enc_len", INT32, [1]),
            ("acoustic_embeds", FLOAT, [1, "L", size]),
            ("acoustic_embeds_len", INT32, [1]),
            ("in_cache_0", FLOAT, state),
        ],
        [("logits", FLOAT, [1, "L", size]), ("sample_ids", INT64, [1, "L"]), ("out_cache_0", FLOAT, state)],
    )


BUILDERS = {
    "online_zipformer2_ctc": online_zipformer2_ctc,
    "online_transducer": online_transducer,
    "online_paraformer": online_paraformer,
}
