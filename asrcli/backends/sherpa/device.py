"""Devices of sherpa-onnx. Its CPU build takes the provider "cuda" and silently decodes on the CPU, so its files are
looked at first.
"""

import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from asrcli.backends.device import Device, devices_of, hide_other_gpus, not_available, visible_gpu
from asrcli.backends.types import ModelSpec

_WHEELS = "https://k2-fsa.github.io/sherpa/onnx/cuda.html"


def check_device(spec: ModelSpec) -> None:
    """Check that sherpa-onnx can use the devices of a model. Raises OptionNotSupportedError: it has no such device;
    MachineError: the installed build does not include it.
    """
    asked = [*devices_of(spec), Device(str(spec.options.get("provider", "cpu")))]
    for device in asked:
        if device.kind == "cuda" and not has_cuda():
            raise not_available(spec, device, *cuda_build())
        if device.kind == "coreml" and sys.platform != "darwin":
            raise not_available(spec, device, "Core ML is part of macOS", "Use it on a Mac")
        if device.kind == "cuda":
            visible_gpu(spec, device)


def has_cuda() -> bool:
    """Whether the installed sherpa-onnx includes onnxruntime's provider for CUDA."""
    package = find_spec("sherpa_onnx")
    folders = package.submodule_search_locations if package else None
    return any(file for folder in folders or () for file in Path(folder).glob("**/*onnxruntime_providers_cuda*"))


def cuda_build() -> tuple[str, str]:
    """What is wrong with the build for CPUs, and how that for CUDA is installed."""
    version = metadata.version("sherpa-onnx")
    build = f"sherpa-onnx=={version.split('+')[0]}+cuda12.cudnn9"
    return (
        f"the installed sherpa-onnx {version} is the build for CPUs",
        f"Install that for CUDA: pip install '{build}' -f {_WHEELS}",
    )


def provider_arguments(spec: ModelSpec) -> dict[str, Any]:
    """The options of an entry as arguments of a factory, with the provider for its device. Called in the engine
    process, whose other GPUs are hidden: the offline factories take no number.
    """
    options = {name: value for name, value in spec.options.items() if name != "device"}
    (device,) = devices_of(spec)
    if device.kind != "auto":
        options["provider"] = device.kind
    if device.kind == "cuda":
        hide_other_gpus(spec, device)
    return options
