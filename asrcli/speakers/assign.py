"""Words to speakers: by overlap with the turns, but not against the sentence.

Turn edges and word times are both some tenths of a second off, so a word at a change of speakers often overlaps the
wrong turn. All words are labelled together: the cheapest labelling counts the seconds of words outside their speaker's
turns, plus a fee for each change of speaker, which is free at the end of a sentence and dear inside one. A lone word is
thus never torn off its sentence, while a real interruption is kept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice
from math import inf

from asrcli.assemble.sentences import Ending, ending
from asrcli.script import joint
from asrcli.transcript import Segment, Turn, Word, join_words

#: what a change of speakers costs, in seconds of words against their turns
_FREE = 0.02
_AT_PAUSE = 0.1
_INSIDE = 0.4
#: a silence of up to so many seconds is none; one of the second is a likely place for a change; between, in proportion
_NO_PAUSE, _PAUSE = 0.1, 0.3
#: a word is compared with the turns as if it began so much earlier and ended so much later, seconds: both its times and
#: those of the turns are inexact
_INEXACT = 0.07
#: a word counts for at least this long: some models give words no length
_SHORTEST = 0.2
#: so many words in a row, each outside a speaker's turns, cost more than to change to another speaker and back
_REACH = round(2 * _INSIDE / _SHORTEST)
#: Segments of one speaker that follow each other are merged by the rules of the reference service, in two layers: a
#: segment shorter than the first takes in its followers until it is that long, then all take in followers up to the
#: second. Silence between them counts; nothing is merged over more than the third, seconds.
SHORT, LONGEST, LONGEST_GAP = 10.0, 60.0, 3.0


def assign_speakers(segments: Sequence[Segment], turns: Sequence[Turn]) -> list[Segment]:
    """Label words and segments, split segments where the speaker changes, and merge those of one speaker. Times are
    file times; segments are ordered by start; turns of different speakers may overlap.
    """
    if not turns:
        return list(segments)
    units = [unit for segment in segments for unit in _units(segment)]
    speakers = _cheapest(units, _TurnIndex(turns))
    labelled: list[Segment] = []
    at = 0
    for segment in segments:
        count = len(segment.words) or 1
        labelled.extend(_split(segment, speakers[at : at + count]))
        at += count
    return [replace(segment, id=number) for number, segment in enumerate(merge_segments(labelled))]


def _units(segment: Segment) -> Sequence[Word]:
    return segment.words or (Word(segment.text, segment.start, segment.end),)


def _split(segment: Segment, speakers: Sequence[str]) -> Iterator[Segment]:
    if len(set(speakers)) == 1:
        speaker = speakers[0]
        yield replace(segment, speaker=speaker, words=tuple(replace(word, speaker=speaker) for word in segment.words))
        return
    for speaker, run in groupby(zip(segment.words, speakers, strict=True), key=lambda pair: pair[1]):
        words = tuple(replace(word, speaker=speaker) for word, _ in run)
        yield replace(
            segment, start=words[0].start, end=words[-1].end, text=join_words(words), words=words, speaker=speaker
        )


def _cheapest(words: Sequence[Word], turns: _TurnIndex) -> list[str]:
    """The speaker of each word: dynamic programming over (word, speaker)."""
    shares = map(turns.shares, words)
    near = deque(islice(shares, _REACH))
    cost: dict[str, float] = {}
    # Before each word: the cheapest speaker, and those whose word costs less after a change from that one. Few steps
    # differ, and each is held once: hours of speech are 100,000 words.
    steps: list[tuple[str, frozenset[str]]] = []
    same: dict[tuple[str, frozenset[str]], tuple[str, frozenset[str]]] = {}
    for index, word in enumerate(words):
        near.extend(islice(shares, 1))
        if index > _REACH:
            near.popleft()
        own = near[min(index, _REACH)]
        length = max(word.end - word.start, _SHORTEST)
        fee = _fee(words[index - 1], word) if index else 0.0
        cheapest = min(cost, key=cost.__getitem__, default="")
        changed = cost.get(cheapest, 0.0) + fee
        before, cost = cost, {}
        for speaker in dict.fromkeys(chain.from_iterable(near)):
            cost[speaker] = min(before.get(speaker, inf), changed) + length * (1.0 - own.get(speaker, 0.0))
        step = cheapest, frozenset(speaker for speaker in cost if before.get(speaker, inf) > changed)
        steps.append(same.setdefault(step, step))
    speaker = min(cost, key=cost.__getitem__, default="")
    labels: list[str] = []
    for cheapest, changing in reversed(steps):
        labels.append(speaker)
        speaker = cheapest if speaker in changing else speaker
    return labels[::-1]


def _fee(before: Word, word: Word) -> float:
    """What a change of speakers between two words costs."""
    end = ending(before.text, word.text)
    if end is Ending.SENTENCE:
        return _FREE
    # Within a turn three of four words follow without any pause; at a change of speakers one of twenty does.
    gap = (word.start - before.end - _NO_PAUSE) / (_PAUSE - _NO_PAUSE)
    pause = 1.0 if end is Ending.CLAUSE else min(1.0, max(0.0, gap))
    return _INSIDE + pause * (_AT_PAUSE - _INSIDE)


class _TurnIndex:
    """Turns by time."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start)
        self._starts = [turn.start for turn in self._turns]
        # How far turns up to each one reach: where to stop when looking back.
        self._reach: list[float] = []
        for turn in self._turns:
            self._reach.append(max(turn.end, self._reach[-1] if self._reach else turn.end))

    def shares(self, word: Word) -> dict[str, float]:
        """Which part of a word and what is beside it lies in whose turns (0..1); outside all turns, the nearest speaker
        has it whole.
        """
        start, end = word.start - _INEXACT, max(word.end, word.start + 1e-3) + _INEXACT
        shares: dict[str, float] = {}
        last = bisect_left(self._starts, end)
        for index in range(last - 1, -1, -1):
            if self._reach[index] <= start:
                break
            turn = self._turns[index]
            overlap = min(turn.end, end) - max(turn.start, start)
            if overlap > 0.0:
                shares[turn.speaker] = min(1.0, shares.get(turn.speaker, 0.0) + overlap / (end - start))
        if shares:
            return shares
        return {self._nearest(start, end, last): 1.0}

    def _nearest(self, start: float, end: float, after: int) -> str:
        behind = bisect_left(self._reach, self._reach[after - 1]) if after else None
        candidates = [index for index in (behind, after if after < len(self._turns) else None) if index is not None]
        gap = {index: max(self._starts[index] - end, start - self._turns[index].end) for index in candidates}
        return self._turns[min(gap, key=gap.__getitem__)].speaker


def merge_segments(segments: Iterable[Segment]) -> list[Segment]:
    """Apply both layers; what is merged has one speaker, channel and language."""
    first = _absorb(segments, lambda segment: segment.end - segment.start < SHORT)
    return _absorb(first, lambda _: True)


def _absorb(segments: Iterable[Segment], hungry: Callable[[Segment], bool]) -> list[Segment]:
    merged: list[Segment] = []
    for segment in segments:
        if merged and hungry(merged[-1]) and _fits(merged[-1], segment):
            merged[-1] = _join(merged[-1], segment)
        else:
            merged.append(segment)
    return merged


def _fits(one: Segment, next_one: Segment) -> bool:
    alike = (one.speaker, one.channel, one.language) == (next_one.speaker, next_one.channel, next_one.language)
    return alike and next_one.start - one.end <= LONGEST_GAP and next_one.end - one.start <= LONGEST


def _join(one: Segment, other: Segment) -> Segment:
    space = joint(one.text, other.text)
    words = other.words and (replace(other.words[0], space_before=bool(space)), *other.words[1:])
    return replace(
        one,
        end=max(one.end, other.end),
        text=one.text + space + other.text,
        words=one.words + words,
        confidence=_mean_confidence(one, other),
        emotion=one.emotion if one.emotion == other.emotion else None,
        event=one.event if one.event == other.event else None,
    )


def _mean_confidence(one: Segment, other: Segment) -> float | None:
    """Weighted by duration; of one alone where the other has none."""
    if one.confidence is None or other.confidence is None:
        return other.confidence if one.confidence is None else one.confidence
    lengths = one.end - one.start, other.end - other.start
    if sum(lengths) <= 0.0:
        return one.confidence
    return (one.confidence * lengths[0] + other.confidence * lengths[1]) / sum(lengths)
