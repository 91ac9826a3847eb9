"""WebVTT: voices as `<v>` spans, highlighted words as timestamp tags (`:past` and `:future` in CSS)."""

from collections.abc import Iterator

from asrcli.formats.clock import clock, milliseconds
from asrcli.options import CueOptions
from asrcli.text.subtitles.cues import DASH, Cue, CueLine, shape
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
    onsets = iter(_tags(cue)) if highlight else None
    lines = []
    for line in cue.lines:
        text = line.text.translate(_ESCAPES) if onsets is None else _timed(line, onsets)
        lines.append((DASH if cue.dialogue else "") + text)
    if not cue.dialogue:
        return _voiced(cue.speaker, "\n".join(lines))
    return "\n".join(_voiced(line.speaker, text) for line, text in zip(cue.lines, lines, strict=True))


def _voiced(speaker: str | None, text: str) -> str:
    return f"<v {speaker.translate(_ESCAPES)}>{text}</v>" if speaker else text


def _tags(cue: Cue) -> Iterator[str]:
    """A timestamp tag for each word, or "": tags must increase and lie inside the cue."""
    last = milliseconds(cue.start)
    for onset in cue.onsets:
        fresh = last < milliseconds(onset) < milliseconds(cue.end)
        yield f"<{clock(onset)}>" if fresh else ""
        last = max(last, milliseconds(onset))


def _timed(line: CueLine, tags: Iterator[str]) -> str:
    """The words, each in `<c>` after its tag."""
    out = ""
    for index, word in enumerate(line.words):
        space = " " if index and word.space_before else ""
        out += f"{next(tags)}<c>{space}{word.text.translate(_ESCAPES)}</c>"
    return out
