"""Fun-ASR-Nano with its language model on vLLM, through FunASR's `AutoModelVLLM`. Runs in the engine process.

The encoder stays on torch. FunASR writes the language model's weights beside the folder's own (`Qwen3-0.6B-vllm`).
Checked with the signatures of funasr 1.4.16; it has not run on a GPU.
"""

import json
import threading
from collections.abc import Sequence
from typing import Any

from asrcli.audio.types import Samples
from asrcli.backends.funasr.check import folder_of
from asrcli.backends.process.batches import first_line
from asrcli.backends.types import ModelSpec
from asrcli.backends.vllm import BATCH, record_limits
from asrcli.errors import MachineError, ModelError


class NanoOnVllm:
    """A loaded model. Raises ModelError: it cannot be loaded; MachineError: there is no GPU."""

    def __init__(self, spec: ModelSpec, device: str, torch: Any) -> None:
        if not device.startswith("cuda"):
            raise MachineError(f"{spec.name}: vLLM needs a CUDA GPU.", "Set engine: torch in the entry.")
        check_code(spec)
        from funasr.auto.auto_model_vllm import AutoModelVLLM

        self.batch_size = int(spec.options.get("batch_size", spec.options.get("max_num_seqs", BATCH)))
        try:
            self._model: Any = AutoModelVLLM(**arguments(spec, device, bf16=torch.cuda.is_bf16_supported()))
        except Exception as error:
            raise ModelError(
                f"FunASR cannot load {spec.name} for vLLM: {first_line(error)}",
                "Is the folder whole and writable, and the GPU's memory free? Or set engine: torch.",
            ) from error
        self._limits = record_limits(self._model._engine.vllm_engine)  # noqa: SLF001 - the model itself has none
        self._lock = threading.Lock()

    def infer(self, samples: Sequence[Samples], asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Results as the toolkit gives them, in order; "limit": whether the answer has the most tokens."""
        named: dict[str, Any] = {name: asked[name] for name in ("language", "hotwords", "itn") if name in asked}
        if "max_length" in asked:
            named["max_new_tokens"] = asked["max_length"]
        with self._lock:  # vLLM's generate is not for several threads
            self._limits.clear()
            results = self._model.generate(list(samples), **named)
            return [{**result, "limit": limit} for result, limit in zip(results, self._limits, strict=True)]


def arguments(spec: ModelSpec, device: str, *, bf16: bool) -> dict[str, Any]:
    """Arguments of `AutoModelVLLM` for a model."""
    found: dict[str, Any] = {
        "model": str(spec.files["config"].parent), "device": device, "dtype": "bf16" if bf16 else "fp32",
    }  # fmt: skip
    if "gpu_memory_utilization" in spec.options:
        found["gpu_memory_utilization"] = float(spec.options["gpu_memory_utilization"])
    if "max_num_seqs" in spec.options:
        found["vllm_kwargs"] = {"max_num_seqs": spec.options["max_num_seqs"]}
    return found


def check_code(spec: ModelSpec) -> None:
    """FunASR lets vLLM run code of the folder, so there must be none."""
    language_model = folder_of(spec).root / "Qwen3-0.6B"
    for folder in (language_model, language_model.with_name("Qwen3-0.6B-vllm")):
        for path in folder.glob("*.json"):
            try:
                named = "auto_map" in json.loads(path.read_bytes())
            except ValueError as error:
                raise ModelError(f"{path} cannot be read: {error}.", "Download the model again.") from error
            if named:
                raise ModelError(f"{path} names code, which asrcli does not run.", "Use the published model.")
