"""The two-layer merge of segments that follow each other and have one speaker.

The rules are those of the reference service (times in seconds): first a segment shorter than 10 takes in its followers
until it is that long, then segments take in followers as long as the whole stays within 60. Silence between merged
segments counts; over more than 3 of it nothing is merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from asrcli.script import joint
from asrcli.transcript import Segment

SHORT = 10.0
LONGEST = 60.0
LONGEST_GAP = 3.0


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
