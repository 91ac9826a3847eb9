"""Qwen3-ASR's type, and the checks of its folders: config.json, weights as safetensors, and the tokenizer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

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

#: of Qwen3-ForcedAligner-0.6B (its model card), where its config.json names none
ALIGNED_LANGUAGES = frozenset({"zh", "en", "yue", "fr", "de", "it", "ja", "ko", "pt", "ru", "es"})

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
        if _kind_of(folder) != "recogniser":
            raise ModelError(f"{spec.name}: {spec.files['config']} does not describe a Qwen3-ASR model.")
        devices_of(spec)
        check_options(spec, OPTIONS)
        vllm.check_device(spec)
        _check_aligner(spec)

    def notices(self, spec: ModelSpec) -> tuple[str, ...]:
        return vllm.notices(spec, "'qwen-asr[vllm]'")


def detect_folder(folder: Path, *, streaming: bool = False) -> tuple[str, dict[str, Path]] | None:
    """Type and files of a folder with a Qwen3-ASR model. Raises ModelError: it has no weights, or is the aligner."""
    kind = None if streaming else _kind_of(folder)
    if kind is None:
        return None
    if kind == "aligner":
        raise ModelError(
            f"{folder} holds Qwen3-ForcedAligner, which places words in time and recognises none.",
            "Name it in models.yaml as the option aligner of a model of type qwen_asr (docs/models.md).",
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"{folder} holds Qwen3-ASR's config.json, but no weights.", "Download the model again.")
    return "qwen_asr", {"config": folder / "config.json", "model": weights[0]}


def aligner_of(spec: ModelSpec) -> Path | None:
    """The folder of the aligner that an entry names."""
    named = spec.options.get("aligner")
    return Path(str(named)).expanduser() if named else None


def _check_aligner(spec: ModelSpec) -> None:
    folder = aligner_of(spec)
    if folder is None:
        return
    if _kind_of(folder) != "aligner":
        raise ModelError(
            f"{spec.name}: {folder} does not hold Qwen3-ForcedAligner.",
            "Correct the option aligner; without it, the times of words are estimated.",
        )
    check_files(spec, (folder / name for name in _NEEDED))
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{spec.name}: {folder} holds no weights.", "Download Qwen3-ForcedAligner again.")


def _kind_of(folder: Path) -> Literal["recogniser", "aligner"] | None:
    """What a config.json of Qwen3-ASR's family describes; None: something else."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict) or config.get("model_type") != "qwen3_asr":
        return None
    return "aligner" if "timestamp_token_id" in config else "recogniser"
