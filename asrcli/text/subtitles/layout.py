"""Division of a cue into lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf
from typing import TypeAlias

from asrcli.options import CueOptions
from asrcli.text.subtitles import cue_cost
from asrcli.text.subtitles.pieces import Piece, has_wide, width

#: cues of more lines are divided approximately (an exact search would take minutes)
_TALL = 4
#: cost of lines, and the pieces at which all but the first begin
_Lines: TypeAlias = tuple[float, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Aim:
    """The target: lines of equal width, the last one rather the longest."""

    mean: float
    room: int
    #: a line that a single word makes wider counts as full
    widest: int
    #: results for the first pieces of the cue, by end, number of lines and width of the line below
    known: dict[tuple[int, int, int], _Lines] = field(default_factory=dict)

    def price(self, cells: int, below: int) -> float:
        cells = min(cells, self.widest)
        price: float = cue_cost.RAGGED * ((cells - self.mean) / self.room) ** 2
        return price + cue_cost.TOP_HEAVY * (cells - below) / self.room if 0 < below < cells else price


class Layout:
    """Lines of any part of one track; widths are kept as cumulative sums.

    A line with full-width characters has a limit of its own (two cells a character). A piece wider than a line has a
    line of its own: words are never divided.
    """

    def __init__(
        self, pieces: tuple[Piece, ...], prices: list[float], options: CueOptions, labels: Sequence[int] = ()
    ) -> None:
        """Measure the words of one speaker; `prices` of a break before each, `labels`: cells of the speaker's name in a
        cue that begins there.
        """
        self._prices = prices
        self._narrow = options.max_line_width
        self._full = 2 * options.max_line_width_cjk
        self._narrowest, self._widest = sorted((self._narrow, self._full))
        self._labels = labels or [0] * len(pieces)
        self._label = max(self._labels, default=0)
        #: where the text of each piece begins and ends on an infinite line
        ends = list(accumulate(width(piece.word.text) + piece.space for piece in pieces))
        self._ends = [0, *ends]
        self._starts = [end - width(piece.word.text) for end, piece in zip(ends, pieces, strict=True)]
        self._wide = [0, *accumulate(int(has_wide(piece.word.text)) for piece in pieces)]
        #: cells by which single pieces overflow their line
        self._over = [0, *accumulate(max(0, width(piece.word.text) - self._widest) for piece in pieces)]
        #: for each piece, how far a cue of 1, 2, … full lines reaches that begins with it
        line_ends = self._fill([0] * len(pieces))
        self._reach = [self._fill(self._labels) if self._label else line_ends]
        for _ in range(options.max_lines - 1):
            self._reach.append([line_ends[end] if end < len(pieces) else end for end in self._reach[-1]])

    def farthest(self, start: int) -> int:
        """The end of the longest cue that begins with this piece."""
        return self._reach[-1][start]

    def width(self, start: int, end: int) -> int:
        """Cells of the pieces start..end (exclusive) on one line."""
        return self._ends[end] - self._starts[start]

    def cells(self, start: int, end: int) -> int:
        """Cells of a cue of these pieces, with the speaker's name."""
        return self.width(start, end) + self._labels[start]

    def spare(self, start: int, end: int) -> int:
        """Free cells of a line with these pieces after the speaker's name; negative if it overflows."""
        return self._room(start, end) - self.width(start, end) - self._label

    def least(self, start: int, end: int) -> float:
        """A lower bound of the cost of `best`."""
        return cue_cost.LINE * (self._lines(start, end) - 1)

    def _lines(self, start: int, end: int) -> int:
        return next(lines for lines, reach in enumerate(self._reach, 1) if reach[start] >= end)

    def best(self, start: int, end: int) -> _Lines:
        """The cheapest division into the minimum number of lines: its cost, and where lines 2, 3, … begin.

        `end` must not exceed `farthest(start)`.
        """
        lines = self._lines(start, end)
        if lines == 1:
            return 0.0, ()
        cells = self.cells(start, end) - (self._over[end] - self._over[start])
        aim = _Aim(cells / lines, self._room(start, end), self._widest)
        price, cuts = self._set(start, end, lines, aim, 0)
        return price + cue_cost.LINE * (lines - 1), cuts

    def _set(self, start: int, end: int, lines: int, aim: _Aim, below: int) -> _Lines:
        """Divide start..end into a number of lines; `below` is the width of the line under them."""
        if lines == 1:
            return aim.price(self.cells(start, end), below), ()
        # In a tall cue the lines above hardly depend on this one, and an exact search would not end.
        key = end, lines, below if lines < _TALL else 0
        if key not in aim.known:
            aim.known[key] = self._cheapest(start, end, lines, aim, below)
        return aim.known[key]

    def _cheapest(self, start: int, end: int, lines: int, aim: _Aim, below: int) -> _Lines:
        best: _Lines = inf, ()
        for cut in range(min(end - 1, self._reach[lines - 2][start]), start + lines - 2, -1):
            cells = self.width(cut, end)
            if cells > self._narrowest and end - cut > 1 and cells > self._room(cut, end):
                if cells > self._widest:
                    break
                continue  # one more character, if a full-width one, may allow the line more
            price = aim.price(cells, below) + cue_cost.LINE_BREAK * self._prices[cut]
            if price < best[0]:
                above, cuts = self._set(start, cut, lines - 1, aim, cells)
                if price + above < best[0]:
                    best = price + above, (*cuts, cut)
        return best

    def _room(self, start: int, end: int) -> int:
        return self._full if self._wide[end] > self._wide[start] else self._narrow

    def _fill(self, labels: Sequence[int]) -> list[int]:
        out = []
        count = len(labels)
        for start, label in enumerate(labels):
            end = start + 1
            while end < count and self.width(start, end + 1) + label <= self._room(start, end + 1):
                end += 1
            out.append(end)
        return out
