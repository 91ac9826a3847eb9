"""Markdown to read: a heading with its time for each speaker turn, and the text below."""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePath

from asrcli.formats.clock import short_clock
from asrcli.options import CueOptions
from asrcli.script import join, joint
from asrcli.text.subtitles.pieces import clean, words_of
from asrcli.transcript import Segment, Transcript, Word

#: seconds of silence that begin a new paragraph within a turn
PARAGRAPH = 1.5
#: words of which the model is less sure are marked
_LOW_CONFIDENCE = 0.5

_INLINE = re.compile(r"([\\`*_\[\]<>&|~#$])")
_LIST = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    out = [f"# {_escaped(PurePath(transcript.source).name or transcript.source)}\n"]
    out.append(f"\n{_escaped(facts_of(transcript))}\n")
    out += [f"\n> {_escaped(warning)}\n" for warning in transcript.warnings]
    for speaker, segments in speaker_turns(transcript):
        if speaker:
            out.append(f"\n## {_escaped(speaker)} · {short_clock(segments[0].start)}\n")
        for paragraph in paragraphs(segments):
            time = "" if speaker and paragraph[0] is segments[0] else f"**{short_clock(paragraph[0].start)}** "
            out.append(f"\n{time}{_escaped(join(clean(segment.text) for segment in paragraph))}\n")
    return "".join(out)


def facts_of(transcript: Transcript) -> str:
    """Length, language and model."""
    return " · ".join(filter(None, [short_clock(transcript.duration), transcript.language, transcript.model]))


def speaker_turns(transcript: Transcript) -> Iterator[tuple[str | None, list[Segment]]]:
    """Each speaker's neighbouring segments that have text."""
    spoken = (segment for segment in transcript.segments if clean(segment.text))
    return ((speaker, list(group)) for speaker, group in groupby(spoken, lambda segment: segment.speaker))


def paragraphs(segments: list[Segment]) -> list[list[Segment]]:
    """Segments divided where a pause is longer than `PARAGRAPH`."""
    out: list[list[Segment]] = []
    for segment in segments:
        if out and segment.start - out[-1][-1].end < PARAGRAPH:
            out[-1].append(segment)
        else:
            out.append([segment])
    return out


def spaced_words(segments: list[Segment]) -> Iterator[tuple[str, Word, bool]]:
    """The text of each word with the space before it, the word, and whether the model is sure of it."""
    before = ""
    for segment in segments:
        for number, word in enumerate(words_of(segment)):
            text = clean(word.text)
            spaced = word.space_before if number else bool(joint(before, text))
            sure = word.confidence is None or word.confidence >= _LOW_CONFIDENCE
            yield f" {text}" if spaced and before else text, word, sure
            before = text


def _escaped(text: str) -> str:
    """Text that Markdown displays unchanged."""
    return _LIST.sub(_shielded, _INLINE.sub(r"\\\1", clean(text)))


def _shielded(match: re.Match[str]) -> str:
    mark = match[2]
    return f"{match[1]}{mark}\\" if mark.isdigit() else f"{match[1]}\\{mark}"
