"""Times of the words of a given text, from the words that were recognised."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from asrcli.alignment.matching import Pair, match
from asrcli.assemble.estimate import estimate_times, spoken_length
from asrcli.assemble.words import UntimedWord, split_words
from asrcli.errors import InputError
from asrcli.script import is_letter
from asrcli.transcript import Segment, Transcript, Word

#: recognised words closer than this are one span of sound, seconds
_PAUSE = 0.3
#: a smaller share of words that are found is a warning
_FEW = 0.7
#: so many recognised words in a row that are not in the text are a warning
_MANY = 10

_Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Placed:
    times: _Span
    matched: bool
    confidence: float | None = None
    speaker: str | None = None


def align_lines(recognised: Transcript, lines: Sequence[str], earliest: float = 0.0) -> Transcript:
    """The lines of a text as segments on the times of a transcript of the recording; `alignment` of each word is
    "matched" or "interpolated". Chinese, Japanese and the like are matched by character. Warnings: few words were
    found; speech that is not in the text. `earliest`: where the part of the recording begins that was transcribed, in
    seconds. Raises InputError: the text has no words, or none of them was recognised.
    """
    words = [split_words(line) for line in lines]
    given = [word for line in words for word in line]
    if not given:
        raise InputError("The text has no words.", "Give the text that is spoken.")
    heard = sorted((word for segment in recognised.segments for word in segment.words), key=lambda word: word.start)
    pairs = _matched(given, heard)
    if not pairs:
        raise InputError("None of the words of the text was recognised.", "Check the text, --language and --model.")
    placed = list(_place(given, heard, pairs, earliest, recognised.duration))
    found = sum(each.matched for each in placed)
    warnings = list(recognised.warnings)
    if found < _FEW * len(given):
        warnings.append(f"timestamps: only {found} of {len(given)} words of the text were recognised")
    warnings += _unknown_speech(heard, pairs)
    return replace(
        recognised,
        segments=tuple(_segments(lines, words, placed)),
        warnings=tuple(warnings),
        notes={**recognised.notes, "alignment": {"matched": found, "interpolated": len(given) - found}},
    )


def _key(text: str) -> str:
    return "".join(filter(is_letter, text)).casefold()


def _matched(given: Sequence[UntimedWord], heard: Sequence[Word]) -> list[Pair]:
    """Positions of corresponding words; those without letters correspond to none."""
    ours = [(number, key) for number, word in enumerate(given) if (key := _key(word.text))]
    theirs = [(number, key) for number, word in enumerate(heard) if (key := _key(word.text))]
    pairs = match([key for _, key in ours], [key for _, key in theirs])
    return [(ours[one][0], theirs[other][0]) for one, other in pairs]


def _place(
    given: Sequence[UntimedWord], heard: Sequence[Word], pairs: Sequence[Pair], earliest: float, duration: float
) -> Iterator[_Placed]:
    """Each given word with its times: those of its pair, and the words between by their length."""
    latest = earliest
    for (before, start), (at, place) in pairwise([(-1, -1), *pairs, (len(given), len(heard))]):
        until = heard[place].start if place < len(heard) else duration
        between = given[before + 1 : at]
        if between:
            for times in _between(between, heard[start + 1 : place], latest, max(latest, until), head=before < 0):
                yield _Placed(times, matched=False)
        if at < len(given):
            word = heard[place]
            start_time = max(latest, word.start)
            latest = max(start_time, word.end)
            yield _Placed((start_time, latest), True, word.confidence, word.speaker)


def _between(
    words: Sequence[UntimedWord], heard: Sequence[Word], low: float, high: float, *, head: bool
) -> list[_Span]:
    """Times for words between two that were matched, from the recognised words there or else from the pause."""
    if len(words) == len(heard):
        spans = [(word.start, word.end) for word in heard]
    elif heard:
        spans = estimate_times(words, _sound(heard))
    else:
        length = min(high - low, sum(spoken_length(word.text) for word in words))
        spans = [] if length <= 0 else estimate_times(words, [(high - length, high) if head else (low, low + length)])
    spans = spans or [(low, low)] * len(words)
    return [(min(max(start, low), high), min(max(end, low), high)) for start, end in spans]


def _sound(heard: Sequence[Word]) -> list[_Span]:
    spans: list[_Span] = []
    for word in heard:
        if spans and word.start - spans[-1][1] < _PAUSE:
            spans[-1] = (spans[-1][0], max(spans[-1][1], word.end))
        else:
            spans.append((word.start, max(word.end, word.start + 0.001)))
    return spans


def _segments(
    lines: Sequence[str], words: Sequence[Sequence[UntimedWord]], placed: Sequence[_Placed]
) -> Iterator[Segment]:
    rest = iter(placed)
    latest = 0.0
    for number, (line, untimed) in enumerate(zip(lines, words, strict=True)):
        timed = tuple(
            Word(word.text, *each.times, each.confidence, each.speaker, word.space_before,
                 "matched" if each.matched else "interpolated")
            for word, each in zip(untimed, rest, strict=False)
        )  # fmt: skip
        start = timed[0].start if timed else latest
        latest = max([latest, *(word.end for word in timed)])
        speakers = {word.speaker for word in timed}
        speaker = speakers.pop() if len(speakers) == 1 else None
        yield Segment(number, start, max(start, latest), line, timed, speaker)


def _unknown_speech(heard: Sequence[Word], pairs: Sequence[Pair]) -> Iterator[str]:
    """Warnings for recognised words that the text does not contain."""
    edges = [(-1, -1), *pairs, (pairs[-1][0] + 1, len(heard))]
    for (before, start), (at, end) in pairwise(edges):
        extra = heard[start + 1 : end]
        if len(extra) - (at - before - 1) >= _MANY:
            yield f"timestamps: speech from {extra[0].start:.1f} to {extra[-1].end:.1f} s is not in the text"
