"""Engines, each behind the same protocol, each in the engine process."""

from __future__ import annotations

#: service kind -> "module:function"; the function takes the kind's spec and the thread count and returns a `Service`.
#: Resolved inside the engine process, so nothing of an engine is imported in ours.
SERVICES: dict[str, str] = {
    "sherpa_onnx": "asrcli.backends.sherpa_onnx:load",
    "sherpa_online": "asrcli.backends.online:load",
}

#: model type -> service kind, where it is not sherpa-onnx's
_BACKENDS: dict[str, str] = {}
_STREAMING = "online_"


def backend_of(model_type: str) -> str:
    """The service kind that runs a model of this type."""
    default = "sherpa_online" if model_type.startswith(_STREAMING) else "sherpa_onnx"
    return _BACKENDS.get(model_type, default)
