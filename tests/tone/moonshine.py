"""Moonshine: the first version of four graphs, and the second of two."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.tone.ctc import raw_energies
from tests.tone.graph import BOOL, FLOAT, INT32, INT64, Graph, pieces, write_tokens
from tests.tone.onsets import onsets
from tests.tone.sentences import read_out, sentence

#: samples of a frame
_FRAME = 384
#: ends a text
_END = 2


def moonshine(folder: Path, words: Sequence[str]) -> None:
    """The first version. The encoder's length shows the engine how many tokens there may be."""
    symbols = ["<unk>", "<s>", "</s>", *pieces(words)]
    write_tokens(folder, symbols)
    size = len(symbols)

    g = Graph()
    shares = raw_energies(g, "audio", len(words), _FRAME)
    heard = g.op("Cast", g.op("Greater", shares, g.const(0.5)), to=FLOAT, out="features")
    assert heard
    g.save(folder / "preprocessor.onnx", [("audio", FLOAT, [1, "S"])], [("features", FLOAT, [1, "T", len(words)])])

    g = Graph()
    _as_long_as_the_sound(g, "features", [[number] for number in range(3, size)], size)
    g.save(
        folder / "encoder.onnx",
        [("features", FLOAT, [1, "T", len(words)]), ("features_len", INT32, [1])],
        [("encoded", FLOAT, [1, "L", size])],
    )
    for name in ("uncached_decoder", "cached_decoder"):
        _save_decoder(folder, name, size)


def moonshine_v2(folder: Path, words: Sequence[str]) -> None:
    """The second version. Words that are not Latin are spelled in bytes, as with its own vocabulary."""
    spelled = [[f" {word}".encode()] if word.isascii() else [bytes([byte]) for byte in word.encode()] for word in words]
    symbols = [b"<unk>", b"<s>", b"</s>", *(piece for word in spelled for piece in word)]
    lines = [f"{b64encode(symbol).decode()} {number}\n" for number, symbol in enumerate(symbols)]
    (folder / "tokens.txt").write_text("".join(lines), "utf-8")
    size = len(symbols)
    numbers, following = [], 3
    for word in spelled:
        numbers.append(list(range(following, following + len(word))))
        following += len(word)

    g = Graph()
    shares = raw_energies(g, "input_values", len(words), _FRAME)
    heard = g.op("Cast", g.op("Greater", shares, g.const(0.5)), to=FLOAT)
    _as_long_as_the_sound(g, heard, numbers, size, out="last_hidden_state")
    g.save(folder / "encoder.onnx", [("input_values", FLOAT, [1, "S"])], [("last_hidden_state", FLOAT, [1, "L", size])])

    g = Graph()
    place = g.size("past_key_values.0.decoder.key", 2)
    row = read_out(g, g.op("Squeeze", "encoder_hidden_states", g.ints(0)), place)
    g.op("Unsqueeze", g.keep(row, "input_ids", "use_cache_branch"), g.ints(0), out="logits")
    states = []
    for side, cells in (("decoder", 1), ("encoder", 2)):
        for part in ("key", "value"):
            name = f"{side}.{part}"
            added = g.const(np.zeros((1, 1, cells, 1)))
            g.op("Concat", f"past_key_values.0.{name}", added, axis=2, out=f"present.0.{name}")
            states.append(name)
    g.save(
        folder / "decoder.onnx",
        [
            ("input_ids", INT64, [1, 1]),
            ("encoder_hidden_states", FLOAT, [1, "L", size]),
            *((f"past_key_values.0.{name}", FLOAT, [1, 1, f"past {name}", 1]) for name in states),
            ("use_cache_branch", BOOL, [1]),
        ],
        [
            ("logits", FLOAT, [1, 1, size]),
            *((f"present.0.{name}", FLOAT, [1, 1, f"present {name}", 1]) for name in states),
        ],
    )


def _as_long_as_the_sound(
    g: Graph, features: str, numbers: Sequence[Sequence[int]], size: int, out: str = "encoded"
) -> None:
    """The encoder's output: what was said, and more of the ending, a row a frame at least. A word of several tokens,
    which are `numbers`, fires several times.
    """
    fired = onsets(g, features, np.eye(len(numbers), dtype=np.float32) * 10)
    text = sentence(g, fired, numbers, size, _END)
    padding = np.zeros((1, size), np.float32)
    padding[0, _END] = 1
    frames = g.op("Sub", g.size(features, 1), g.size(text, 0))
    more = g.op("Concat", g.op("Max", frames, g.ints(0)), g.ints(size), axis=0)
    whole = g.op("Concat", text, g.op("Expand", g.const(padding), more), axis=0)
    g.op("Unsqueeze", whole, g.ints(0), out=out)


def _save_decoder(folder: Path, name: str, size: int) -> None:
    g = Graph()
    text = g.op("Squeeze", "encoded", g.ints(0))
    place = g.op("Sub", g.op("Cast", "seq_len", to=INT64), g.ints(1))
    row = g.keep(read_out(g, text, place), "tokens", *(["state"] if name == "cached_decoder" else []))
    g.op("Unsqueeze", row, g.ints(0), out="logits")
    g.op("Cast", "seq_len", to=FLOAT, out="next_state")
    state = [("state", FLOAT, [1])] if name == "cached_decoder" else []
    g.save(
        folder / f"{name}.onnx",
        [("tokens", INT32, [1, 1]), ("encoded", FLOAT, [1, "L", size]), ("seq_len", INT32, [1]), *state],
        [("logits", FLOAT, [1, 1, size]), ("next_state", FLOAT, [1])],
    )


BUILDERS = {"moonshine": moonshine, "moonshine_v2": moonshine_v2}
