"""vLLM as the engine of a language model: options of an entry, their checks, and what is used without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from asrcli.backends.model_type import POSITIVE, OptionCheck, one_of
from asrcli.errors import OptionNotSupportedError

if TYPE_CHECKING:
    from asrcli.backends.types import ModelSpec

#: chunks that vLLM gets at once, where the entry sets no `max_num_seqs`
BATCH = 32


OPTIONS: Mapping[str, OptionCheck] = {
    "engine": one_of("torch", "vllm"),
    "max_num_seqs": POSITIVE,
    "gpu_memory_utilization": (
        lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1,
        "a part of the GPU's memory, 0 to 1",
    ),
}
#: those that vLLM's own engine takes
LIMITS = ("max_num_seqs", "gpu_memory_utilization")


def check_device(spec: ModelSpec) -> None:
    """Check the device. Raises OptionNotSupportedError: vLLM would not use it."""
    from asrcli.backends.device import devices_of

    if spec.options.get("engine") == "vllm" and any(str(device) not in {"auto", "cuda"} for device in devices_of(spec)):
        raise OptionNotSupportedError(
            f"{spec.name}: vLLM runs on the first visible GPU alone.",
            "Choose engine: torch, or the GPU with the variable CUDA_VISIBLE_DEVICES.",
        )


def has_vllm() -> bool:
    """Whether vLLM is installed."""
    return find_spec("vllm") is not None


def uses_vllm(spec: ModelSpec) -> bool:
    """Whether vLLM runs a model."""
    return spec.options.get("engine") == "vllm" and has_vllm()


def record_limits(llm: Any) -> list[bool]:
    """A list to which each later call of `vllm.LLM.generate` adds, for each answer, whether it reached the most tokens
    (`CompletionOutput.finish_reason`): the packages that call it return the text alone, or a part of it.
    """
    generate: Callable[..., Any] = llm.generate
    found: list[bool] = []

    def recorded(*arguments: Any, **options: Any) -> Any:
        outputs = generate(*arguments, **options)
        found.extend(output.outputs[0].finish_reason == "length" for output in outputs)
        return outputs

    llm.generate = recorded
    return found


def notices(spec: ModelSpec, package: str) -> tuple[str, ...]:
    """The notice that torch is used instead of vLLM; `package` installs it."""
    if spec.options.get("engine") == "vllm" and not has_vllm():
        return (f"{spec.name}: vLLM is not installed, so torch is used (pip install {package})",)
    return ()
