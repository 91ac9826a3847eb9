"""Statistics of subtitle cues: reading speed, lines and times, compared with limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from asrcli.options import CueOptions
from asrcli.text.subtitles.pieces import has_wide, width


@dataclass(frozen=True, slots=True)
class PlainCue:
    """A cue of a file; seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CueStatistics:
    """Figures of one file's cues. Reading speed is in characters a second, spaces included, as Netflix counts."""

    cues: int
    seconds: float
    #: reading speed: mean over the text, and the highest of a cue
    cps: float
    cps_max: float
    #: cells of the longest line (a full-width character takes two), and the most lines
    line_width_max: int
    lines_max: int
    shortest: float
    longest: float
    #: number of cues that exceed a limit of `CueOptions`
    too_fast: int
    too_wide: int
    too_many_lines: int
    too_short: int
    too_long: int
    #: cues that begin before the previous one ends
    overlaps: int

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in out.items()}


def cue_statistics(cues: Sequence[PlainCue], limits: CueOptions) -> CueStatistics | None:
    """Compare cues with limits; None without cues."""
    if not cues:
        return None
    ordered = sorted(cues, key=lambda cue: cue.start)
    lengths = [cue.end - cue.start for cue in ordered]
    speeds = [
        _characters(cue) / length if length > 0 else float("inf") for cue, length in zip(ordered, lengths, strict=True)
    ]
    seconds = sum(lengths)
    return CueStatistics(
        cues=len(ordered),
        seconds=seconds,
        cps=sum(map(_characters, ordered)) / seconds if seconds > 0 else 0.0,
        cps_max=max((speed for speed in speeds if speed != float("inf")), default=0.0),
        line_width_max=max((width(line) for cue in ordered for line in cue.lines), default=0),
        lines_max=max(len(cue.lines) for cue in ordered),
        shortest=min(lengths),
        longest=max(lengths),
        # Files round to milliseconds, which must not count as a fault.
        too_fast=sum(speed > limits.max_cps + 0.05 for speed in speeds),
        too_wide=sum(any(_too_wide(line, limits) for line in cue.lines) for cue in ordered),
        too_many_lines=sum(len(cue.lines) > limits.max_lines for cue in ordered),
        too_short=sum(length < limits.min_cue - 0.001 for length in lengths),
        too_long=sum(length > limits.max_cue + 0.001 for length in lengths),
        overlaps=sum(later.start < earlier.end - 0.0005 for earlier, later in pairwise(ordered)),
    )


def _characters(cue: PlainCue) -> int:
    return sum(map(len, cue.lines))


def _too_wide(line: str, limits: CueOptions) -> bool:
    if has_wide(line):
        return width(line) > 2 * limits.max_line_width_cjk
    return width(line) > limits.max_line_width
