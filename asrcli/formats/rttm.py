"""Speaker turns as NIST's RTTM: diarization's own, which may overlap, or else the segments."""

from __future__ import annotations

from collections.abc import Iterator

from asrcli.formats.clock import fixed, milliseconds
from asrcli.formats.nist import file_id, token
from asrcli.options import CueOptions
from asrcli.transcript import Transcript


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    name = file_id(transcript.source)
    return "".join(
        f"SPEAKER {name} {channel} {fixed(start)} {fixed(end - start)} <NA> <NA> {token(speaker)} <NA> <NA>\n"
        for start, end, channel, speaker in _turns(transcript)
    )


def _turns(transcript: Transcript) -> Iterator[tuple[float, float, int, str]]:
    """Start and end on whole milliseconds (so that their difference is too), channel from 1, and name."""
    rows = [(turn.start, turn.end, 1, turn.speaker) for turn in transcript.turns] or [
        (segment.start, segment.end, (segment.channel or 0) + 1, segment.speaker or "")
        for segment in transcript.segments
    ]
    for start, end, channel, speaker in rows:
        yield milliseconds(start) / 1000, milliseconds(end) / 1000, channel, speaker
