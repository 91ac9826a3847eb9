"""Options of an entry that concern vLLM, their checks, and what is used without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from asrcli.backends.model_type import FLAG, POSITIVE, OptionCheck, one_of
from asrcli.errors import MissingExtraError, OptionNotSupportedError

if TYPE_CHECKING:
    from asrcli.backends.types import ModelSpec

#: chunks that vLLM gets at once, where the entry sets no `max_num_seqs`
BATCH = 32


OPTIONS: Mapping[str, OptionCheck] = {
    "engine": one_of("torch", "vllm"),
    "max_num_seqs": POSITIVE,
    "enforce_eager": FLAG,
    "gpu_memory_utilization": (
        lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1,
        "a part of the GPU's memory, 0 to 1",
    ),
}
#: those that vLLM's own engine takes
LIMITS = ("max_num_seqs", "gpu_memory_utilization", "enforce_eager")
#: kinds of devices
_DEVICES = frozenset({"auto", "cuda", "cpu"})


def check_device(spec: ModelSpec) -> None:
    """Check the devices. Raises OptionNotSupportedError: vLLM does not run on one of them."""
    from asrcli.backends.device import devices_of

    other = [str(device) for device in devices_of(spec) if device.kind not in _DEVICES]
    if spec.options.get("engine") == "vllm" and other:
        raise OptionNotSupportedError(
            f"{spec.name}: vLLM does not run on {other[0]}.", "Choose engine: torch, or --device cuda."
        )


def has_vllm() -> bool:
    """Whether vLLM is installed."""
    return find_spec("vllm") is not None


def uses_vllm(spec: ModelSpec) -> bool:
    """Whether vLLM runs a model."""
    return spec.options.get("engine") == "vllm" and has_vllm()


def transcribes_natively() -> bool:
    """Whether the installed vLLM, which is imported, has Qwen3-ASR itself. Raises MissingExtraError: it cannot be."""
    try:
        return find_spec("vllm.model_executor.models.qwen3_asr") is not None
    except ImportError as error:
        raise MissingExtraError(f"vLLM cannot be imported: {error}.", "pip install --upgrade vllm") from error


def prepare_process(spec: ModelSpec) -> ModelSpec:
    """Set what vLLM reads from the environment of this process, before it is imported. vLLM takes no number of a GPU,
    so the others are hidden; the model on the device that is left. Raises MachineError: the user has hidden it.
    """
    from asrcli.backends.device import Device, devices_of, hide_other_gpus, on_device
    from asrcli.backends.process.offline_hubs import keep_hubs_offline

    keep_hubs_offline()
    (device,) = devices_of(spec)
    if device.kind != "cuda":
        return spec
    hide_other_gpus(spec, device)
    return on_device(spec, Device("cuda"))


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


def not_started(spec: ModelSpec, error: Exception) -> str:
    """The notice that torch is used because vLLM has failed to start."""
    return f"{spec.name}: vLLM does not start, so torch is used: {error}"


def notices(spec: ModelSpec, package: str) -> tuple[str, ...]:
    """The notice that torch is used instead of vLLM; `package` installs it."""
    if spec.options.get("engine") == "vllm" and not has_vllm():
        return (f"{spec.name}: vLLM is not installed, so torch is used (pip install {package})",)
    return ()
