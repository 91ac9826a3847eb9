"""The language identification service of the engine process: a Whisper model gives the ISO code of speech."""

from __future__ import annotations

from collections.abc import Sequence

import sherpa_onnx

from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.sherpa.recognizer import as_floats
from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.errors import ModelError
from asrcli.storage.onnx_file import read_metadata

#: silence after the speech, in frames of 10 ms: the engine's default, and what fits in Whisper's 30 s
_TAIL = 1000


def load(spec: ModelSpec, threads: int) -> LanguageIdentifier:
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
