"""Words of a chunk in time: the model's where it gave any, else estimated."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from asrcli.assemble.estimate import estimate_times, spoken_length
from asrcli.assemble.pauses import speech_spans
from asrcli.assemble.tokens import TimedToken, place_words
from asrcli.assemble.words import UntimedWord
from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis
from asrcli.transcript import Word
from asrcli.vad.types import Chunk

#: no word that the model placed is shorter, seconds, as far as there is room
_SHORTEST = 0.02
#: about how far apart words begin that the model placed at one time, seconds
_APART = 0.15
#: a word that has only so much sound before a pause begins behind it, seconds
_TRACE = 0.1
#: a shorter silence is part of a word, seconds
_LEAST_PAUSE = 0.1
#: The first word behind a pause so long begins where the pause ends, if the model has it later by this much at the
#: least (less is within the error of either) and at the most, seconds.
_LONG_PAUSE, _EDGE, _LATE = 0.25, 0.06, 0.3


def time_words(chunk: Chunk, hypothesis: Hypothesis, spellings: Sequence[UntimedWord]) -> list[Word]:
    """The words of a chunk in stream time: ordered, not overlapping, within the chunk."""
    if not spellings:
        return []
    placed = place_words(spellings, hypothesis.tokens)
    estimated = not (hypothesis.timed and any(timed.start is not None for timed in placed))
    if not estimated:
        times = _within_regions(_after_pauses(_fill(spellings, placed, _length(chunk)), chunk), chunk)
    else:
        times = estimate_times(spellings, speech_spans(chunk))
    ordered = orderly(times, _length(chunk), estimated=estimated)
    offset = chunk.start / SAMPLE_RATE
    return [
        Word(spelling.text, start + offset, end + offset, timed.confidence, space_before=spelling.space_before)
        for spelling, timed, (start, end) in zip(spellings, placed, ordered, strict=True)
    ]


def _length(chunk: Chunk) -> float:
    return (chunk.end - chunk.start) / SAMPLE_RATE


def _fill(spellings: Sequence[UntimedWord], placed: Sequence[TimedToken], length: float) -> list[tuple[float, float]]:
    """Places for the words that no token spoke for: between their neighbours, in proportion to their length."""
    times: list[tuple[float, float]] = []
    known = [replace(timed, end=timed.start) if timed.end is None else timed for timed in placed]
    at = 0
    for missing, group in groupby(known, key=lambda timed: timed.start is None):
        members = list(group)
        if not missing:
            times += [(timed.start or 0.0, timed.end or 0.0) for timed in members]
        else:
            after = known[at + len(members)].start if at + len(members) < len(known) else None
            low = times[-1][1] if times else 0.0
            high = max(length if after is None else after, low)
            times += _divide(spellings[at : at + len(members)], low, high)
        at += len(members)
    return times


def _divide(spellings: Sequence[UntimedWord], low: float, high: float) -> list[tuple[float, float]]:
    weights = [spoken_length(spelling.text) for spelling in spellings]
    # A gap of many seconds is silence, not one slow word.
    room = min(high - low, 2 * sum(weights))
    times, at = [], low
    for weight in weights:
        end = at + room * weight / sum(weights)
        times.append((at, end))
        at = end
    return times


def _within_regions(times: Sequence[tuple[float, float]], chunk: Chunk) -> list[tuple[float, float]]:
    """Words of some length, which do not run on into the silence behind their region."""
    ends = [((r.start - chunk.start) / SAMPLE_RATE, (r.end - chunk.start) / SAMPLE_RATE) for r in chunk.regions]
    trimmed = []
    for start, end in times:
        bound = next((high for low, high in ends if low <= start < high), end)
        trimmed.append((start, min(max(end, start + _SHORTEST), bound)))
    return trimmed


def _after_pauses(times: Sequence[tuple[float, float]], chunk: Chunk) -> list[tuple[float, float]]:
    """No word begins in a pause, or with a trace of sound before one: alignments often give a pause to the word behind
    it. The first word behind a long pause begins where the sound does, and no word ends in a pause.
    """
    spans = speech_spans(chunk)
    # Without VAD, noise behind digital silence is an onset as well.
    onsets = spans if 0 < len(chunk.speech) == len(chunk.levels) else []
    moved: list[tuple[float, float]] = []
    for start, end in times:
        onset = next((low for low, high in spans if high - start > _TRACE), start)
        paused = next((high for _, high in reversed(spans) if high < onset), 0.0)
        if start < onset < end - _SHORTEST and onset - max(start, paused) >= _LEAST_PAUSE:
            moved.append((onset, end))
        else:
            moved.append((_after_long_pause(start, moved[-1][0] if moved else -1.0, onsets), end))
    return [(start, _before_pause(start, end, spans)) for start, end in moved]


def _after_long_pause(start: float, previous: float, spans: Sequence[tuple[float, float]]) -> float:
    """The end of the pause that a word begins a little after, unless the word before does so too."""
    at = bisect_left(spans, (start - _EDGE,)) - 1
    if at < 0:
        return start
    onset = spans[at][0]
    paused = spans[at - 1][1] if at else -_LONG_PAUSE
    is_first = onset > 0 and previous < onset and onset - paused >= _LONG_PAUSE
    return onset if is_first and start - onset <= _LATE else start


def _before_pause(start: float, end: float, spans: Sequence[tuple[float, float]]) -> float:
    """Where a word ends that would end in a pause: where the pause begins."""
    at = bisect_right(spans, (end, math.inf))
    in_pause = 0 < at < len(spans) and start < spans[at - 1][1] < end
    return spans[at - 1][1] if in_pause else end


def orderly(
    times: Sequence[tuple[float, float]], length: float, *, estimated: bool = False
) -> list[tuple[float, float]]:
    """Times of words, seconds from 0 to `length`: starts that ascend where there is room, ends that neither overlap the
    next word nor exceed the length. Estimated ones are kept where the sound is.
    """
    starts: list[float] = []
    latest = 0.0
    for start, _ in times:
        latest = max(latest, min(start, length))
        starts.append(latest)
    if not estimated:
        starts = _apart(starts, length)
    shortest = 0.0 if estimated else _SHORTEST
    bounds = [*starts[1:], length]
    return [
        (start, min(max(end, start + shortest), max(start, bound)))
        for start, (_, end), bound in zip(starts, times, bounds, strict=True)
    ]


def _apart(starts: Sequence[float], length: float) -> list[float]:
    """Words that begin at about one time follow each other, as far as there is room before the next."""
    apart: list[float] = []
    while (at := len(apart)) < len(starts):
        first = starts[at]
        behind = max(bisect_left(starts, first + _SHORTEST, at), at + 1)
        following = starts[behind] if behind < len(starts) else length
        step = min(_APART, (following - first) / (behind - at))
        apart += [first + step * number for number in range(behind - at)]
    return apart
