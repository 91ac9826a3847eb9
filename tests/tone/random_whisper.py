"""A Whisper of one layer with random weights and the vocabulary of the multilingual models, for CTranslate2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from asrcli.backends.sherpa.model_types import WHISPER_LANGUAGES

_WIDTH, _HEADS = 16, 2


def build_random(folder: Path, *, positions: int | None = None) -> None:
    """Write a Whisper of one layer with the vocabulary of the multilingual models; `positions`: each answer ends behind
    so many positions of the decoder, its prompt included. By default none ever ends.
    """
    from ctranslate2.specs import WhisperSpec
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    # CTranslate2 takes a vocabulary for one of many languages if it holds the empty token, as the published ones do.
    words = [*letters, *(f"Ġw{number}" for number in range(50256 - len(letters))), ""]
    marks = ["endoftext", "startoftranscript", *WHISPER_LANGUAGES[:99], "translate", "transcribe", "startoflm"]
    marks += ["startofprev", "nospeech", "notimestamps", *(f"{step * 0.02:.2f}" for step in range(1501))]
    vocabulary = words + [f"<|{mark}|>" for mark in marks]
    tokenizer = Tokenizer(BPE({word: number for number, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(vocabulary[len(words) :])
    tokenizer.save(str(folder / "tokenizer.json"))

    spec = WhisperSpec(1, _HEADS, 1, _HEADS)
    _fill(spec, len(vocabulary), np.random.default_rng(5))
    if positions is not None:
        _end_at(spec.decoder, positions, end=len(words))
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = list(range(50259, 50358))
    spec.config.alignment_heads = [(0, 0)]
    spec.register_vocabulary(vocabulary)
    spec.validate()
    spec.save(str(folder))


def _end_at(decoder: Any, position: int, *, end: int) -> None:
    """Give a dimension to the end: no token has it but the end's, and it is large from a position on."""
    decoder.embeddings.weight[:, 0] = 0.0
    decoder.embeddings.weight[end, 0] = 0.5
    decoder.position_encodings.encodings[:, 0] = 0.0
    decoder.position_encodings.encodings[position:, 0] = 1000.0


def _fill(spec: Any, vocabulary: int, rng: np.random.Generator) -> None:
    def matrix(*shape: int) -> Any:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(_WIDTH, np.float32), np.zeros(_WIDTH, np.float32)

    def linear(layer: Any, rows: int, columns: int = _WIDTH) -> None:
        layer.weight, layer.bias = matrix(rows, columns), np.zeros(rows, np.float32)

    def attention(layer: Any, *, cross: bool = False) -> None:
        norm(layer.layer_norm)
        for part, rows in zip(layer.linear, (1, 2, 1) if cross else (3, 1), strict=True):
            linear(part, rows * _WIDTH)

    def feed_forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, 4 * _WIDTH)
        linear(layer.linear_1, _WIDTH, 4 * _WIDTH)

    encoder, decoder = spec.encoder, spec.decoder
    for convolution, bands in ((encoder.conv1, 80), (encoder.conv2, _WIDTH)):
        convolution.weight, convolution.bias = matrix(_WIDTH, bands, 3), np.zeros(_WIDTH, np.float32)
    encoder.position_encodings.encodings = matrix(1500, _WIDTH)
    decoder.position_encodings.encodings = matrix(448, _WIDTH)
    decoder.embeddings.weight = matrix(vocabulary, _WIDTH)
    decoder.projection.weight = decoder.embeddings.weight
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    for layer in (encoder.layer[0], decoder.layer[0]):
        attention(layer.self_attention)
        feed_forward(layer.ffn)
    attention(decoder.layer[0].attention, cross=True)
