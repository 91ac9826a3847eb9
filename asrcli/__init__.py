"""asrcli: speech to text on your own machine.

>>> import asrcli
>>> transcript = asrcli.transcribe("interview.mp3")  # doctest: +SKIP
>>> print(transcript.text)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from asrcli.api import align, transcribe
    from asrcli.errors import AsrcliError
    from asrcli.options import (
        AudioOptions,
        CueOptions,
        IdentificationOptions,
        RawFormat,
        RecognitionOptions,
        SpeakerOptions,
        TextOptions,
        TranscribeOptions,
        VadOptions,
    )
    from asrcli.transcript import Segment, Transcript, Word

__all__ = [
    "AsrcliError",
    "AudioOptions",
    "CueOptions",
    "IdentificationOptions",
    "RawFormat",
    "RecognitionOptions",
    "Segment",
    "SpeakerOptions",
    "TextOptions",
    "TranscribeOptions",
    "Transcript",
    "VadOptions",
    "Word",
    "__version__",
    "align",
    "transcribe",
]

# Loaded on first use, so that `asrcli --help` stays quick.
_HOMES = {
    "AsrcliError": "asrcli.errors",
    "AudioOptions": "asrcli.options",
    "CueOptions": "asrcli.options",
    "IdentificationOptions": "asrcli.options",
    "RawFormat": "asrcli.options",
    "RecognitionOptions": "asrcli.options",
    "SpeakerOptions": "asrcli.options",
    "TextOptions": "asrcli.options",
    "TranscribeOptions": "asrcli.options",
    "VadOptions": "asrcli.options",
    "Segment": "asrcli.transcript",
    "Transcript": "asrcli.transcript",
    "Word": "asrcli.transcript",
    "align": "asrcli.api",
    "transcribe": "asrcli.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'asrcli' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
