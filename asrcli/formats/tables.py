"""Rows: segments separated by tabs (TSV, times in milliseconds) or commas (CSV, seconds), and NIST's formats of fields
separated by spaces, RTTM (speaker turns) and CTM (timed words).
"""

import csv
import io
from pathlib import PurePath

from asrcli.formats.clock import fixed, milliseconds
from asrcli.options import CueOptions
from asrcli.text.subtitles.pieces import clean, words_of
from asrcli.transcript import Transcript

CSV_COLUMNS = ("id", "start", "end", "speaker", "channel", "language", "confidence", "emotion", "event", "text")
#: a field of NIST's formats without a value
NOTHING = "<NA>"


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


def render_rttm(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    """The turns of diarization, which may overlap, else the segments."""
    rows = [(turn.start, turn.end, 1, turn.speaker) for turn in transcript.turns] or [
        (segment.start, segment.end, (segment.channel or 0) + 1, segment.speaker or "")
        for segment in transcript.segments
    ]
    name = _file_id(transcript.source)
    return "".join(
        f"SPEAKER {name} {channel} {_span(start, end)} <NA> <NA> {_field(speaker)} <NA> <NA>\n"
        for start, end, channel, speaker in rows
    )


def render_ctm(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    """File, channel, start, length, word, and confidence where it is known."""
    name = _file_id(transcript.source)
    rows = []
    for segment in transcript.segments:
        channel = (segment.channel or 0) + 1
        for word in words_of(segment):
            confidence = "" if word.confidence is None else f" {word.confidence:.4f}"
            row = f"{name} {channel} {_span(word.start, word.end)} {_field(word.text)}{confidence}\n"
            rows.append((channel, milliseconds(word.start), row))
    # Scoring tools expect the rows of a channel together and in order of time.
    return "".join(row for _, _, row in sorted(rows, key=lambda entry: entry[:2]))


def _span(start: float, end: float) -> str:
    """Start and length, both of whole milliseconds."""
    return f"{fixed(start)} {fixed((milliseconds(end) - milliseconds(start)) / 1000)}"


def _field(text: str) -> str:
    return clean(text).replace(" ", "_") or NOTHING


def _file_id(source: str) -> str:
    """The recording's name without folder and suffix; a leading ";" would begin a comment."""
    return _field(PurePath(source).stem).lstrip(";") or NOTHING
