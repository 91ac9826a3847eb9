"""Tab-separated segments: start and end (ms), speaker, text. No quoting: tabs and line ends become spaces."""

from __future__ import annotations

from asrcli.formats.clock import milliseconds
from asrcli.options import CueOptions
from asrcli.text.subtitles.pieces import clean
from asrcli.transcript import Transcript


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    lines = ["start\tend\tspeaker\ttext\n"]
    for segment in transcript.segments:
        times = f"{milliseconds(segment.start)}\t{milliseconds(segment.end)}"
        lines.append(f"{times}\t{clean(segment.speaker or '')}\t{clean(segment.text)}\n")
    return "".join(lines)
