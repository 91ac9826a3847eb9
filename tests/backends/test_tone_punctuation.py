"""The punctuation tone models load in the engine and say what their rows say; what uses them is tested elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sherpa_onnx

from tests.tone import WORDS


def test_ct_transformer(tone_models: Callable[..., Path]) -> None:
    model = str(tone_models("punctuation_ct_transformer") / "ct_transformer.onnx")
    config = sherpa_onnx.OfflinePunctuationConfig(sherpa_onnx.OfflinePunctuationModelConfig(ct_transformer=model))
    punctuator = sherpa_onnx.OfflinePunctuation(config)
    assert punctuator.add_punctuation("do re mi fa sol la 高 ti do") == "do re，mi fa？sol la、高。ti do。"


def test_cnn_bilstm(tone_models: Callable[..., Path]) -> None:
    folder = tone_models("punctuation_cnn_bilstm")
    config = sherpa_onnx.OnlinePunctuationConfig(
        sherpa_onnx.OnlinePunctuationModelConfig(
            cnn_bilstm=str(folder / "cnn_bilstm.onnx"), bpe_vocab=str(folder / "bpe.vocab")
        )
    )
    punctuator = sherpa_onnx.OnlinePunctuation(config)
    assert punctuator.add_punctuation_with_case(" ".join(WORDS[:7])) == "Do re, mi fa? sol la, ti"
