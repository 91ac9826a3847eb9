"""SubRip. A speaker is named where a turn begins; a highlighted word has a cue of its own, the word underlined."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

import srt

from asrcli.formats.clock import milliseconds
from asrcli.options import CueOptions
from asrcli.text.subtitles.cues import DASH, Cue, CueLine, shape
from asrcli.text.subtitles.pieces import label
from asrcli.transcript import Transcript

# SubRip has no escapes, and players interpret tags and the overrides and line breaks of ASS. An invisible word joiner
# disables a tag or a backslash; braces are safe only as full-width ones.
_MARKUP = re.compile(r"<(?=[/a-zA-Z])|\\(?=[Nnh])")
_BRACES = str.maketrans("{}", "｛｝")


def render(transcript: Transcript, options: CueOptions) -> str:
    subtitles = []
    cues = shape(transcript, options, labelled=True)
    labels = _labels(cues, every_cue=options.label_every_cue)
    for cue in cues:
        names = [next(labels) for _ in cue.lines]
        steps = _highlighted(cue) if options.highlight_words else iter([(cue.start, cue.end, frozenset[int]())])
        for start, end, marked in steps:
            subtitles.append(srt.Subtitle(None, _delta(start), _delta(end), _content(cue, names, marked)))
    return str(srt.compose(subtitles, eol="\n", strict=False)) if subtitles else ""


def _delta(seconds: float) -> timedelta:
    return timedelta(milliseconds=milliseconds(seconds))


def _highlighted(cue: Cue) -> Iterator[tuple[float, float, frozenset[int]]]:
    """Start, end and the words (by index) to mark; words that begin at the same time are marked together."""
    starts = [*cue.onsets, cue.end]
    marked: set[int] = set()
    for number, (start, end) in enumerate(pairwise(starts)):
        marked.add(number)
        if milliseconds(end) > milliseconds(start):
            yield start, end, frozenset(marked)
            marked = set()


def _labels(cues: Sequence[Cue], *, every_cue: bool) -> Iterator[str]:
    """The label of each line: the speaker's name if it differs from that of the line before, "" if no line has one."""
    named = any(line.speaker for cue in cues for line in cue.lines)
    speaker: str | None = ""
    for cue in cues:
        speaker = "" if every_cue else speaker
        for line in cue.lines:
            yield _literal(label(line.speaker)) if named and (cue.dialogue or line.speaker != speaker) else ""
            speaker = line.speaker


def _content(cue: Cue, names: Sequence[str], marked: frozenset[int]) -> str:
    lines = []
    number = 0
    for name, line in zip(names, cue.lines, strict=True):
        lines.append((DASH if cue.dialogue else "") + name + _underlined(line, marked, number))
        number += len(line.words)
    return "\n".join(lines)


def _underlined(line: CueLine, marked: frozenset[int], number: int) -> str:
    out = ""
    for index, word in enumerate(line.words):
        out += " " if index and word.space_before else ""
        text = _literal(word.text)
        out += f"<u>{text}</u>" if number + index in marked else text
    return out


def _literal(text: str) -> str:
    return _MARKUP.sub("\\g<0>\u2060", text.translate(_BRACES))
