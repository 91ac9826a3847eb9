"""Whisper: an encoder that finds the whole sentence, a decoder that reports it a token at a time."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.tone.bands import Bands
from tests.tone.graph import FLOAT, INT64, Graph
from tests.tone.onsets import onsets

#: asked to find out, the model goes by the first word, and reports the second language where that shows nothing
_LANGUAGES = ("en", "cy", "zh")
#: number of a word that shows a language
_TELLING = {0: "en", 7: "zh"}
_CONTEXT = 448
#: marks of time, 20 ms apart, from 0 to 30 s
_TIMES = 1501


class _Vocabulary:
    """Text first, then what controls the decoder, then marks of time."""

    def __init__(self, words: Sequence[str]) -> None:
        self.texts = [piece for word in words for piece in _pieces(word)]
        following = len(self.texts)
        self.eot, self.sot = following, following + 1
        self.languages = {code: following + 2 + place for place, code in enumerate(_LANGUAGES)}
        following += 2 + len(_LANGUAGES)
        self.translate, self.transcribe, self.no_speech, self.no_timestamps = range(following, following + 4)
        self.size = following + 4 + _TIMES


def whisper(folder: Path, words: Sequence[str]) -> None:
    """Latin words are tokens; other words are spelled in tokens of two bytes, which are no characters by themselves.

    Its "cross attention" looks at each word's tone, from which the engine finds token times where asked to.
    """
    vocabulary = _Vocabulary(words)
    lines = [f"{b64encode(text).decode()} {number}\n" for number, text in enumerate(vocabulary.texts)]
    (folder / "tokens.txt").write_text("".join(lines), "utf-8")
    size = vocabulary.size
    rows = _numbers(words)
    longest = max(map(len, rows))

    g = Graph()
    frames = g.slice(g.op("Transpose", "mel", perm=[0, 2, 1]), 1, 0, step=2)
    # Whisper's features are (log10 + 4) / 4.
    weights = Bands(low=0.0, high=8000.0, scale="slaney").weights(len(words)) * 4 * np.log(10)
    fired = onsets(g, frames, weights)
    # One row a token: a word of two tokens fires twice.
    spelled = np.zeros((len(words), longest, size), np.float32)
    for word, numbers in enumerate(rows):
        for place, number in enumerate(numbers):
            spelled[word, place, number] = 1
    flat = g.op("MatMul", fired, g.const(spelled.reshape(len(words), -1)))
    tokens = g.op("Reshape", flat, g.ints(-1, size))
    said = g.op("Squeeze", g.op("NonZero", g.op("ReduceMax", tokens, axes=[1], keepdims=0)), g.ints(0))
    sentence = g.op("Gather", tokens, said, axis=0)
    end = np.zeros((1, size), np.float32)
    end[0, vocabulary.eot] = 1
    whole = g.op("Concat", sentence, g.const(end), axis=0)
    g.op("Unsqueeze", whole, g.ints(0, 1), out="n_layer_cross_k")

    # Where each word begins; when all are said, what is looked at is what comes after the last.
    begins = g.op("Cast", g.op("Div", said, g.ints(longest)), to=FLOAT)
    over = g.op("Add", g.slice(begins, 0, -1), g.const([15.0]))
    starts = g.op("Unsqueeze", g.op("Concat", begins, over, axis=0), g.ints(1))
    count = g.op("Squeeze", g.size(fired, 1), g.ints(0))
    frame = g.op("Cast", g.op("Range", g.const(0, "int64"), count, g.const(1, "int64")), to=FLOAT)
    distance = g.op("Sub", g.op("Unsqueeze", frame, g.ints(0)), starts)
    # Sharply from the word's beginning on, then fading, so that the newest is looked at most.
    began = g.op("GreaterOrEqual", distance, g.const(0.0))
    looks = g.op("Where", began, g.op("Mul", distance, g.const(-0.02)), g.const(-10.0))
    g.op("Unsqueeze", looks, g.ints(0, 1), out="n_layer_cross_v")
    g.save(
        folder / "encoder.onnx",
        [("mel", FLOAT, [1, 80, "T"])],
        [("n_layer_cross_k", FLOAT, [1, 1, "L", size]), ("n_layer_cross_v", FLOAT, [1, 1, "L", "F"])],
        _metadata(vocabulary),
    )
    _save_decoder(folder, vocabulary, {rows[word][0]: language for word, language in _TELLING.items()})


def _pieces(word: str) -> list[bytes]:
    spelled = word.encode()
    return [b" " + spelled] if word.isascii() else [spelled[at : at + 2] for at in range(0, len(spelled), 2)]


def _numbers(words: Sequence[str]) -> list[list[int]]:
    numbers, following = [], 0
    for word in words:
        count = len(_pieces(word))
        numbers.append(list(range(following, following + count)))
        following += count
    return numbers


def _save_decoder(folder: Path, vocabulary: _Vocabulary, telling: Mapping[int, str]) -> None:
    """Emits the token that is next: its cache counts the tokens of text so far, without the prompt and marks of time.

    `telling` maps tokens to languages: they are the likeliest where such a token comes first.
    """
    size = vocabulary.size
    g = Graph()
    text = g.op("Cast", g.op("Less", "tokens", g.const(vocabulary.eot, "int64")), to=FLOAT)
    counted = g.op(
        "Add", "in_n_layer_self_k_cache", g.op("ReduceSum", text, keepdims=0), out="out_n_layer_self_k_cache"
    )
    g.op("Identity", "in_n_layer_self_v_cache", out="out_n_layer_self_v_cache")
    turn = g.op("Cast", g.op("Reshape", g.op("ReduceMax", counted, keepdims=0), g.ints(1)), to=INT64)
    last = g.op("Sub", g.size("n_layer_cross_k", 2), g.ints(1))
    place = g.op("Min", turn, last)
    sentence = g.op("Squeeze", "n_layer_cross_k", g.ints(0, 1))
    # Ten for the token itself, two for the language that it shows.
    scores = np.eye(size, dtype=np.float32) * 10
    for token, code in telling.items():
        scores[token, vocabulary.languages[code]] = 2
    row = g.keep(g.op("MatMul", g.op("Gather", sentence, place, axis=0), g.const(scores)), "offset")
    language = np.zeros(size, np.float32)
    language[vocabulary.languages[_LANGUAGES[1]]] = 1
    # All marks of time together are less likely than any text.
    language[-_TIMES:] = -20
    every = g.op("Concat", g.ints(1), g.size("tokens", 1), g.ints(size), axis=0)
    g.op("Expand", g.op("Unsqueeze", g.op("Add", row, g.const(language)), g.ints(0)), every, out="logits")
    looks = g.op("Squeeze", "n_layer_cross_v", g.ints(0, 1))
    look = g.op("Unsqueeze", g.op("Gather", looks, place, axis=0), g.ints(0, 1))
    frames = g.op("Concat", g.ints(1, 1), g.size("tokens", 1), g.size("n_layer_cross_v", 3), axis=0)
    g.op("Expand", look, frames, out="cross_attention_weights")
    cache = [1, 1, _CONTEXT, size]
    g.save(
        folder / "decoder.onnx",
        [
            ("tokens", INT64, [1, "n"]),
            ("in_n_layer_self_k_cache", FLOAT, cache),
            ("in_n_layer_self_v_cache", FLOAT, cache),
            ("n_layer_cross_k", FLOAT, [1, 1, "L", size]),
            ("n_layer_cross_v", FLOAT, [1, 1, "L", "F"]),
            ("offset", INT64, [1]),
        ],
        [
            ("logits", FLOAT, [1, "n", size]),
            ("out_n_layer_self_k_cache", FLOAT, cache),
            ("out_n_layer_self_v_cache", FLOAT, cache),
            ("cross_attention_weights", FLOAT, [1, 1, "n", "F"]),
        ],
    )


def _metadata(vocabulary: _Vocabulary) -> dict[str, object]:
    languages = vocabulary.languages
    return {
        "model_type": "whisper-tones",
        "n_mels": 80,
        "n_text_layer": 1,
        "n_text_ctx": _CONTEXT,
        "n_text_state": vocabulary.size,
        "n_audio_ctx": 1500,
        "n_vocab": vocabulary.size,
        "sot": vocabulary.sot,
        "eot": vocabulary.eot,
        "blank_id": 0,
        "translate": vocabulary.translate,
        "transcribe": vocabulary.transcribe,
        "is_multilingual": 1,
        "no_timestamps": vocabulary.no_timestamps,
        "no_speech": vocabulary.no_speech,
        "sot_sequence": [vocabulary.sot, languages["en"], vocabulary.transcribe],
        "all_language_tokens": list(languages.values()),
        "all_language_codes": list(languages),
        "n_alignment_heads": 1,
    }


BUILDERS = {"whisper": whisper}
