"""Praat's TextGrid, long form: for each speaker a tier of segments and a tier of words.

Intervals of a tier must tile the recording without overlap: empty ones fill the gaps, and where times of one speaker
overlap, the earlier interval is shortened.
"""

from collections.abc import Iterable, Iterator

from asrcli.formats.clock import fixed, milliseconds
from asrcli.options import CueOptions
from asrcli.text.subtitles.pieces import clean, words_of
from asrcli.transcript import Segment, Transcript

Interval = tuple[int, int, str]


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    voices: dict[str, list[Segment]] = {}
    for segment in transcript.segments:
        voices.setdefault(clean(segment.speaker or ""), []).append(segment)
    tiers: list[tuple[str, list[Interval]]] = []
    length = max(1, milliseconds(transcript.duration))
    for voice, segments in (voices or {"": []}).items():
        spoken = [(part.start, part.end, part.text) for part in segments]
        words = [(word.start, word.end, word.text) for part in segments for word in words_of(part)]
        tiers.append((voice or "segments", list(_tiled(spoken, length))))
        tiers.append((f"{voice} words".lstrip(), list(_tiled(words, length))))
    return "".join(_lines(tiers, length))


def _tiled(spans: Iterable[tuple[float, float, str]], length: int) -> Iterator[Interval]:
    """Milliseconds, from 0 to `length` without gaps; every span keeps at least one while there are enough."""
    rows = sorted((milliseconds(start), milliseconds(end), clean(text)) for start, end, text in spans)
    clock = 0
    for index, (start, end, text) in enumerate(rows):
        last = length - (len(rows) - index - 1)  # each later span needs one
        begin = max(clock, min(start, last - 1))
        following = rows[index + 1][0] if index + 1 < len(rows) else length
        stop = min(max(min(end, following), begin + 1), last)
        if stop <= begin:
            continue  # more spans than milliseconds
        if begin > clock:
            yield clock, begin, ""
        yield begin, stop, text
        clock = stop
    if clock < length:
        yield clock, length, ""


def _lines(tiers: list[tuple[str, list[Interval]]], length: int) -> Iterator[str]:
    end = fixed(length / 1000)
    yield 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    yield f"xmin = 0 \nxmax = {end} \ntiers? <exists> \nsize = {len(tiers)} \nitem []: \n"
    for number, (name, intervals) in enumerate(tiers, 1):
        yield f'    item [{number}]:\n        class = "IntervalTier" \n        name = {_quoted(name)} \n'
        yield f"        xmin = 0 \n        xmax = {end} \n        intervals: size = {len(intervals)} \n"
        for index, (start, stop, text) in enumerate(intervals, 1):
            yield f"        intervals [{index}]:\n            xmin = {fixed(start / 1000)} \n"
            yield f"            xmax = {fixed(stop / 1000)} \n            text = {_quoted(text)} \n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
