"""Services of the engine process beside recognition: punctuation, and identification of the language by Whisper.

`ct_transformer` (Chinese and English; FunASR's CT-Transformer) adds punctuation; `cnn_bilstm` (English) also adds
capitals. Both are pure functions of the text, so several threads may call one instance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sherpa_onnx

from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.funasr import companions as funasr
from asrcli.backends.sherpa.recognizer import as_floats
from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.errors import ModelError
from asrcli.storage.onnx_file import read_metadata


def load_punctuator(spec: ModelSpec, threads: int) -> Punctuator:
    """Load a model of kind "punctuation". Each call runs on one engine thread: parallelism is across jobs. Raises
    ModelError: it is not a punctuation model.
    """
    del threads
    if spec.type == "ct_transformer":
        return Punctuator(_ct_transformer(spec))
    if spec.type == "cnn_bilstm":
        return Punctuator(_cnn_bilstm(spec))
    if spec.type == funasr.PUNCTUATION:
        return Punctuator(funasr.load_punctuation(spec))
    raise ModelError(
        f"The model {spec.name} is not a punctuation model: its type is {spec.type}.",
        f"Choose one of type ct_transformer, cnn_bilstm or {funasr.PUNCTUATION}: asrcli models lists them.",
    )


class Punctuator:
    """Jobs carry a text (str) and no samples; results are the punctuated text."""

    batch_size = 1

    def __init__(self, punctuate: Callable[[str], str]) -> None:
        self._punctuate = punctuate

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[str]:
        return [self._punctuate(job.request) if job.request.strip() else job.request for job in jobs]


def _ct_transformer(spec: ModelSpec) -> Callable[[str], str]:
    model = sherpa_onnx.OfflinePunctuationModelConfig(ct_transformer=str(spec.files["ct_transformer"]), num_threads=1)
    engine = sherpa_onnx.OfflinePunctuation(sherpa_onnx.OfflinePunctuationConfig(model=model))
    return lambda text: _with_end(text, engine.add_punctuation)


def _cnn_bilstm(spec: ModelSpec) -> Callable[[str], str]:
    model = sherpa_onnx.OnlinePunctuationModelConfig(
        cnn_bilstm=str(spec.files["cnn_bilstm"]), bpe_vocab=str(spec.files["bpe_vocab"]), num_threads=1
    )
    engine = sherpa_onnx.OnlinePunctuation(sherpa_onnx.OnlinePunctuationConfig(model_config=model))

    def punctuate(text: str) -> str:
        # It expects lower case and restores the case; many recognisers write capitals only.
        return str(engine.add_punctuation_with_case(text.lower() if text.isupper() else text))

    return punctuate


def _with_end(text: str, punctuate: Callable[[str], str]) -> str:
    """The punctuated text, its end included.

    The engine (2.0.1) reads 20 words at a time and drops the last word where it is the first of a new 20 and follows a
    sentence end. What is missing is punctuated separately.
    """
    marked = str(punctuate(text))
    rest = _missing_end(text, marked)
    return f"{marked} {_with_end(rest, punctuate)}" if 0 < len(rest) < len(text) else marked


def _missing_end(text: str, marked: str) -> str:
    """The end of the text that is missing in the punctuated one."""
    found = (char for char in marked if not char.isspace())
    for at, char in enumerate(text):
        if not char.isspace() and char not in found:  # searches the rest: punctuation in between is skipped
            return text[at:]
    return ""


#: silence after the speech, in frames of 10 ms: the engine's default, and what fits in Whisper's 30 s
_TAIL = 1000


def load_language_identifier(spec: ModelSpec, threads: int) -> LanguageIdentifier:
    """Load a model of kind "language-id". Each call runs on one engine thread: parallelism is across jobs. Raises
    ModelError: it is not a multilingual Whisper model.
    """
    del threads
    if "encoder" not in spec.files or "decoder" not in spec.files:
        raise ModelError(f"The model {spec.name} cannot identify languages.", "Whisper models can; list: asrcli models")
    # The engine would end its process over both.
    metadata = read_metadata(spec.files["encoder"])
    if metadata.get("is_multilingual") != "1" or not metadata.get("all_language_codes"):
        raise ModelError(
            f"The Whisper model {spec.name} supports one language only.",
            "Choose a multilingual one, such as whisper-lid-tiny.",
        )
    whisper = sherpa_onnx.SpokenLanguageIdentificationWhisperConfig(
        encoder=str(spec.files["encoder"]), decoder=str(spec.files["decoder"]), tail_paddings=_TAIL
    )
    config = sherpa_onnx.SpokenLanguageIdentificationConfig(whisper=whisper, num_threads=1)
    return LanguageIdentifier(sherpa_onnx.SpokenLanguageIdentification(config))


class LanguageIdentifier:
    """Jobs carry samples, of which the first 30 s are read; results are ISO codes."""

    batch_size = 1

    def __init__(self, engine: sherpa_onnx.SpokenLanguageIdentification) -> None:
        self._engine = engine

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[str]:
        return [self._identify(job) for job in jobs]

    def _identify(self, job: DecodeJob) -> str:
        stream = self._engine.create_stream()
        stream.accept_waveform(SAMPLE_RATE, as_floats(job.samples))
        return str(self._engine.compute(stream))
