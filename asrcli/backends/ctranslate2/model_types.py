"""The model type of CTranslate2: Whisper. Imports no engine."""

from collections.abc import Callable, Mapping

from asrcli.backends.model_type import ModelType
from asrcli.backends.sherpa.model_types import WHISPER_LANGUAGES

WHISPER = "ctranslate2_whisper"

TYPES = {
    WHISPER: ModelType(
        translation={"task": "translate"},
        languages=WHISPER_LANGUAGES,
        detects_language=True,
        hotwords="prompt",
        punctuated=True,
        limit=30.0,
    )
}

#: precisions of CTranslate2 (its documentation, "Quantization"); auto: int8 on a CPU, float16 on a GPU
COMPUTE_TYPES = (
    "auto", "default", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16",
    "float32",
)  # fmt: skip


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


#: options of an entry: a check, and what is allowed
OPTIONS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "compute_type": (lambda value: value in COMPUTE_TYPES, f"one of {', '.join(COMPUTE_TYPES)}"),
    "task": (lambda value: value in {"transcribe", "translate"}, "transcribe or translate"),
    "beam_size": (_positive, "a whole number, 1 or more"),
    "batch_size": (_positive, "a whole number, 1 or more"),
    "num_threads": (_positive, "a whole number, 1 or more"),
}
