"""Plain text: a segment a line. With speakers, the first line of a turn begins with the speaker's label."""

from asrcli.options import CueOptions
from asrcli.text.subtitles.pieces import UNKNOWN, clean, label
from asrcli.transcript import Transcript


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    named = any(segment.speaker for segment in transcript.segments)
    lines = []
    speaker = None
    for segment in transcript.segments:
        text = clean(segment.text)
        if not text:
            continue
        who = clean(segment.speaker or UNKNOWN)
        lines.append(label(who) + text if named and who != speaker else text)
        speaker = who
    return "".join(line + "\n" for line in lines)
