"""The pauses of a chunk, from its regions and its loudness."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import SAMPLE_RATE
from asrcli.vad.gain import percentile
from asrcli.vad.types import LEVEL_HOP, Chunk

_Mask = npt.NDArray[np.bool_]

#: seconds a level speaks for
_HOP = LEVEL_HOP / SAMPLE_RATE
#: shorter dips are stops and weak syllables, seconds
_SHORTEST_PAUSE = 0.1
#: shorter bursts in a pause are clicks and breath, seconds
_SHORTEST_SPEECH = 0.06
#: a level counts as speech from here up, between the chunk's floor (0) and its loud parts (1)
_SPEECH_LEVEL = 0.35
#: and only where the VAD does not rule it out; it is a little late at onsets and early at soft endings (levels)
_NO_SPEECH = 0.1
_BEFORE, _AFTER = 2, 6
#: the floor and the loud parts must be this far apart to tell anything, dB
_LEAST_RANGE = 12.0


def speech_spans(chunk: Chunk) -> list[tuple[float, float]]:
    """Where there is sound in the chunk's regions: ordered, disjoint spans, seconds from the chunk's start.

    Never empty: a chunk without regions or with flat loudness is taken as speech from end to end.
    """
    if not chunk.spans:
        chunk.spans[:] = _speech_spans(chunk)
    return list(chunk.spans)


def _speech_spans(chunk: Chunk) -> list[tuple[float, float]]:
    spans = [
        ((region.start - chunk.start) / SAMPLE_RATE, (region.end - chunk.start) / SAMPLE_RATE)
        for region in chunk.regions
    ] or [(0.0, (chunk.end - chunk.start) / SAMPLE_RATE)]
    loud = _loud(chunk)
    if loud is None:
        return spans
    heard = [part for start, end in spans for part in _runs(loud, start, end)]
    return heard or spans


def _loud(chunk: Chunk) -> _Mask | None:
    """For each level whether it is speech, or None where loudness does not tell."""
    levels = chunk.levels
    if len(levels) < 2 * _SHORTEST_PAUSE / _HOP:
        return None
    edged = np.concatenate([levels[:1], levels, levels[-1:]])
    smooth = np.convolve(edged, np.full(3, 1 / 3, np.float32), mode="valid")
    floor, top = percentile(smooth, 5), percentile(smooth, 90)
    if top - floor < _LEAST_RANGE:
        return None
    loud = smooth > floor + _SPEECH_LEVEL * (top - floor)
    if len(chunk.speech) == len(levels):
        loud &= _near(chunk.speech >= _NO_SPEECH)
    for region, following in pairwise(chunk.regions):
        start, end = ((at - chunk.start) // LEVEL_HOP for at in (region.end, following.start))
        loud[start:end] = False
    _drop_short(loud, value=False, shortest=_SHORTEST_PAUSE)
    _drop_short(loud, value=True, shortest=_SHORTEST_SPEECH)
    return np.asarray(loud)


def _near(speech: _Mask) -> _Mask:
    """For each level whether there is speech from `_AFTER` levels before it to `_BEFORE` behind it."""
    near = np.zeros(len(speech), np.bool_)
    for start, end in _runs_of(speech):
        if speech[start]:
            near[max(start - _BEFORE, 0) : end + _AFTER] = True
    return near


def _runs_of(mask: _Mask) -> Iterator[tuple[int, int]]:
    """The runs of equal values in an array that is not empty, start and end of each."""
    edges = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    return pairwise([0, *edges.tolist(), len(mask)])


def _drop_short(loud: _Mask, *, value: bool, shortest: float) -> None:
    """Turn runs of `value` over that are shorter than `shortest` seconds."""
    for start, end in _runs_of(loud):
        # A short silence at either end of the chunk is cut off speech that goes on there, a short sound is noise.
        inside = start > 0 and end < len(loud)
        if loud[start] == value and (end - start) * _HOP < shortest and (inside or value):
            loud[start:end] = not value


def _runs(loud: _Mask, start: float, end: float) -> list[tuple[float, float]]:
    """The loud runs within a span."""
    low, high = round(start / _HOP), min(round(end / _HOP), len(loud))
    if high <= low:
        return []
    part = loud[low:high]
    return [(max(start, (low + a) * _HOP), min(end, (low + b) * _HOP)) for a, b in _runs_of(part) if part[a]]
