"""WebVTT: voices as `<v>` spans, highlighted words as timestamp tags (`:past` and `:future` in CSS)."""

from __future__ import annotations

from asrcli.formats.clock import clock, milliseconds
from asrcli.options import CueOptions
from asrcli.text.cues import DASH, Cue, CueLine, shape
from asrcli.transcript import Transcript

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render(transcript: Transcript, options: CueOptions) -> str:
    out = ["WEBVTT\n"]
    out += [
        f"\n{clock(cue.start)} --> {clock(cue.end)}\n{_payload(cue, highlight=options.highlight_words)}\n"
        for cue in shape(transcript, options)
    ]
    return "".join(out)


def _payload(cue: Cue, *, highlight: bool) -> str:
    now = cue.start
    lines = []
    for line in cue.lines:
        text, now = _timed(line, now, cue.end) if highlight else (line.text.translate(_ESCAPES), now)
        lines.append((DASH if cue.dialogue else "") + text)
    if not cue.dialogue:
        return _voiced(cue.speaker, "\n".join(lines))
    return "\n".join(_voiced(line.speaker, text) for line, text in zip(cue.lines, lines, strict=True))


def _voiced(speaker: str | None, text: str) -> str:
    return f"<v {speaker.translate(_ESCAPES)}>{text}</v>" if speaker else text


def _timed(line: CueLine, now: float, end: float) -> tuple[str, float]:
    """The words, each in `<c>` behind the time of its start; tags must rise and lie inside the cue."""
    out = ""
    for index, word in enumerate(line.words):
        space = " " if index and word.space_before else ""
        if milliseconds(now) < milliseconds(word.start) < milliseconds(end):
            now = word.start
            out += f"<{clock(now)}>"
        out += f"<c>{space}{word.text.translate(_ESCAPES)}</c>"
    return out, now
