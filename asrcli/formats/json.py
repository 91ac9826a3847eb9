"""The whole transcript as JSON, `asrcli/transcript/1`."""

from __future__ import annotations

import json

from asrcli.options import CueOptions
from asrcli.transcript import Transcript


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    return json.dumps(transcript.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
