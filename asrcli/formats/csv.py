"""Comma-separated segments, RFC 4180: CRLF line ends, quotes doubled; times in seconds. Text is never altered."""

from __future__ import annotations

import csv
import io

from asrcli.formats.clock import fixed
from asrcli.options import CueOptions
from asrcli.transcript import Transcript

COLUMNS = ("id", "start", "end", "speaker", "channel", "language", "confidence", "emotion", "event", "text")


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="", extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for segment in transcript.segments:
        writer.writerow({**segment.to_dict(), "start": fixed(segment.start), "end": fixed(segment.end)})
    return out.getvalue()
