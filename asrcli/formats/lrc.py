"""Timed lyrics (LRC): a line a cue; `highlight_words` adds the word times of enhanced LRC."""

from dataclasses import replace
from pathlib import PurePath

from asrcli.formats.clock import centiseconds
from asrcli.options import CueOptions
from asrcli.text.subtitles.cues import Cue, shape
from asrcli.text.subtitles.pieces import clean
from asrcli.transcript import Transcript, join_words

#: seconds: an empty line, which clears the display, follows a cue before a gap of this length, and the last cue
CLEAR_AFTER = 2.0


def render(transcript: Transcript, options: CueOptions) -> str:
    out = [f"[ti:{clean(PurePath(transcript.source).stem)}]\n", f"[length:{_stamp(transcript.duration)}]\n"]
    cues = shape(transcript, options)
    for index, cue in enumerate(cues):
        out.append(f"[{_stamp(cue.start)}]{_text(cue, highlight=options.highlight_words)}\n")
        if index + 1 == len(cues) or cues[index + 1].start - cue.end >= CLEAR_AFTER:
            out.append(f"[{_stamp(cue.end)}]\n")
    return "".join(out)


def _text(cue: Cue, *, highlight: bool) -> str:
    # A label in brackets would be read as a tag.
    onsets = iter(cue.onsets)
    parts = []
    for index, line in enumerate(cue.lines):
        name = f"{line.speaker}: " if line.speaker and (index == 0 or cue.dialogue) else ""
        words = line.words
        if highlight:
            words = tuple(replace(word, text=f"<{_stamp(next(onsets))}>{word.text}") for word in words)
        parts.append(name + join_words(words))
    text = " ".join(parts)
    # Text in brackets directly after the time would be read as a tag; an invisible word joiner separates them.
    return f"\u2060{text}" if text.startswith("[") else text


def _stamp(seconds: float) -> str:
    """Minutes may exceed 99: the format has no hours."""
    minutes, rest = divmod(centiseconds(seconds), 6000)
    return f"{minutes:02}:{rest // 100:02}.{rest % 100:02}"
