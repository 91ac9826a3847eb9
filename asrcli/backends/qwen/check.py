"""Qwen3-ASR's type, and the checks of its folders: config.json, weights as safetensors, and the tokenizer."""

import json
from collections.abc import Mapping
from pathlib import Path

from asrcli.backends.device import devices_of
from asrcli.backends.model_type import ANY, POSITIVE, ModelType, OptionCheck, one_of
from asrcli.backends.sherpa.model_types import QWEN3_LANGUAGES
from asrcli.backends.types import Checks, ModelSpec, check_files, check_options
from asrcli.backends.vllm import options as vllm
from asrcli.errors import ModelError

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

OPTIONS: Mapping[str, OptionCheck] = {
    **vllm.OPTIONS,
    "device": ANY,
    "aligner": (
        lambda value: isinstance(value, str) and Path(value).expanduser().is_dir(),
        "a folder of Qwen3-ForcedAligner",
    ),
    "dtype": one_of("auto", "fp32", "fp16", "bf16"),
    "batch_size": POSITIVE,
    "max_new_tokens": POSITIVE,
}
_NEEDED = ("tokenizer_config.json", "preprocessor_config.json")


class QwenChecks(Checks):
    """Checks of models that qwen-asr loads."""

    def check_model(self, spec: ModelSpec) -> None:
        for key in ("config", "model"):
            if key not in spec.files:
                raise ModelError(f"{spec.name}: a model of type {spec.type} needs files for config, model.")
        folder = spec.files["config"].parent
        check_files(spec, (*spec.files.values(), *(folder / name for name in _NEEDED)))
        if not _is_qwen3_asr(folder):
            raise ModelError(f"{spec.name}: {spec.files['config']} does not describe a Qwen3-ASR model.")
        devices_of(spec)
        check_options(spec, OPTIONS)
        vllm.check_device(spec)

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
