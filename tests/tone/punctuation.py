"""Punctuators: what follows a word depends on the word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.tone.graph import FLOAT, INT32, Graph

#: mark after a word, by its place in the vocabulary
MARKS = {1: "，", 3: "？", 5: "、", 7: "。"}
_PUNCTUATION = ("<unk>", "_", "，", "。", "？", "、")
#: longest sentence of the English kind, as its loader pads them
_LONGEST = 200


def punctuation_ct_transformer(folder: Path, words: Sequence[str]) -> None:
    """CT-Transformer: a comma after the second word, a question mark after the fourth, and so on (`MARKS`)."""
    tokens = [*words, "<unk>"]
    table = np.zeros((len(tokens), len(_PUNCTUATION)), np.float32)
    for place in range(len(tokens)):
        table[place, _PUNCTUATION.index(MARKS.get(place, "_"))] = 1
    g = Graph()
    g.keep(g.op("Gather", g.const(table), "inputs", axis=0), "text_lengths", out="logits")
    g.save(
        folder / "ct_transformer.onnx",
        [("inputs", INT32, ["N", "T"]), ("text_lengths", INT32, ["N"])],
        [("logits", FLOAT, ["N", "T", len(_PUNCTUATION)])],
        {
            "model_type": "ct_transformer",
            "tokens": "|".join(tokens),
            "vocab_size": len(tokens),
            "punctuations": "|".join(_PUNCTUATION),
            "unk_symbol": "<unk>",
        },
    )


def punctuation_cnn_bilstm(folder: Path, words: Sequence[str]) -> None:
    """The English kind: marks as in `MARKS` (comma, full stop, question mark) and a capital after a full stop's word.

    Each word is one piece; its case and mark are read from its row.
    """
    latin = [word for word in words if word.isascii()]
    pieces = ["<unk>", "<s>", "</s>", *(f"▁{word}" for word in latin)]
    (folder / "bpe.vocab").write_text("".join(f"{piece}\t{-place}\n" for place, piece in enumerate(pieces)), "utf-8")
    marks = {"，": 1, "、": 1, "。": 2, "？": 3}
    cases = np.zeros((len(pieces), 4), np.float32)
    punctuation = np.zeros((len(pieces), 4), np.float32)
    for place in range(len(pieces)):
        word = place - 3
        cases[place, 2 if word == 0 else 0] = 1
        punctuation[place, marks.get(MARKS.get(word, ""), 0)] = 1
    g = Graph()
    # Words only, each by its first piece: neither padding nor the marks of beginning and end have a row in the answer.
    flat = g.op("Reshape", "token_ids", g.ints(-1))
    first = g.op("Greater", g.op("Reshape", "valid_ids", g.ints(-1)), g.const(0, "int32"))
    edge = g.op("Or", g.op("Equal", flat, g.const(1, "int32")), g.op("Equal", flat, g.const(2, "int32")))
    real = g.op("Squeeze", g.op("NonZero", g.op("And", first, g.op("Not", edge))), g.ints(0))
    chosen = g.op("Gather", flat, real, axis=0)
    g.keep(g.op("Gather", g.const(cases), chosen, axis=0), "label_lens", out="case_logits")
    g.op("Gather", g.const(punctuation), chosen, axis=0, out="punct_logits")
    g.save(
        folder / "cnn_bilstm.onnx",
        [("token_ids", INT32, ["N", _LONGEST]), ("valid_ids", INT32, ["N", _LONGEST]), ("label_lens", INT32, ["N"])],
        [("case_logits", FLOAT, ["W", 4]), ("punct_logits", FLOAT, ["W", 4])],
        {"COMMA": 1, "PERIOD": 2, "QUESTION": 3, "UPPER": 1, "CAP": 2, "MIX_CASE": 3},
    )


BUILDERS = {
    "punctuation_ct_transformer": punctuation_ct_transformer,
    "punctuation_cnn_bilstm": punctuation_cnn_bilstm,
}
