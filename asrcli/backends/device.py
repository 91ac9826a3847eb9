"""Where a model runs: the option `device` of an entry, which `--device` sets, for every backend."""

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from asrcli.backends.registry import backend_of
from asrcli.backends.types import ModelSpec
from asrcli.errors import DeviceError, OptionNotSupportedError, UsageError
from asrcli.options.readers import device as read_device


@dataclass(frozen=True, slots=True)
class Device:
    """A device as an engine takes it."""

    #: "auto", "cpu", "cuda", "mps", "coreml", ...
    kind: str
    #: number among those of its kind
    index: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.index}" if self.index else self.kind


def with_device(spec: ModelSpec, device: str | None) -> ModelSpec:
    """The model on the device of `--device`; None: on that of its entry. Raises OptionNotSupportedError: its backend
    has no such device.
    """
    if device is None or (device == "auto" and not backend_of(spec.type, spec.backend).devices):
        return spec
    spec = replace(spec, options={**spec.options, "device": device})
    devices_of(spec)
    return spec


def devices_of(spec: ModelSpec) -> list[Device]:
    """The devices of a model; more than one: an engine process for each. Raises OptionNotSupportedError: the option is
    no device, or its backend has no such device.
    """
    backend = backend_of(spec.type, spec.backend)
    text = str(spec.options.get("device", "auto"))
    try:
        devices = [_device(name) for name in read_device(text).split(",")]
    except ValueError as error:
        raise OptionNotSupportedError(f"{spec.name}: {error}.") from error
    unknown = [str(device) for device in devices if device.kind not in {"auto", *backend.devices}]
    if unknown and not backend.devices:
        raise OptionNotSupportedError(
            f"{spec.name} runs on a server, which chooses the device.", "Leave out --device and the option device."
        )
    if unknown:
        raise OptionNotSupportedError(
            f"{spec.name}: {backend.label} does not run on {unknown[0]}.",
            f"Devices: auto, {', '.join(backend.devices)}.",
        )
    return devices


def uses_gpus(spec: ModelSpec) -> bool:
    """Whether engines are to be on the GPUs of nodes that have some. Raises UsageError: the device has a number."""
    backend, devices = backend_of(spec.type, spec.backend), devices_of(spec)
    if len(devices) > 1 or devices[0].index:
        raise UsageError("Ray chooses the GPU of each engine, but the device has a number.", "Use --device cuda.")
    kind = devices[0].kind
    return kind == "cuda" or (kind == "auto" and "cuda" in backend.devices and backend.name != "sherpa-onnx")


def _device(name: str) -> Device:
    kind, _, number = name.partition(":")
    return Device(kind, int(number or 0))


def on_device(spec: ModelSpec, device: Device) -> ModelSpec:
    """The model on one of its devices."""
    return replace(spec, options={**spec.options, "device": str(device)})


def not_available(spec: ModelSpec, device: Device, problem: str, install: str) -> DeviceError:
    """The error for a device that an engine does not find on this machine."""
    return DeviceError(
        f"{spec.name}: the device {device} is not available: {problem}.",
        f"{install}, or use --device cpu (option device of the entry).",
    )


@cache
def gpus_of_process() -> str | None:
    """CUDA_VISIBLE_DEVICES as this process was started with it; None: every GPU."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def visible_gpu(spec: ModelSpec, device: Device) -> str:
    """The name of a GPU for CUDA_VISIBLE_DEVICES. Numbers count the GPUs that the user made visible, as torch does.
    Raises DeviceError: the user made fewer visible.
    """
    visible = gpus_of_process()
    if visible is None:
        return str(device.index)
    names = [name.strip() for name in visible.split(",") if name.strip() not in {"", "-1"}]
    if device.index >= len(names):
        raise not_available(spec, device, f"CUDA_VISIBLE_DEVICES is {visible!r}", "Name one of its GPUs")
    return names[device.index]


def hide_other_gpus(spec: ModelSpec, device: Device) -> None:
    """Hide all GPUs but one from this process, the engine's, before CUDA is started: for engines that take no number.
    Raises DeviceError: the user has hidden it.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = visible_gpu(spec, device)


def torch_device(spec: ModelSpec, torch: Any) -> str:
    """Torch's name of a model's device; auto: the GPU if there is one. Raises DeviceError: torch does not find it; a
    toolkit would silently use the CPU.
    """
    (device,) = devices_of(spec)
    if device.kind == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    backend = getattr(torch, device.kind, None) if device.kind != "mps" else torch.backends.mps
    if device.kind != "cpu" and (backend is None or not backend.is_available()):
        raise not_available(spec, device, "torch finds none on this machine", "Install a build of torch for it")
    if device.kind == "cuda" and device.index >= torch.cuda.device_count():
        raise not_available(spec, device, f"torch finds {torch.cuda.device_count()} GPUs", "Name one of them")
    return str(device)


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA GPU; memory in bytes, None where the driver does not report it (GPUs that use the machine's memory)."""

    name: str
    driver: str
    memory: int | None
    free: int | None

    def __str__(self) -> str:
        parts = [self.name, f"driver {self.driver}"]
        if self.memory is not None:
            free = "" if self.free is None else f" ({self.free / 1e9:.0f} free)"
            parts.append(f"{self.memory / 1e9:.0f} GB{free}")
        return ", ".join(parts)


def nvidia_gpus() -> list[Gpu]:
    """The GPUs that NVIDIA's driver reports, by number; none without the driver."""
    return ask_nvidia_driver()[0]


def ask_nvidia_driver() -> tuple[list[Gpu], str]:
    """The GPUs that NVIDIA's driver reports, by number, and why it reports none; "": it is not installed, or all is
    well.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return [], ""
    query = ["--query-gpu=name,driver_version,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run([program, *query], capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return [], "nvidia-smi does not answer"
    except (OSError, ValueError) as error:
        return [], f"nvidia-smi cannot be run: {error}"
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    gpus = [gpu for line in lines if (gpu := _gpu(line)) is not None]
    if done.returncode == 0 and len(gpus) == len(lines):
        return gpus, ""
    said = next(iter([*lines, *done.stderr.split("\n")]), "").strip()
    return [], said or f"nvidia-smi ended with exit status {done.returncode}"


def _gpu(line: str) -> Gpu | None:
    """A line of nvidia-smi's; None where it is something else."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != 4:
        return None
    # "[N/A]", "[Not Supported]": unknown
    memory, free = (int(cell) << 20 if cell.isascii() and cell.isdigit() else None for cell in cells[2:])
    return Gpu(cells[0], cells[1], memory, free)
