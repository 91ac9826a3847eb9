"""Timed words as NIST's CTM: file, channel, start, length, word, confidence where it is known."""

from __future__ import annotations

from asrcli.formats.clock import fixed, milliseconds
from asrcli.formats.nist import file_id, token
from asrcli.options import CueOptions
from asrcli.text.subtitles.pieces import words_of
from asrcli.transcript import Transcript


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    name = file_id(transcript.source)
    rows = []
    for segment in transcript.segments:
        for word in words_of(segment):
            start, end = milliseconds(word.start), milliseconds(word.end)
            channel = (segment.channel or 0) + 1
            confidence = "" if word.confidence is None else f" {word.confidence:.4f}"
            row = (
                f"{name} {channel} {fixed(start / 1000)} {fixed((end - start) / 1000)} {token(word.text)}{confidence}\n"
            )
            rows.append((channel, start, row))
    # Scoring tools want the rows of a channel together and in order of time.
    return "".join(row for _, _, row in sorted(rows, key=lambda entry: entry[:2]))
