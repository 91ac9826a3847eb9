"""Backends: engines in the engine process, each behind the same protocol, and servers on other machines."""

from __future__ import annotations

from importlib.util import find_spec

#: service kind -> "module:function"; the function takes the kind's spec and the thread count and returns a `Service`.
#: Resolved inside the engine process, so nothing of an engine is imported in ours.
SERVICES: dict[str, str] = {
    "sherpa_onnx": "asrcli.backends.sherpa.recognizer:load",
    "sherpa_online": "asrcli.backends.sherpa.streaming:load",
    "moonshine": "asrcli.backends.moonshine.recognizer:load",
    "funasr": "asrcli.backends.funasr.recognizer:load",
}

#: what is no service: requests go over the network, from our own process
REMOTE = "remote"

#: model type -> service kind (or `REMOTE`), where it is not sherpa-onnx's
_BACKENDS: dict[str, str] = {
    "moonshine_v2": "moonshine",
    "funasr_sense_voice": "funasr",
    "funasr_paraformer": "funasr",
    "funasr_seaco_paraformer": "funasr",
    "funasr_fun_asr_nano": "funasr",
    "remote_openai": REMOTE,
}
#: what kinds need that only improve on sherpa-onnx: without these packages it runs the model
_NEEDS: dict[str, tuple[str, ...]] = {"moonshine": ("onnxruntime", "onnx")}
_STREAMING = "online_"

#: what users call backends, and the service kinds that are meant
BACKEND_NAMES: dict[str, tuple[str, ...]] = {
    "sherpa-onnx": ("sherpa_onnx", "sherpa_online", "moonshine"),
    "funasr": ("funasr",),
    "remote": (REMOTE,),
}


def backend_of(model_type: str, named: str | None = None) -> str:
    """The service kind that runs a model of this type; `REMOTE`: a server does.

    Args:
        model_type: key of a backend's table.
        named: key of `BACKEND_NAMES` that the user insists on; None: whichever suits best.
    """
    default = "sherpa_online" if model_type.startswith(_STREAMING) else "sherpa_onnx"
    kind = _BACKENDS.get(model_type, default)
    if kind in _NEEDS and (named is not None or not all(map(find_spec, _NEEDS[kind]))):
        return default
    return kind


def is_remote(model_type: str) -> bool:
    """Whether a model of this type is at work on another machine."""
    return backend_of(model_type) == REMOTE
