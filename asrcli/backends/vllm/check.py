"""Model types that vLLM transcribes with, and the checks of their folders: config.json and weights as safetensors.

Qwen3-ASR has a type of its own (`backends.qwen`), which vLLM or torch runs.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from asrcli.backends.device import devices_of
from asrcli.backends.model_type import ANY, POSITIVE, ModelType, OptionCheck, one_of
from asrcli.backends.sherpa.model_types import PROMPTED_WHISPER
from asrcli.backends.types import Checks, ModelSpec, check_files, check_options
from asrcli.backends.vllm.options import OPTIONS as VLLM_OPTIONS
from asrcli.errors import ModelError, OptionNotSupportedError

WHISPER, AUDIO = "vllm_whisper", "vllm_audio"
TYPES: Mapping[str, ModelType] = {
    WHISPER: PROMPTED_WHISPER,
    # Languages and the use of a prompt differ: the engine refuses what the model would ignore.
    AUDIO: ModelType(hotwords="prompt", punctuated=True, limit=30.0),
}
#: classes of vLLM's that transcribe (`SupportsTranscription`), as config.json names them
_CLASSES: Mapping[str, str] = {
    "WhisperForConditionalGeneration": WHISPER,
    **dict.fromkeys(
        (
            "CohereAsrForConditionalGeneration", "FireRedASR2ForConditionalGeneration",
            "FunASRForConditionalGeneration", "Gemma3nForConditionalGeneration", "GlmAsrForConditionalGeneration",
            "GraniteSpeechForConditionalGeneration", "VoxtralForConditionalGeneration",
        ),
        AUDIO,
    ),
}  # fmt: skip

OPTIONS: Mapping[str, OptionCheck] = {
    **{name: check for name, check in VLLM_OPTIONS.items() if name != "engine"},
    "device": ANY,
    "dtype": one_of("auto", "fp32", "fp16", "bf16"),
    "task": one_of("transcribe", "translate"),
    **dict.fromkeys(("batch_size", "max_model_len", "max_new_tokens"), POSITIVE),
}


class VllmChecks(Checks):
    """Checks of models that vLLM alone runs."""

    def check_model(self, spec: ModelSpec) -> None:
        for key in ("config", "model"):
            if key not in spec.files:
                raise ModelError(f"{spec.name}: a model of type {spec.type} needs files for config, model.")
        check_files(spec, spec.files.values())
        if _type_of(spec.files["config"].parent) != spec.type:
            raise ModelError(f"{spec.name}: {spec.files['config']} does not describe a model of type {spec.type}.")
        devices_of(spec)
        check_options(spec, OPTIONS)
        if spec.type == AUDIO and spec.options.get("task") == "translate":
            raise OptionNotSupportedError(f"{spec.name}: models of type {AUDIO} do not translate.")


def detect_folder(folder: Path, *, streaming: bool = False) -> tuple[str, dict[str, Path]] | None:
    """Type and files of a folder with a model that vLLM transcribes with. Raises ModelError: it has no weights."""
    type_ = None if streaming else _type_of(folder)
    if type_ is None:
        return None
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"{folder} holds a config.json, but no weights (*.safetensors).", "Download the model again.")
    return type_, {"config": folder / "config.json", "model": weights[0]}


def _type_of(folder: Path) -> str | None:
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    names = config.get("architectures") if isinstance(config, dict) else None
    return next((_CLASSES[name] for name in names or () if name in _CLASSES), None)
