"""SRT and VTT files whose times are replaced, and nothing else: text, markup, numbers, notes and settings stay."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from asrcli.errors import InputError
from asrcli.formats.clock import milliseconds
from asrcli.transcript import Segment

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})"
_TIMES = re.compile(rf"^(?P<indent>[ \t]*){_TIME}[ \t]*-->[ \t]*{_TIME}(?P<settings>[^\r\n]*)(?=\r?$)", re.MULTILINE)
#: tags, overrides and karaoke times; other angle brackets are text
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|<[\d:.]+>|\{\\[^{}]*\}")
_LINE_BREAK = re.compile(r"<br */?>", re.IGNORECASE)
_BLANK_LINE = re.compile(r"\r?\n[ \t]*\r?\n")
#: the line with a cue's number, before its times
_NUMBER = re.compile(r"(?:^|\n)[ \t]*\d+[ \t]*\r?\n$")


@dataclass(frozen=True, slots=True)
class TextCue:
    """A cue of a file: its times, seconds, and its text without markup on one line."""

    start: float
    end: float
    text: str


def read_cues(text: str) -> list[TextCue]:
    """The cues of an SRT or VTT file. Raises InputError: there are none."""
    found = list(_TIMES.finditer(text))
    if not found:
        raise InputError("The text has no cues.", "Give an SRT or VTT file, or the words as .txt.")
    vtt = text.startswith("WEBVTT")
    cues = []
    for match, following in pairwise([*found, None]):
        assert match is not None
        body = text[match.end() : following.start() if following else len(text)]
        # In SRT a blank line is part of the text unless a number and times follow.
        if vtt:
            body = _BLANK_LINE.split(body, maxsplit=1)[0]
        elif following:
            body = _NUMBER.sub("", body)
        numbers = [int(number or 0) for number in match.groups()[1:9]]
        cues.append(TextCue(_seconds(numbers[:4]), _seconds(numbers[4:]), _plain(body, vtt=vtt)))
    return cues


def _plain(body: str, *, vtt: bool) -> str:
    text = _MARKUP.sub("", _LINE_BREAK.sub(" ", body))
    return " ".join((html.unescape(text) if vtt else text).split())


def _seconds(parts: Sequence[int]) -> float:
    hours, minutes, seconds, thousandths = parts
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def retime(text: str, segments: Sequence[Segment], duration: float, *, vtt: bool) -> str:
    """The file with the times of `segments`, one a cue, in seconds. A cue is displayed as long as before, or as long as
    its words take, but not into the next cue. A cue without words keeps its distance from the cue before it.
    """
    times = _times(read_cues(text), segments, duration)
    mark = "." if vtt else ","

    def replaced(match: re.Match[str]) -> str:
        start, end = next(rest)
        return f"{match['indent']}{_clock(start, mark)} --> {_clock(end, mark)}{match['settings']}"

    rest = iter(times)
    return _TIMES.sub(replaced, text)


def _times(cues: Sequence[TextCue], segments: Sequence[Segment], duration: float) -> list[tuple[float, float]]:
    starts: list[float] = []
    shift = 0.0
    for cue, segment in zip(cues, segments, strict=True):
        if segment.words:
            shift = segment.start - cue.start
        start = segment.start if segment.words else max(0.0, cue.start + shift)
        starts.append(max([start, *starts[-1:]]))
    times = []
    for number, (cue, segment) in enumerate(zip(cues, segments, strict=True)):
        spoken = segment.end if segment.words else 0.0
        end = max(spoken, starts[number] + cue.end - cue.start)
        following = starts[number + 1] if number + 1 < len(starts) else max(duration, spoken)
        times.append((starts[number], max(starts[number], min(end, following))))
    return times


def _clock(seconds: float, mark: str) -> str:
    whole = milliseconds(seconds)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{mark}{whole % 1000:03}"
