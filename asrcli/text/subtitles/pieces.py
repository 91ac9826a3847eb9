"""A transcript divided for subtitles: a track of pieces for each speaker; lines break only between pieces.

Times are whole milliseconds from here on, so that nothing is rounded twice.
"""

import heapq
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, groupby
from operator import itemgetter

from rich.cells import cell_len

from asrcli.script import is_cjk, joint
from asrcli.text.subtitles.breaks import OPENING
from asrcli.transcript import Segment, Transcript, Word

#: no other speaker starts after this piece; none before it, if negative
NEVER = 1 << 60
#: name of an unknown speaker where others are known
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Piece:
    """A word of a cue; times in milliseconds."""

    word: Word
    start: int
    end: int
    #: whether a space precedes it, unless it begins a line
    space: bool
    #: a cue must begin here (another speaker spoke in between)
    forced: bool = False
    language: str = ""


@dataclass(frozen=True, slots=True)
class SpeakerTrack:
    """The words of one speaker in one channel, in order."""

    speaker: str | None
    channel: int | None
    pieces: tuple[Piece, ...]
    #: for each piece, when another track's turn next begins after the piece's start (`NEVER`: not again)
    interrupted: tuple[int, ...]
    #: for each piece, when another track last began a word, up to the piece's start (`-NEVER`: not before)
    others_began: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive words of one speaker in one segment."""

    speaker: str | None
    channel: int | None
    language: str
    words: tuple[Word, ...]

    @property
    def key(self) -> tuple[int, str]:
        return (-1 if self.channel is None else self.channel, self.speaker or "")


def milliseconds(seconds: float) -> int:
    """Rounded, not truncated: 1.9996 s is 2000 ms."""
    return round(seconds * 1000)


#: neither control characters nor surrogates
_NO_XML = "\ufffe\uffff"


def clean(text: str) -> str:
    """One line without control characters and what XML does not allow, single spaces between words."""
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return "".join(
        char for char in text if unicodedata.category(char) not in ("Cc", "Cs") and char not in _NO_XML
    ).strip()


def label(speaker: str | None) -> str:
    """The speaker's name before the text, in formats without a field for it."""
    return f"[{speaker or UNKNOWN}] "


def words_of(segment: Segment) -> tuple[Word, ...]:
    """The segment's words; without words, its text spread over its time by length."""
    if segment.words:
        return tuple(word for word in map(_cleaned, segment.words) if word.text)
    texts = list(split_text(segment.text))
    total = sum(width(text) for text, _ in texts) or 1
    words: list[Word] = []
    done = 0
    span = segment.end - segment.start
    for text, space in texts:
        start = segment.start + span * done / total
        done += width(text)
        end = segment.start + span * done / total
        words.append(Word(text, start, end, speaker=segment.speaker, space_before=space))
    return tuple(words)


def _cleaned(word: Word) -> Word:
    text = clean(word.text)
    return word if text == word.text else replace(word, text=text)


def split_text(text: str) -> Iterator[tuple[str, bool]]:
    """Words of running text, CJK characters one by one with the marks that follow; whether a space precedes."""
    for chunk in clean(text).split(" "):
        space, piece = True, ""
        for char in chunk:
            begins = (is_cjk(char) or (piece and is_cjk(piece[-1]))) and (char.isalnum() or char in OPENING)
            if begins and any(part.isalnum() for part in piece):
                yield piece, space
                space, piece = False, ""
            piece += char
        if piece:
            yield piece, space


def speaker_tracks(transcript: Transcript, limit: int, line_width: int) -> list[SpeakerTrack]:
    """Divide a transcript into tracks; no time exceeds `limit` (ms), and a CJK word wider than `line_width` cells is
    split into characters.
    """
    runs = sorted(
        (run for segment in transcript.segments for run in _runs(segment, transcript.language or "")),
        key=lambda run: run.words[0].start,
    )
    keyed: dict[tuple[int, str], list[tuple[int, _Run]]] = {}
    for number, run in enumerate(runs):
        keyed.setdefault(run.key, []).append((number, run))
    starts = {key: [milliseconds(run.words[0].start) for _, run in members] for key, members in keyed.items()}
    out = []
    for key, members in keyed.items():
        foreign = sorted(start for other, times in starts.items() if other != key for start in times)
        pieces = tuple(_pieces(members, limit, line_width))
        interrupted = tuple(_next_after(foreign, piece.start) for piece in pieces)
        out.append(SpeakerTrack(members[0][1].speaker, members[0][1].channel, pieces, interrupted))
    return _with_heard(out)


def _with_heard(tracks: list[SpeakerTrack]) -> list[SpeakerTrack]:
    """The tracks, with the times at which others speak."""
    others_began: list[list[int]] = [[] for _ in tracks]
    began = [-NEVER] * len(tracks)
    latest = runner_up = -1  # the track that began a word last, and the one before it
    order = heapq.merge(*([(piece.start, number) for piece in track.pieces] for number, track in enumerate(tracks)))
    for start, together in groupby(order, key=itemgetter(0)):
        numbers = [number for _, number in together]
        for number in dict.fromkeys(numbers):
            began[number] = start
            if number != latest:
                latest, runner_up = number, latest
        for number in numbers:
            other = runner_up if number == latest else latest
            others_began[number].append(began[other] if other >= 0 else -NEVER)
    return [replace(track, others_began=tuple(times)) for track, times in zip(tracks, others_began, strict=True)]


def _next_after(times: list[int], time: int) -> int:
    index = bisect_right(times, time)
    return times[index] if index < len(times) else NEVER


def _runs(segment: Segment, language: str) -> Iterator[_Run]:
    for speaker, words in groupby(words_of(segment), key=lambda word: word.speaker or segment.speaker):
        yield _Run(clean(speaker or "") or None, segment.channel, segment.language or language, tuple(words))


def _pieces(members: list[tuple[int, _Run]], limit: int, line_width: int) -> Iterator[Piece]:
    clock, last_text, last_number = 0, "", -1
    for number, run in members:
        # Runs are numbered by time over all speakers: a gap means that another speaker began in between.
        forced = bool(last_text) and number != last_number + 1
        for index, word in enumerate(chain.from_iterable(_narrow(word, line_width) for word in run.words)):
            start = min(max(milliseconds(word.start), clock), limit)
            end = min(max(milliseconds(word.end), start), limit)
            space = word.space_before
            if index == 0 and last_text:  # between two segments, no text shows the space
                space = bool(joint(last_text, word.text))
            yield Piece(word, start, end, space, forced and index == 0, run.language)
            clock, last_text = start, word.text
        last_number = number


def _narrow(word: Word, line_width: int) -> Iterator[Word]:
    if width(word.text) <= line_width:
        yield word
        return
    parts = list(split_text(word.text))
    step = (word.end - word.start) / len(parts)
    for index, (text, space) in enumerate(parts):
        start = word.start + index * step
        yield replace(
            word, text=text, start=start, end=start + step, space_before=space if index else word.space_before
        )


def width(text: str) -> int:
    """Cells of the text on one line."""
    return len(text) if text.isascii() else cell_len(text)


@lru_cache(maxsize=16384)
def has_wide(text: str) -> bool:
    """Whether the text has full-width letters or signs, so that the full-width line length applies.

    Emoji are wide but occur in text of any script: they do not count.
    """
    return not text.isascii() and any(
        unicodedata.east_asian_width(char) in "WF" and unicodedata.category(char) != "So" for char in text
    )
