"""The punctuation service: text without marks in, text with marks out, in the engine process.

`ct_transformer` (Chinese and English; FunASR's CT-Transformer) adds marks; `cnn_bilstm` (English) adds marks and
capitals. Both are pure functions of the text, so any number of threads may call one instance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sherpa_onnx

from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.errors import ModelError


def load(spec: ModelSpec, threads: int) -> Punctuator:
    """Load a model of kind "punctuation". Each call runs on one engine thread: parallelism is across jobs.

    Raises:
        ModelError: no punctuation model is of that type.
    """
    del threads
    if spec.type == "ct_transformer":
        return Punctuator(_ct_transformer(spec))
    if spec.type == "cnn_bilstm":
        return Punctuator(_cnn_bilstm(spec))
    raise ModelError(
        f"The model {spec.name} is no punctuation model: its type is {spec.type}.",
        "Choose one of type ct_transformer or cnn_bilstm: asrcli models lists them.",
    )


class Punctuator:
    """Jobs carry a text (str) and no samples; results are the text with marks."""

    batch_size = 1

    def __init__(self, punctuate: Callable[[str], str]) -> None:
        self._punctuate = punctuate

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[str]:
        return [self._punctuate(job.request) if job.request.strip() else job.request for job in jobs]


def _ct_transformer(spec: ModelSpec) -> Callable[[str], str]:
    model = sherpa_onnx.OfflinePunctuationModelConfig(ct_transformer=str(spec.files["ct_transformer"]), num_threads=1)
    engine = sherpa_onnx.OfflinePunctuation(sherpa_onnx.OfflinePunctuationConfig(model=model))
    return lambda text: _with_its_end(text, engine.add_punctuation)


def _cnn_bilstm(spec: ModelSpec) -> Callable[[str], str]:
    model = sherpa_onnx.OnlinePunctuationModelConfig(
        cnn_bilstm=str(spec.files["cnn_bilstm"]), bpe_vocab=str(spec.files["bpe_vocab"]), num_threads=1
    )
    engine = sherpa_onnx.OnlinePunctuation(sherpa_onnx.OnlinePunctuationConfig(model_config=model))

    def punctuate(text: str) -> str:
        # It gives the words their case, and knows them in small letters; many recognisers write capitals alone.
        return str(engine.add_punctuation_with_case(text.lower() if text.isupper() else text))

    return punctuate


def _with_its_end(text: str, punctuate: Callable[[str], str]) -> str:
    """The text with marks, its end included.

    The engine (2.0.1) looks at 20 words at a time, and loses the last one where it comes behind a sentence's end and
    begins a new twenty. What is missing is punctuated by itself.
    """
    marked = str(punctuate(text))
    rest = _unsaid(text, marked)
    return f"{marked} {_with_its_end(rest, punctuate)}" if 0 < len(rest) < len(text) else marked


def _unsaid(text: str, marked: str) -> str:
    """The end of the text that the marked one lacks."""
    said = (char for char in marked if not char.isspace())
    for at, char in enumerate(text):
        if not char.isspace() and char not in said:  # looks for it in what is left: marks between are passed over
            return text[at:]
    return ""
