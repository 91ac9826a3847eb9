"""Qwen3-ASR's type, and the checks of its folders: config.json, weights as safetensors, and the tokenizer."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from asrcli.backends import vllm
from asrcli.backends.device import devices_of
from asrcli.backends.model_type import ModelType
from asrcli.backends.sherpa.model_types import QWEN3_LANGUAGES
from asrcli.backends.types import Checks, ModelSpec
from asrcli.errors import ModelError, ModelNotInstalledError, OptionNotSupportedError

TYPES: Mapping[str, ModelType] = {
    "qwen_asr": ModelType(
        language_names=QWEN3_LANGUAGES,
        languages=tuple(QWEN3_LANGUAGES),
        detects_language=True,
        hotwords="prompt",
        punctuated=True,
        limit=180.0,  # of the forced aligner
    )
}


#: option -> whether a value fits, and what does
OPTIONS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **vllm.OPTIONS,
    "aligner": (
        lambda value: isinstance(value, str) and Path(value).expanduser().is_dir(),
        "a folder of Qwen3-ForcedAligner",
    ),
    "dtype": (lambda value: value in {"auto", "fp32", "fp16", "bf16"}, "auto, fp32, fp16 or bf16"),
    "batch_size": (vllm.is_positive, "a whole number, 1 or more"),
    "max_new_tokens": (vllm.is_positive, "a whole number, 1 or more"),
}
_NEEDED = ("tokenizer_config.json", "preprocessor_config.json")


class QwenChecks(Checks):
    """Checks of models that qwen-asr loads."""

    def check_model(self, spec: ModelSpec) -> None:
        for key in ("config", "model"):
            if key not in spec.files:
                raise ModelError(f"{spec.name}: a model of type {spec.type} needs files for config, model.")
        folder = spec.files["config"].parent
        for path in (*spec.files.values(), *(folder / name for name in _NEEDED)):
            if not path.exists():
                raise ModelNotInstalledError(f"{spec.name}: {path} is missing.", "Download the model again.")
        if not _is_qwen3_asr(folder):
            raise ModelError(f"{spec.name}: {spec.files['config']} does not describe a Qwen3-ASR model.")
        devices_of(spec)
        vllm.check_options(spec)
        for name, value in spec.options.items():
            if name not in OPTIONS and name != "device":
                raise OptionNotSupportedError(
                    f"{spec.name}: a model of type {spec.type} takes no option {name!r}.",
                    f"It takes: {', '.join(sorted({*OPTIONS, 'device'}))}.",
                )
            if name in OPTIONS and not OPTIONS[name][0](value):
                raise OptionNotSupportedError(f"{spec.name}: {name} must be {OPTIONS[name][1]}, not {value!r}.")

    def notices(self, spec: ModelSpec) -> tuple[str, ...]:
        return vllm.notices(spec, "'qwen-asr[vllm]'")


def detect_folder(folder: Path, *, streaming: bool = False) -> tuple[str, dict[str, Path]] | None:
    """Type and files of a folder with a Qwen3-ASR model. Raises ModelError: it has no weights."""
    if streaming or not _is_qwen3_asr(folder):
        return None
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"{folder} holds Qwen3-ASR's config.json, but no weights.", "Download the model again.")
    return "qwen_asr", {"config": folder / "config.json", "model": weights[0]}


def _is_qwen3_asr(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "qwen3_asr"
