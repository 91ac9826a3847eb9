r"""Advanced SubStation Alpha. Every word carries its karaoke time (`\k`); `highlight_words` makes it visible."""

from itertools import pairwise
from pathlib import PurePath

from asrcli.formats.clock import centiseconds
from asrcli.options import CueOptions
from asrcli.text.subtitles.cues import DASH, Cue, shape
from asrcli.text.subtitles.pieces import clean
from asrcli.transcript import Transcript

_HEAD = """\
[Script Info]
Title: {title}
ScriptType: v4.00+
WrapStyle: 2
ScaledBorderAndShadow: yes
PlayResX: 1920
PlayResY: 1080

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,64,{spoken},{waiting},&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,60,60,60,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_WHITE, _YELLOW = "&H00FFFFFF", "&H0000FFFF"

# Only libass reads escaped braces; full-width ones are safe in every player. A word joiner keeps a backslash before an
# "n" from being read as a line break.
_ESCAPES = str.maketrans({"{": "｛", "}": "｝", "\\": "\\\u2060"})


def render(transcript: Transcript, options: CueOptions) -> str:
    spoken = _YELLOW if options.highlight_words else _WHITE
    out = [_HEAD.format(title=clean(PurePath(transcript.source).name), spoken=spoken, waiting=_WHITE)]
    out += [_event(cue) for cue in shape(transcript, options)]
    return "".join(out)


def _event(cue: Cue) -> str:
    start, end = centiseconds(cue.start), centiseconds(cue.end)
    name = " / ".join(dict.fromkeys(line.speaker for line in cue.lines if line.speaker))
    # Names end at the first comma.
    return f"Dialogue: 0,{_time(start)},{_time(end)},Default,{clean(name).replace(',', ';')},0,0,0,,{_text(cue)}\n"


def _time(centis: int) -> str:
    minutes, rest = divmod(centis, 6000)
    return f"{minutes // 60}:{minutes % 60:02}:{rest // 100:02}.{rest % 100:02}"


def _text(cue: Cue) -> str:
    # Lengths are differences of rounded times, so that their sum never drifts from the cue's.
    marks = [centiseconds(time) for time in (*cue.onsets, cue.end)]
    lengths = iter([after - before for before, after in pairwise(marks)])
    lines = []
    for line in cue.lines:
        text = DASH if cue.dialogue else ""
        for index, word in enumerate(line.words):
            space = " " if index and word.space_before else ""
            text += f"{space}{{\\k{next(lengths)}}}{word.text.translate(_ESCAPES)}"
        lines.append(text)
    return "\\N".join(lines)
