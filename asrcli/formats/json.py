"""JSON (`asrcli/transcript/1`), and JSON lines: each a segment with the source it comes from.

JSON lines have no header, so files can be joined, filtered and sorted line by line. What concerns the whole recording
(model, warnings, turns) is only in the format json.
"""

import json
from typing import Any

from asrcli.options import CueOptions
from asrcli.transcript import Transcript

#: valid in JSON, but many readers take them for line ends
_LINE_ENDS = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"})


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    return dump(transcript.to_dict(), indent=2) + "\n"


def render_lines(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    lines = ({"source": transcript.source, **segment.to_dict()} for segment in transcript.segments)
    return "".join(dump(line) + "\n" for line in lines)


def dump(document: Any, indent: int | None = None) -> str:
    """JSON as readable UTF-8, on one line without `indent`."""
    return json.dumps(document, ensure_ascii=False, indent=indent, allow_nan=False).translate(_LINE_ENDS)
