"""SenseVoiceSmall."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from toolkit_models.hearing import ANCHOR, FRONTEND, HEARD, INPUT, Listening, blank_model, norm_of_anchor, write_folder

#: SenseVoice's query for each language, and its queries for inverse text normalisation
LANGUAGES = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12}
WITH_ITN, WITHOUT_ITN = 14, 15


def build(class_name: str, folder: Path, words: Sequence[str]) -> None:
    """Frames of 60 ms behind four tags that follow the request.

    Without ITN the first word is written twice as long ("do" as "dodo"), so that a test sees the switch arrive.
    """
    doubled = words[0] + words[0]
    tags = [f"<|{code}|>" for code in LANGUAGES if code != "auto"]
    tags += ["<|HAPPY|>", "<|Speech|>", "<|withitn|>", "<|woitn|>"]
    tokenizer = _sentence_pieces(folder / "tones.bpe.model", [*words, doubled], tags)
    vocabulary = tokenizer.get_piece_size()
    count = len(words)
    size = count + 1 + len(tags) + 3 + 2  # words, doubled, tags, blank, the switch, zero, the anchor
    blank, switch, zero, first_tag = size - 5, size - 4, size - 3, count + 1

    config = {
        "model": class_name,
        "model_conf": {},
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": {
            "output_size": size,
            "attention_heads": 1,
            "linear_units": 8,
            "num_blocks": 1,
            "input_layer": "pe",
            "normalize_before": True,
            "kernel_size": 3,
        },
        "frontend": "WavFrontend",
        "frontend_conf": FRONTEND,
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {},
    }
    model = blank_model(class_name, config, vocabulary)
    layer = model.encoder.encoders0[0]
    listening = Listening(layer, size, zero)
    listening.hear(count)
    listening.value_bias[blank] = HEARD

    # A query is one large number in a dimension of its own, where no frame of sound has one.
    spoken = {number: f"<|{'zh' if code == 'auto' else code}|>" for code, number in LANGUAGES.items()}
    spoken |= {1: "<|HAPPY|>", 2: "<|Speech|>", WITH_ITN: "<|withitn|>", WITHOUT_ITN: "<|woitn|>"}
    for number, tag in spoken.items():
        model.embed.weight[number, number] = 10 * ANCHOR
        listening.value[first_tag + tags.index(tag), number] = 50.0
        listening.value_bias[first_tag + tags.index(tag)] = -50.0
    # Every frame looks at the query for ITN (or the lack of it), and takes from there whether it is to be written.
    layer.self_attn.linear_q_k_v.bias[0] = 10.0
    layer.self_attn.linear_q_k_v.weight[size, [WITH_ITN, WITHOUT_ITN]] = 10.0
    listening.value[switch, WITHOUT_ITN] = 1 / float(np.sqrt(INPUT - 1))  # such a query has this norm
    layer.self_attn.linear_out.weight[switch, switch] = 1.0
    without = {0: 1.0, switch: 20.0}  # above 20 only where the switch is on and the first tone is heard
    listening.unit(without, 20.0 + HEARD - 0.3, {count: 50.0})
    listening.unit(without, 20.0 + HEARD + 5.0, {count: -50.0})

    scale = norm_of_anchor(size) * 5
    for index, word in enumerate([*words, doubled]):
        model.ctc.ctc_lo.weight[_piece(tokenizer, word), index] = scale
    for index, tag in enumerate(tags):
        model.ctc.ctc_lo.weight[tokenizer.piece_to_id(tag), first_tag + index] = scale
    model.ctc.ctc_lo.weight[0, blank] = scale
    write_folder(folder, config, model, {"tokenizer_conf": {"bpemodel": "tones.bpe.model"}})


def _sentence_pieces(path: Path, words: Sequence[str], tags: Sequence[str]) -> Any:
    """A tokenizer with each word as one piece, and the tags as SenseVoice's has them."""
    written = io.BytesIO()
    pieces = [f"▁{word}" if word.isascii() else word for word in words]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(words)] * 4),
        model_writer=written,
        model_type="char",
        vocab_size=3 + len(tags) + len(pieces) + len({letter for word in words for letter in word}) + 1,
        user_defined_symbols=[*tags, *pieces],
        hard_vocab_limit=False,
        add_dummy_prefix=False,
        minloglevel=2,
    )
    path.write_bytes(written.getvalue())
    tokenizer = sentencepiece.SentencePieceProcessor()
    tokenizer.load(str(path))
    return tokenizer


def _piece(tokenizer: Any, word: str) -> int:
    return int(tokenizer.piece_to_id(f"▁{word}" if word.isascii() else word))
