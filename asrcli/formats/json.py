"""The whole transcript as JSON, `asrcli/transcript/1`."""

from __future__ import annotations

import json
from typing import Any

from asrcli.options import CueOptions
from asrcli.transcript import Transcript

#: JSON allows them as they are, but many a reader takes them for line ends
_LINE_ENDS = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"})


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    return dump(transcript.to_dict(), indent=2) + "\n"


def dump(document: Any, indent: int | None = None) -> str:
    """JSON as readable UTF-8, on one line where nothing is indented."""
    return json.dumps(document, ensure_ascii=False, indent=indent, allow_nan=False).translate(_LINE_ENDS)
