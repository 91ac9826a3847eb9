"""Language models that hear: Qwen3-ASR and Fun-ASR-Nano. They go by how many words they have said, which they remember.

Both keep what was reported and said in their "attention cache"; the engine adds what each call returns ("delta").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.tone.bands import Bands
from tests.tone.graph import BOOL, FLOAT, INT64, Graph
from tests.tone.onsets import onsets
from tests.tone.paraformer import middle
from tests.tone.sentences import exchange, read_out, sentence

_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>")
_CAPACITY = 512


def _byte_symbols() -> list[str]:
    """GPT-2's letters for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


class _Vocabulary:
    """Bytes, then words, then what controls the talk."""

    def __init__(self, words: Sequence[str], extra: Sequence[str] = (), named: Sequence[str] = ()) -> None:
        symbols = _byte_symbols()
        spoken = [*words, f"{words[0]}{words[0]}", *named]
        texts = [" " + word if word.isascii() and word != "language" else word for word in spoken]
        self.pieces = [*symbols, *("".join(symbols[byte] for byte in text.encode()) for text in texts)]
        self.special = [*_SPECIAL, *extra]
        self.first, self.size = len(symbols), len(self.pieces) + len(self.special)
        #: the numbers of the words, and of the first one's plain form
        self.words = range(self.first, self.first + len(words))
        self.plain = self.first + len(words)
        self.end = self.number("<|im_end|>")

    def number(self, special: str) -> int:
        return len(self.pieces) + self.special.index(special)

    def save(self, folder: Path) -> None:
        folder.mkdir()
        added = {
            str(self.number(special)): {"content": special, "special": special.startswith("<|")}
            for special in self.special
        }
        self._write(folder / "vocab.json", {piece: number for number, piece in enumerate(self.pieces)})
        (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
        self._write(folder / "tokenizer_config.json", {"added_tokens_decoder": added})
        whole = [{"id": int(number), **entry} for number, entry in added.items()]
        self._write(folder / "tokenizer.json", {"added_tokens": whole})

    def _write(self, path: Path, content: Mapping[str, object]) -> None:
        path.write_text(json.dumps(content), "utf-8")


def _save_speaker(
    g: Graph,
    path: Path,
    vocabulary: _Vocabulary,
    *,
    fired: str,
    before: Sequence[int] = (),
    said: str,
    reported: str | None,
    count: str,
    first: Sequence[tuple[str, int, Sequence[object]]],
    width: int,
    metadata: Mapping[str, object],
) -> None:
    """What both end with: the next word, and the cache.

    Args:
        g: the graph so far.
        path: where to write it.
        vocabulary: the tokenizer's.
        fired: (1, frames, words), what was heard.
        before: tokens before the text.
        said: (1,), how many words have been said.
        reported: whether the first word shall be said plainly; None: there is no such switch.
        count: (1,), positions of this call.
        first: inputs before the cache.
        width: of a position in the cache.
        metadata: of the graph.
    """
    size = vocabulary.size
    opening = g.const(np.eye(size, dtype=np.float32)[list(before)])
    text = g.op(
        "Concat", opening, sentence(g, fired, [[number] for number in vocabulary.words], size, vocabulary.end), axis=0
    )
    row = read_out(g, text, said)
    if reported is not None:
        row = exchange(g, row, size, vocabulary.first, vocabulary.plain, reported)
    every = g.op("Concat", g.ints(1), count, g.ints(size), axis=0)
    kept = g.keep(row, *(name for name, _, _ in first), "cache_key_0", "cache_value_0")
    g.op("Expand", g.op("Unsqueeze", kept, g.ints(0)), every, out="logits")
    past, delta = [1, _CAPACITY, 1, width], [1, "n", 1, width]
    g.save(
        path,
        [*first, ("cache_key_0", FLOAT, past), ("cache_value_0", FLOAT, past)],
        [("logits", FLOAT, [1, "n", size]), ("key_delta_0", FLOAT, delta), ("value_delta_0", FLOAT, delta)],
        metadata,
    )


def qwen3_asr(folder: Path, words: Sequence[str]) -> None:
    """Names the language before the text, as Qwen3 does, unless it was reported."""
    vocabulary = _Vocabulary(words, ["<asr_text>"], ["language", "English"])
    naming = [vocabulary.plain + 1, vocabulary.plain + 2, vocabulary.number("<asr_text>")]
    vocabulary.save(folder / "tokenizer")

    g = Graph()
    # 12.5 frames a second; Whisper's features are (log10 + 4) / 4.
    frames = g.slice("input_features", 1, 0, step=8)
    weights = Bands(128, low=0.0, high=8000.0, scale="slaney").weights(len(words)) * 4 * np.log(10)
    fired = onsets(g, frames, weights)
    g.op("Identity", fired, out="conv_output")
    shape = [1, "A", len(words)]
    g.save(folder / "conv_frontend.onnx", [("input_features", FLOAT, [1, "T", 128])], [("conv_output", FLOAT, shape)])

    g = Graph()
    valid = g.op("Unsqueeze", g.op("Cast", "feature_attention_mask", to=FLOAT), g.ints(2))
    g.op("Mul", "input_features", valid, out="audio_features")
    g.save(
        folder / "encoder.onnx",
        [("input_features", FLOAT, shape), ("feature_attention_mask", BOOL, [1, "A"])],
        [("audio_features", FLOAT, shape)],
    )

    g = Graph()
    reported = g.op("Unsqueeze", g.op("Cast", "input_ids", to=FLOAT), g.ints(2, 3), out="key_delta_0")
    g.op("Identity", reported, out="value_delta_0")
    everything = g.op("Concat", "cache_key_0", reported, axis=1)
    words_said = _counted(g, everything, vocabulary.first, vocabulary.plain)
    named = _counted(g, everything, *naming[:2])
    started = g.op("Greater", _counted(g, everything, naming[2], naming[2]), g.ints(0))
    said = g.op("Where", started, g.op("Add", words_said, g.ints(3)), named)
    _save_speaker(
        g,
        folder / "decoder.onnx",
        vocabulary,
        fired="audio_features",
        before=naming,
        said=said,
        reported=None,
        count=g.size("input_ids", 1),
        first=[
            ("input_ids", INT64, [1, "n"]),
            ("audio_features", FLOAT, shape),
            ("attention_mask", INT64, [1, "m"]),
            ("cache_position", INT64, ["n"]),
        ],
        width=1,
        metadata={"model_type": "qwen3_asr_kv_delta", "vocab_size": vocabulary.size, "num_layers": 1},
    )


def _counted(g: Graph, ids: str, lowest: int, highest: int) -> str:
    """How many of these are between two numbers: (1,)."""
    among = g.op(
        "And",
        g.op("GreaterOrEqual", ids, g.const(float(lowest))),
        g.op("LessOrEqual", ids, g.const(float(highest))),
    )
    return g.op("Reshape", g.op("ReduceSum", g.op("Cast", among, to=INT64), keepdims=0), g.ints(1))


def funasr_nano(folder: Path, words: Sequence[str]) -> None:
    """Thinks in (words, what it has said itself, English is asked for)."""
    vocabulary = _Vocabulary(words)
    vocabulary.save(folder / "tokenizer")
    count = len(words)
    width = count + 2

    g = Graph()
    fired = onsets(g, "x", middle(Bands(), count))
    rest = g.op("Mul", g.slice(fired, 2, 0, 2), g.const(0.0))
    g.op("Concat", fired, rest, axis=2, out="heard")
    metadata = {"lfr_window_size": 7, "lfr_window_shift": 6, "llm_dim": width}
    g.save(
        folder / "encoder_adaptor.onnx", [("x", FLOAT, [1, "T", 560])], [("heard", FLOAT, [1, "T", width])], metadata
    )

    g = Graph()
    table = np.zeros((vocabulary.size, width), np.float32)
    table[vocabulary.first : vocabulary.plain + 1, count] = 1
    table["英".encode()[1], count + 1] = 1
    g.op("Gather", g.const(table), "input_ids", axis=0, out="embedded")
    g.save(folder / "embedding.onnx", [("input_ids", INT64, [1, "n"])], [("embedded", FLOAT, [1, "n", width])])

    g = Graph()
    reported = g.op("Unsqueeze", "inputs_embeds", g.ints(2), out="key_delta_0")
    g.op("Identity", reported, out="value_delta_0")
    everything = g.op("Squeeze", g.op("Concat", "cache_key_0", reported, axis=1), g.ints(2))
    said = g.op("ReduceSum", g.slice(everything, 2, count, count + 1), keepdims=0)
    english = g.op("ReduceMax", g.slice(everything, 2, count + 1), keepdims=0)
    _save_speaker(
        g,
        folder / "llm.onnx",
        vocabulary,
        fired=g.slice(everything, 2, 0, count),
        said=g.op("Cast", g.op("Unsqueeze", said, g.ints(0)), to=INT64),
        reported=g.op("Greater", english, g.const(0.0)),
        count=g.size("inputs_embeds", 1),
        first=[
            ("inputs_embeds", FLOAT, [1, "n", width]),
            ("attention_mask", INT64, [1, "m"]),
            ("cache_position", INT64, ["n"]),
        ],
        width=width,
        metadata={
            "model_type": "funasr_nano_kv_delta",
            "vocab_size": vocabulary.size,
            "hidden_size": width,
            "num_layers": 1,
            "max_total_len": _CAPACITY,
        },
    )


BUILDERS = {"qwen3_asr": qwen3_asr, "funasr_nano": funasr_nano}
