"""Encoders and decoders of other families than Whisper: FireRedASR, Canary, Cohere Transcribe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from asrcli.backends.sherpa.model_types import TYPES
from tests.tone.bands import Bands
from tests.tone.graph import FLOAT, INT32, INT64, Graph, pieces, write_tokens
from tests.tone.onsets import onsets
from tests.tone.sentences import exchange, normalized_onsets, read_out, sentence

#: tokens that a decoder emits at most
_LONGEST = 1024


def fire_red_asr(folder: Path, words: Sequence[str]) -> None:
    """The attention decoder, whose turn is reported by an offset."""
    symbols = ["<blank>", "<unk>", "<pad>", "<sos>", "<eos>", *pieces(words)]
    write_tokens(folder, symbols)
    size, start, end = len(symbols), 3, 4
    g = Graph()
    weights = Bands(high=8000.0).weights(len(words))
    text = sentence(g, onsets(g, "x", weights), [[number] for number in range(5, size)], size, end)
    kept = g.keep(text, "x_len")
    g.op("Unsqueeze", kept, g.ints(0, 1), out="n_layer_cross_k")
    g.op("Unsqueeze", kept, g.ints(0, 1), out="n_layer_cross_v")
    cross = [1, 1, "L", size]
    g.save(
        folder / "encoder.onnx",
        [("x", FLOAT, [1, "T", 80]), ("x_len", INT64, [1])],
        [("n_layer_cross_k", FLOAT, cross), ("n_layer_cross_v", FLOAT, cross)],
        {
            "model_type": "fire-red-asr",
            "num_decoder_layers": 1,
            "num_head": 1,
            "head_dim": 1,
            "sos": start,
            "eos": end,
            "max_len": 2 * _LONGEST,
            "cmvn_mean": [0] * 80,
            "cmvn_inv_stddev": [1] * 80,
        },
    )
    _save_reader(folder, size, cache=[1, 1, "C", 1, 1], cross=cross)


def _save_reader(folder: Path, size: int, cache: list[object], cross: list[object]) -> None:
    """A decoder of one layer that reports the token at the place that its offset shows."""
    g = Graph()
    text = g.op("Squeeze", "n_layer_cross_k", g.ints(0, 1))
    row = g.keep(read_out(g, text, "offset"), "tokens", "n_layer_cross_v")
    g.op("Unsqueeze", row, g.ints(0), out="logits")
    for name in ("k", "v"):
        g.op("Identity", f"in_n_layer_self_{name}_cache", out=f"out_n_layer_self_{name}_cache")
    g.save(
        folder / "decoder.onnx",
        [
            ("tokens", INT64, [1, 1]),
            ("in_n_layer_self_k_cache", FLOAT, cache),
            ("in_n_layer_self_v_cache", FLOAT, cache),
            ("n_layer_cross_k", FLOAT, cross),
            ("n_layer_cross_v", FLOAT, cross),
            ("offset", INT64, [1]),
        ],
        [
            ("logits", FLOAT, [1, 1, size]),
            ("out_n_layer_self_k_cache", FLOAT, cache),
            ("out_n_layer_self_v_cache", FLOAT, cache),
        ],
    )


#: what is before the text: both languages, marks, digits, times, speakers
_PROMPT = ("<|startofcontext|>", "<|startoftranscript|>", "<|emo:undefined|>")
_SWITCHES = ("<|pnc|>", "<|nopnc|>", "<|itn|>", "<|noitn|>", "<|notimestamp|>", "<|nodiarize|>", "<|endoftext|>")


def canary(folder: Path, words: Sequence[str]) -> None:
    """Reports the first word twice as long ("do" as "dodo") where the text shall be German."""
    languages = [f"<|{code}|>" for code in ("en", "es", "de", "fr")]
    symbols = ["<unk>", *_PROMPT, *languages, *_SWITCHES, *pieces(words), f"▁{words[0]}{words[0]}"]
    write_tokens(folder, symbols)
    size, first = len(symbols), symbols.index(f"▁{words[0]}")
    g = Graph()
    weights = Bands(low=0.0, high=8000.0, scale="slaney").weights(len(words))
    text = sentence(
        g,
        onsets(g, "x", weights),
        [[number] for number in range(first, size - 1)],
        size,
        symbols.index("<|endoftext|>"),
    )
    g.op("Unsqueeze", text, g.ints(0), out="enc_states")
    g.op("Identity", "x_len", out="enc_len")
    g.op("Cast", g.op("Greater", g.op("ReduceMax", text, axes=[1], keepdims=0), g.const(0.0)), to=FLOAT, out="flat")
    g.op("Unsqueeze", "flat", g.ints(0), out="enc_mask")
    g.save(
        folder / "encoder.onnx",
        [("x", FLOAT, [1, "T", 80]), ("x_len", INT64, [1])],
        [("enc_states", FLOAT, [1, "L", size]), ("enc_len", INT64, [1]), ("enc_mask", FLOAT, [1, "L"])],
        {
            "model_type": "EncDecMultiTaskModel",
            "vocab_size": size,
            "normalize_type": "",
            "subsampling_factor": 8,
            "feat_dim": 80,
            "num_decoder_layers": 1,
            "decoder_hidden_size": 1,
        },
    )
    g = Graph()
    # Its state is what it was reported and has said: first the nine of the prompt, the fifth the language of the text.
    token = g.op("Cast", g.slice("decoder_input_ids", 1, 0, 1), to=FLOAT)
    reported = g.op(
        "Concat", "decoder_mems_list_0", g.op("Unsqueeze", token, g.ints(2)), axis=1, out="next_decoder_mem_list_0"
    )
    place = g.op("Sub", g.size(reported, 1), g.ints(9))
    row = read_out(g, g.op("Squeeze", "enc_states", g.ints(0)), place)
    known = g.op("Concat", g.op("Reshape", reported, g.ints(-1)), g.const([0.0] * 5), axis=0)
    target = g.slice(known, 0, 4, 5)
    german = g.op("Equal", target, g.const([float(symbols.index("<|de|>"))]))
    spoken = exchange(g, row, size, first, size - 1, german)
    g.op("Unsqueeze", g.keep(spoken, "enc_mask"), g.ints(0), out="logits")
    g.save(
        folder / "decoder.onnx",
        [
            ("decoder_input_ids", INT32, [1, 2]),
            ("decoder_mems_list_0", FLOAT, [1, "n", 1]),
            ("enc_states", FLOAT, [1, "L", size]),
            ("enc_mask", FLOAT, [1, "L"]),
        ],
        [("logits", FLOAT, [1, 1, size]), ("next_decoder_mem_list_0", FLOAT, [1, "m", 1])],
    )


def cohere_transcribe(folder: Path, words: Sequence[str]) -> None:
    """Reports the first word twice as long without ITN; its features are normalised over time, band by band."""
    languages = [f"<|{code}|>" for code in TYPES["cohere_transcribe"].languages]
    symbols = ["<unk>", *_PROMPT, *languages, *_SWITCHES, *pieces(words), f"▁{words[0]}{words[0]}"]
    write_tokens(folder, symbols)
    size, first = len(symbols), symbols.index(f"▁{words[0]}")
    g = Graph()
    frames = g.op("Transpose", "mel", perm=[0, 2, 1])
    weights = Bands(128, low=0.0, high=8000.0, scale="slaney").weights(len(words))
    fired = normalized_onsets(g, frames, weights)
    numbers = [[number] for number in range(first, size - 1)]
    text = sentence(g, fired, numbers, size, symbols.index("<|endoftext|>"))
    g.op("Unsqueeze", text, g.ints(0, 1), out="cross_k")
    g.op("Unsqueeze", text, g.ints(0, 1), out="cross_v")
    cross = [1, 1, "L", size]
    g.save(
        folder / "encoder.onnx",
        [("mel", FLOAT, [1, 128, "T"])],
        [("cross_k", FLOAT, cross), ("cross_v", FLOAT, cross)],
        {"model_type": "cohere-transcribe-03-2026"},
    )
    cache = [1, 1, 1, _LONGEST, size]
    g = Graph()
    text = g.op("Squeeze", "cross_k", g.ints(0, 1))
    # The prompt comes at once; the answer to its last token is the first of the text.
    count = g.size("tokens", 1)
    place = g.op("Sub", g.op("Add", "offset", count), g.ints(len(_PROMPT) + 6))
    row = read_out(g, text, place)
    # Whether ITN was asked for is remembered in the cache.
    plain = g.op("Equal", "tokens", g.const(symbols.index("<|noitn|>"), "int64"))
    asked = g.op("ReduceMax", g.op("Cast", plain, to=FLOAT), keepdims=0)
    cells = g.const(np.ones(cache, np.float32))
    g.op("Add", "self_k", g.op("Mul", cells, asked), out="next_k")
    g.op("Identity", "self_v", out="next_v")
    without = g.op("Greater", g.op("ReduceMax", "next_k", keepdims=0), g.const(0.0))
    spoken = g.keep(exchange(g, row, size, first, size - 1, without), "cross_v")
    every = g.op("Concat", g.ints(1), count, g.ints(size), axis=0)
    g.op("Expand", g.op("Unsqueeze", spoken, g.ints(0)), every, out="logits")
    g.save(
        folder / "decoder.onnx",
        [
            ("tokens", INT64, [1, "n"]),
            ("self_k", FLOAT, cache),
            ("self_v", FLOAT, cache),
            ("cross_k", FLOAT, cross),
            ("cross_v", FLOAT, cross),
            ("offset", INT64, []),
        ],
        [("logits", FLOAT, [1, "n", size]), ("next_k", FLOAT, cache), ("next_v", FLOAT, cache)],
    )


BUILDERS = {
    "fire_red_asr": fire_red_asr,
    "canary": canary,
    "cohere_transcribe": cohere_transcribe,
}
