"""The table of backends. A new backend is a folder and one entry here.

Imports no engine: an entry names its modules, which are imported when they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError

if TYPE_CHECKING:
    from asrcli.backends.model_type import ModelType
    from asrcli.backends.types import Checks

_TORCH = "pip install torch (builds for each machine: https://pytorch.org/get-started/locally)"


#: packages that were found
_FOUND: set[str] = set()


def _is_installed(module: str) -> bool:
    """Whether a package is found. One that was found is not looked for again: every recording asks ten times."""
    if module not in _FOUND and find_spec(module) is not None:
        _FOUND.add(module)
    return module in _FOUND


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package that a backend needs."""

    #: names to import; one of them is enough
    modules: tuple[str, ...]
    #: command that installs it
    hint: str

    @property
    def installed(self) -> bool:
        return any(map(_is_installed, self.modules))

    def __str__(self) -> str:
        first, *others = (module.replace("_", "-") for module in self.modules)
        return f"{first} (or {', '.join(others)})" if others else first


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What runs models. References are "module:attribute"."""

    #: identifier in transcripts and in the engine process
    kind: str
    #: value of `--backend`; several backends may share one
    name: str
    #: name in messages
    label: str
    #: mapping of model type -> `ModelType`; a type that several backends list belongs to the first
    types: str
    #: subclass of `types.Checks`
    checks: str
    #: function (spec, threads) -> `Service`, called in the engine process; "": a server recognises the speech
    loader: str = ""
    #: function (folder, streaming=False) -> type and files of a model of this backend, or None
    detect: str = ""
    #: modules that the engine process may import before the model is known
    preload: tuple[str, ...] = ()
    requires: tuple[Requirement, ...] = ()
    #: kinds of devices that it runs on; empty: a server chooses
    devices: tuple[str, ...] = ()
    #: kind of the backend that runs its models where a required package is not installed
    fallback: str = ""
    #: decodes a stream piece by piece
    streaming: bool = False
    #: what to do where no model for it is registered
    no_model_hint: str = ""

    @property
    def model_types(self) -> Mapping[str, ModelType]:
        table: Mapping[str, ModelType] = _attribute(self.types)
        return table

    @property
    def missing(self) -> Requirement | None:
        """The first required package that is not installed."""
        return next((requirement for requirement in self.requires if not requirement.installed), None)

    @property
    def remote(self) -> bool:
        """Speech is recognised by a server, without an engine process."""
        return not self.loader

    def open_checks(self) -> Checks:
        checks: Checks = _attribute(self.checks)()
        return checks

    def detect_folder(self, folder: Path, *, streaming: bool = False) -> tuple[str, dict[str, Path]] | None:
        """Type and files of the model in a folder, with `streaming` of a streaming model; None where it holds none of
        this backend. Raises ModelError: it holds one that cannot be used.
        """
        if not self.detect:
            return None
        found: tuple[str, dict[str, Path]] | None = _attribute(self.detect)(folder, streaming=streaming)
        return found


BACKENDS: tuple[Backend, ...] = (
    Backend(
        kind="moonshine",
        name="sherpa-onnx",
        label="Moonshine in batches",
        types="asrcli.backends.moonshine:TYPES",
        checks="asrcli.backends.sherpa.check:SherpaChecks",
        loader="asrcli.backends.moonshine.recognizer:load",
        preload=("asrcli.backends.moonshine.recognizer",),
        requires=tuple(Requirement((name,), pip_install("builtin")) for name in ("onnxruntime", "onnx")),
        devices=("cpu",),
        fallback="sherpa_onnx",
    ),
    Backend(
        kind="funasr",
        name="funasr",
        label="FunASR",
        types="asrcli.backends.funasr.model_types:FUNASR_TYPES",
        checks="asrcli.backends.funasr.check:FunasrChecks",
        loader="asrcli.backends.funasr.recognizer:load",
        detect="asrcli.backends.funasr.folder:detect_folder",
        preload=("asrcli.backends.funasr.recognizer", "asrcli.backends.funasr.toolkit"),
        requires=(
            Requirement(("funasr",), f"{pip_install('funasr')}, and {_TORCH}"),
            Requirement(("torch",), _TORCH),
            Requirement(("kaldi_native_fbank", "torchaudio"), "pip install kaldi-native-fbank"),
        ),
        devices=("cpu", "cuda", "mps", "xpu", "npu"),
    ),
    Backend(
        kind="ctranslate2",
        name="ctranslate2",
        label="CTranslate2",
        types="asrcli.backends.ctranslate2.check:TYPES",
        checks="asrcli.backends.ctranslate2.check:CTranslate2Checks",
        loader="asrcli.backends.ctranslate2.recognizer:load",
        detect="asrcli.backends.ctranslate2.check:detect_folder",
        preload=("asrcli.backends.ctranslate2.recognizer", "faster_whisper"),
        requires=(Requirement(("faster_whisper",), pip_install("whisper")),),
        devices=("cpu", "cuda"),
    ),
    Backend(
        kind="qwen",
        name="qwen-asr",
        label="Qwen3-ASR",
        types="asrcli.backends.qwen.check:TYPES",
        checks="asrcli.backends.qwen.check:QwenChecks",
        loader="asrcli.backends.qwen.recognizer:load",
        detect="asrcli.backends.qwen.check:detect_folder",
        preload=("asrcli.backends.qwen.recognizer",),
        requires=(
            Requirement(("qwen_asr", "vllm"), f"pip install qwen-asr, and {_TORCH}"),
            Requirement(("torch",), _TORCH),
        ),
        devices=("cpu", "cuda", "mps"),
    ),
    Backend(
        kind="vllm",
        name="vllm",
        label="vLLM",
        types="asrcli.backends.vllm.check:TYPES",
        checks="asrcli.backends.vllm.check:VllmChecks",
        loader="asrcli.backends.vllm.recognizer:load",
        detect="asrcli.backends.vllm.check:detect_folder",
        requires=(Requirement(("vllm",), "pip install vllm (builds for each machine: https://docs.vllm.ai)"),),
        devices=("cpu", "cuda"),
    ),
    Backend(
        kind="sherpa_onnx",
        name="sherpa-onnx",
        label="sherpa-onnx",
        types="asrcli.backends.sherpa.model_types:TYPES",
        checks="asrcli.backends.sherpa.check:SherpaChecks",
        loader="asrcli.backends.sherpa.recognizer:load",
        detect="asrcli.backends.sherpa.folder:detect_folder",
        preload=("asrcli.backends.sherpa.recognizer", "sherpa_onnx"),
        devices=("cpu", "cuda", "coreml"),
    ),
    Backend(
        kind="sherpa_streaming",
        name="sherpa-onnx",
        label="sherpa-onnx",
        types="asrcli.backends.sherpa.streaming_types:STREAMING_TYPES",
        checks="asrcli.backends.sherpa.check:SherpaChecks",
        loader="asrcli.backends.sherpa.streaming:load",
        devices=("cpu", "cuda", "coreml"),
        streaming=True,
    ),
    Backend(
        kind="remote",
        name="remote",
        label="Remote recognition",
        types="asrcli.backends.remote:REMOTE_TYPES",
        checks="asrcli.backends.remote.check:RemoteChecks",
        no_model_hint="Name a server with --remote http://host:8000/v1, or in models.yaml (docs/models.md).",
    ),
)

_BY_KIND = {backend.kind: backend for backend in BACKENDS}

#: values of `--backend`
BACKEND_NAMES: tuple[str, ...] = tuple(dict.fromkeys(backend.name for backend in BACKENDS))


@cache  # every recording asks ten times
def _attribute(reference: str) -> Any:
    module, name = reference.split(":")
    return getattr(import_module(module), name)


@cache
def _by_type() -> Mapping[str, Backend]:
    table: dict[str, Backend] = {}
    for backend in BACKENDS:
        for model_type in backend.model_types:
            table.setdefault(model_type, backend)
    return table


def backend_of(model_type: str, name: str | None = None) -> Backend:
    """The backend that runs models of a type, `name` (a value of `--backend`) if it does; sherpa-onnx for unknown
    types.
    """
    backend = _by_type().get(model_type, _BY_KIND["sherpa_onnx"])
    if backend.fallback and (name is not None or backend.missing):
        return _BY_KIND[backend.fallback]
    return backend


def known_types() -> tuple[str, ...]:
    """Every model type of every backend, in alphabetical order."""
    return tuple(sorted(_by_type()))


def is_remote(model_type: str) -> bool:
    """Whether models of this type run on another machine."""
    return backend_of(model_type).remote


def is_streaming(model_type: str) -> bool:
    """Whether models of this type decode a stream piece by piece."""
    return backend_of(model_type).streaming


def runs_on(model_type: str, name: str) -> bool:
    """Whether a value of `--backend` includes models of this type."""
    return backend_of(model_type).name == name


def no_model_hint(name: str) -> str:
    """What to do where no model is registered for a value of `--backend`."""
    return next((backend.no_model_hint for backend in BACKENDS if backend.name == name), "")


def loader_of(kind: str) -> Any:
    """The function that loads a service in the engine process; `kind` is a backend, or "module:function" of another
    service.
    """
    backend = _BY_KIND.get(kind)
    return _attribute(backend.loader if backend else kind)


def check_packages(model_type: str) -> None:
    """Check that what runs models of a type is installed, before a model is downloaded. Raises MissingExtraError: a
    package is missing.
    """
    backend = backend_of(model_type)
    missing = backend.missing
    if missing is not None:
        raise MissingExtraError(f"{backend.label} needs the package {missing}.", missing.hint)


def preload_modules(model: str | None, name: str | None) -> tuple[str, ...]:
    """Modules that the engine process will probably need for `--model` and `--backend`; a wrong guess only
    costs time.
    """
    if name is None and (model is None or "moonshine" in model):
        return _BY_KIND["moonshine"].preload
    usual = [backend for backend in BACKENDS if backend.name == (name or "sherpa-onnx") and not backend.fallback]
    return usual[0].preload if usual else ()
