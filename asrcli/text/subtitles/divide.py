"""Division of one speaker's words into cues of least cost, by dynamic programming."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import accumulate, pairwise
from math import inf

from asrcli.assemble.sentences import Ending, ending
from asrcli.options import CueOptions
from asrcli.script import is_cjk
from asrcli.text.subtitles import cue_cost
from asrcli.text.subtitles.breaks import IN_WORD, price
from asrcli.text.subtitles.layout import Layout
from asrcli.text.subtitles.pieces import Piece, SpeakerTrack
from asrcli.text.subtitles.schedule import Timing


@dataclass(frozen=True, slots=True)
class Part:
    """One cue's pieces, start..end (exclusive), and where its lines 2, 3, … begin."""

    start: int
    end: int
    cuts: tuple[int, ...]


class Divider:
    """One track; costs that do not depend on the division are computed once."""

    def __init__(self, track: SpeakerTrack, options: CueOptions, timing: Timing, label: int) -> None:
        pieces = track.pieces
        self._track = track
        self._timing = timing
        pauses = [0, *(after.start - before.end for before, after in pairwise(pieces))]
        #: price of ending a cue before each piece; nothing at the track's end
        self._prices = [*_break_prices(pieces, pauses), 0.0]
        labels = [label] * len(pieces) if options.label_every_cue else _labels(track, label, timing.max_cue)
        self.layout = Layout(pieces, self._prices, options, labels)
        #: sum of the prices of the pauses before each piece and all earlier ones
        self._pauses = list(accumulate(cue_cost.pause_price(pause) for pause in pauses))
        following = [*(piece.word.text for piece in pieces[1:]), ""]
        endings = [ending(piece.word.text, text) for piece, text in zip(pieces, following, strict=True)]
        #: sentences, and clauses within them, that end before each piece
        self._sentences = [0, *accumulate(int(end is Ending.SENTENCE) for end in endings)]
        self._clauses = [0, *accumulate(int(end is Ending.CLAUSE) for end in endings)]
        self._bounds = self._farthest(pauses, options.max_words or len(pieces))
        #: when the next cue begins if one ends before piece k: the speaker's own next word, or never
        self._next = [*(piece.start for piece in pieces), timing.limit + timing.gap]

    def divide(self) -> list[Part]:
        """All the track's pieces, in order, as parts."""
        count = len(self._track.pieces)
        best = [0.0] * (count + 1)
        choice: list[Part] = [Part(0, 0, ())] * count
        for start in range(count - 1, -1, -1):
            least = inf
            ends = range(start + 1, self._bounds[start] + 1)
            for bare, end in sorted([(self._text_price(start, end) + best[end], end) for end in ends]):
                if bare >= least:
                    break  # time and lines only add to it, and to all that follow
                total = bare + self._time_price(start, end)
                if total + self.layout.least(start, end) >= least:
                    continue
                lines, cuts = self.layout.best(start, end)
                if total + lines < least:
                    least, choice[start] = total + lines, Part(start, end, cuts)
            best[start] = least
        out, start = [], 0
        while start < count:
            out.append(choice[start])
            start = out[-1].end
        return out

    def _text_price(self, start: int, end: int) -> float:
        last = end - 1
        total = cue_cost.CUE + self._prices[end] + self._pauses[last] - self._pauses[start]
        whole = self._sentences[end] > self._sentences[last] or end == len(self._track.pieces)
        inside = self._sentences[last] - self._sentences[start]
        if inside:
            total += inside * (cue_cost.WHOLE_SENTENCE_INSIDE if whole else cue_cost.TORN_SENTENCE_INSIDE)
        if not whole and self._clauses[last] > self._clauses[start] and self._clauses[end] == self._clauses[last]:
            total += cue_cost.TORN_CLAUSE_INSIDE
        return total

    def _time_price(self, start: int, end: int) -> float:
        following = min(self._next[end], self._track.interrupted[end - 1])
        available = self._timing.available(self._next[start], following)
        return cue_cost.time_price(self.layout.cells(start, end), available, self._timing.min_cue, self._timing.max_cps)

    def _farthest(self, pauses: list[int], max_words: int) -> list[int]:
        """For each piece, the end of the longest cue that may begin with it; a single piece is always allowed."""
        pieces = self._track.pieces
        count = len(pieces)
        out = [0] * count
        barrier = count
        latest = count
        for start in range(count - 1, -1, -1):
            while latest > start + 1 and pieces[latest - 1].end - pieces[start].start > self._timing.max_cue:
                latest -= 1
            out[start] = max(start + 1, min(barrier, latest, start + max_words, self.layout.farthest(start)))
            if pieces[start].forced or pauses[start] >= cue_cost.PAUSE_BREAKS:
                barrier = start
        return out


def _labels(track: SpeakerTrack, label: int, max_cue: int) -> list[int]:
    """Cells of the name before each piece, if a cue begins with it: where another speaker may precede.

    That is certain only when all speakers are merged; a name that is not needed then leaves some room.
    """
    out = [label] * len(track.pieces)
    for index, (before, others_began) in enumerate(zip(track.pieces, track.others_began[1:], strict=False), 1):
        # The cue before begins no earlier than this.
        if others_began < min(before.start, before.end - max_cue):
            out[index] = 0
    return out


def _break_prices(pieces: Sequence[Piece], pauses: Sequence[int]) -> list[float]:
    torn = inside_words(pieces)
    prices = [0.0]
    for index, (before, after) in enumerate(pairwise(pieces), 1):
        raw = IN_WORD if index in torn else price(before.word.text, after.word.text, after.space, after.language)
        prices.append(cue_cost.break_price(raw, pauses[index]))
    return prices


def inside_words(pieces: Sequence[Piece]) -> frozenset[int]:
    """The pieces before which a break would divide a Chinese word, by rjieba (extra `chinese`); none without it."""
    if not any(_is_chinese(piece) for piece in pieces) or find_spec("rjieba") is None:
        return frozenset()
    import rjieba

    texts = [(" " if piece.space else "") + piece.word.text for piece in pieces]
    boundaries = {0, *accumulate(map(len, rjieba.cut("".join(texts))))}
    out = set()
    at = 0
    for index, (piece, text) in enumerate(zip(pieces, texts, strict=True)):
        if index and not piece.space and at not in boundaries and _is_chinese(piece) and _is_chinese(pieces[index - 1]):
            out.add(index)
        at += len(text)
    return frozenset(out)


def _is_chinese(piece: Piece) -> bool:
    """Han characters, unless the language is another."""
    first = piece.word.text[0]
    return piece.language in {"", None, "zh", "yue"} and is_cjk(first) and not "\u3040" <= first <= "\u30ff"  # kana
