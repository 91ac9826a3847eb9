"""Segments as rows: tab-separated (times in milliseconds) and comma-separated (times in seconds)."""

from __future__ import annotations

import csv
import io

from asrcli.formats.clock import fixed, milliseconds
from asrcli.options import CueOptions
from asrcli.text.subtitles.pieces import clean
from asrcli.transcript import Transcript

CSV_COLUMNS = ("id", "start", "end", "speaker", "channel", "language", "confidence", "emotion", "event", "text")


def render_tsv(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    """Start, end, speaker, text. There is no quoting: tabs and line ends become spaces."""
    lines = ["start\tend\tspeaker\ttext\n"]
    for segment in transcript.segments:
        times = f"{milliseconds(segment.start)}\t{milliseconds(segment.end)}"
        lines.append(f"{times}\t{clean(segment.speaker or '')}\t{clean(segment.text)}\n")
    return "".join(lines)


def render_csv(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    """`CSV_COLUMNS`, RFC 4180: CRLF line ends, quotes doubled. Text is never altered."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for segment in transcript.segments:
        writer.writerow({**segment.to_dict(), "start": fixed(segment.start), "end": fixed(segment.end)})
    return out.getvalue()
