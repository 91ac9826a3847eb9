"""Display times of cues, all speakers together.

A block is displayed from its first word to the end of its last word, or longer if `min_cue` or the reading speed
require it and the next cue leaves room. A gap of less than `CHAIN` between two cues is reduced to the minimum, to
avoid flicker.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

from asrcli.options import CueOptions
from asrcli.text.subtitles import cue_cost
from asrcli.text.subtitles.pieces import Piece

#: ms: shorter gaps are reduced to the minimum (12 frames of 24 a second)
CHAIN = 500
#: ms: minimum distance of the cues of two speakers who begin at the same time, if there is room
APART = 200
FRAMES_PER_SECOND = 24


@dataclass(frozen=True, slots=True)
class Timing:
    """The limits in time, milliseconds."""

    limit: int
    gap: int
    min_cue: int
    max_cue: int
    max_cps: float
    max_words: int | None
    dialogue: bool

    @classmethod
    def of(cls, options: CueOptions, limit: int) -> Self:
        return cls(
            limit=limit,
            gap=round(options.cue_gap * 1000 / FRAMES_PER_SECOND),
            min_cue=round(options.min_cue * 1000),
            max_cue=round(options.max_cue * 1000),
            max_cps=options.max_cps,
            max_words=options.max_words,
            dialogue=options.dialogue and options.max_lines > 1,
        )

    def available(self, start: int, following: int) -> int:
        """Maximum duration of a cue that begins at `start`, if the next one begins at `following`."""
        return max(0, min(following - self.gap, self.limit, start + self.max_cue) - start)


@dataclass(frozen=True, slots=True)
class Block:
    """Words of one speaker that are displayed together; times in milliseconds."""

    start: int
    end: int
    lines: tuple[tuple[Piece, ...], ...]
    #: cells to be read
    cells: int
    words: int
    speaker: str | None
    channel: int | None
    #: whether it fits one line of a dialogue, after dash and label
    pairable: bool


@dataclass(frozen=True, slots=True)
class TimedBlock:
    """One block, or two of a dialogue, with display times."""

    start: int
    end: int
    blocks: tuple[Block, ...]

    @property
    def cells(self) -> int:
        return sum(block.cells for block in self.blocks)


def schedule(blocks: Sequence[Block], timing: Timing) -> list[TimedBlock]:
    """Order the blocks, pair short exchanges of two speakers, and determine the times. Returns cues in order, each at
    least 1 ms long, without overlap, within 0..`timing.limit`; if there are more cues than milliseconds, the limit is
    exceeded.
    """
    cues = _paired(sorted(blocks, key=lambda block: block.start), timing)
    limit = max(timing.limit, len(cues))
    starts = _shared(cues, _apart([cue.start for cue in cues], limit), timing, limit)
    out = []
    for cue, start, following in zip(cues, starts, [*starts, limit + timing.gap][1:], strict=True):
        room = following - start
        gap = min(timing.gap, room // 2)
        latest = min(following - gap, start + max(1, timing.max_cue), limit)
        wanted = max(cue.end, start + timing.min_cue, start + round(cue.cells * 1000 / timing.max_cps))
        if following <= limit and following - gap - wanted < CHAIN - timing.gap:
            wanted = latest
        out.append(replace(cue, start=start, end=max(start + 1, min(wanted, latest))))
    return out


def _apart(starts: list[int], limit: int) -> list[int]:
    """The same times, moved as little as needed to be strictly increasing."""
    step = min(APART, limit // max(1, len(starts)))
    out = []
    earliest = 0
    for start in starts:
        out.append(max(start, earliest))
        earliest = out[-1] + step
    latest = limit - step
    for index in range(len(out) - 1, -1, -1):
        out[index] = min(out[index], latest)
        latest = out[index] - step
    return out


def _shared(cues: list[TimedBlock], starts: list[int], timing: Timing, limit: int) -> list[int]:
    """Where two speakers begin at the same time and continue together, delay the second until the first can be read.

    Both get a share of the time until the third cue in proportion to their text; the delay is at most what the first
    needs.
    """
    out = [*starts, limit]
    for index, (first, second) in enumerate(pairwise(cues)):
        together = min(first.end, second.end) - max(first.start, second.start)
        start, following = out[index], out[index + 2]
        if out[index + 1] >= start + timing.min_cue + timing.gap:
            continue  # the first is displayed long enough
        if 2 * together <= min(first.end - first.start, second.end - second.start):
            continue  # a turn that begins shortly before the other ends
        needed = max(timing.min_cue, round(first.cells * 1000 / timing.max_cps)) + timing.gap
        share = (following - start) * first.cells // max(1, first.cells + second.cells)
        out[index + 1] = max(out[index + 1], start + min(needed, share))
    return out[:-1]


def _paired(blocks: list[Block], timing: Timing) -> list[TimedBlock]:
    """Put two speakers into one cue where that costs less than two short cues."""
    count = len(blocks)
    best = [0.0] * (count + 1)
    pairs = [False] * (count + 1)
    for index in range(count - 1, -1, -1):
        here = _single(blocks[index])
        best[index] = _price(here, blocks, index + 1, timing) + best[index + 1]
        if index + 1 < count and timing.dialogue and _may_pair(blocks[index], blocks[index + 1], timing):
            pair = _pair(blocks[index], blocks[index + 1])
            pause = blocks[index + 1].start - blocks[index].end
            price = _price(pair, blocks, index + 2, timing) + cue_cost.DIALOGUE + cue_cost.pause_price(pause)
            if price + best[index + 2] < best[index]:
                best[index], pairs[index] = price + best[index + 2], True
    out, index = [], 0
    while index < count:
        out.append(_pair(blocks[index], blocks[index + 1]) if pairs[index] else _single(blocks[index]))
        index += len(out[-1].blocks)
    return out


def _single(block: Block) -> TimedBlock:
    return TimedBlock(block.start, block.end, (block,))


def _pair(first: Block, second: Block) -> TimedBlock:
    return TimedBlock(first.start, max(first.end, second.end), (first, second))


def _may_pair(first: Block, second: Block, timing: Timing) -> bool:
    return (
        first.pairable
        and second.pairable
        and (first.speaker, first.channel) != (second.speaker, second.channel)
        and (timing.max_words is None or first.words + second.words <= timing.max_words)
        and second.start - first.end < cue_cost.PAUSE_BREAKS
        and max(first.end, second.end) - first.start <= timing.max_cue
    )


def _price(cue: TimedBlock, blocks: list[Block], following: int, timing: Timing) -> float:
    until = blocks[following].start if following < len(blocks) else timing.limit + timing.gap
    available = timing.available(cue.start, until)
    return cue_cost.CUE + cue_cost.time_price(cue.cells, available, timing.min_cue, timing.max_cps)
