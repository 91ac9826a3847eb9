"""From an input to blocks of 16 kHz samples.

``open_audio`` decodes; ``probe`` reads the form without decoding; ``MEDIA_SUFFIXES``: of recordings in folders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asrcli.audio.containers.suffixes import MEDIA_SUFFIXES

if TYPE_CHECKING:
    from asrcli.audio.channels import DuplicateChannelFilter
    from asrcli.audio.opening import open_audio, probe

__all__ = ["MEDIA_SUFFIXES", "DuplicateChannelFilter", "open_audio", "probe"]

# Loaded on first use: planning a batch and `--help` need neither numpy nor libsndfile.
_HOMES = {
    "DuplicateChannelFilter": "asrcli.audio.channels",
    "open_audio": "asrcli.audio.opening",
    "probe": "asrcli.audio.opening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'asrcli.audio' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
