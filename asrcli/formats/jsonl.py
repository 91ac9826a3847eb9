"""Segments as JSON lines: each a segment of the format json, with the source it comes from.

There is no header: a line says all that concerns it, so files can be joined, filtered and sorted line by line. What
concerns the recording as a whole (model, warnings, turns) is in the format json.
"""

from __future__ import annotations

from asrcli.formats.json import dump
from asrcli.options import CueOptions
from asrcli.transcript import Transcript


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    lines = ({"source": transcript.source, **segment.to_dict()} for segment in transcript.segments)
    return "".join(dump(line) + "\n" for line in lines)
