"""Times of the words of a given text, from the words that were recognised."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from asrcli.alignment.matching import Pair, match
from asrcli.assemble.estimate import estimate_times, spoken_length
from asrcli.assemble.words import UntimedWord, split_words
from asrcli.errors import InputError
from asrcli.script import is_letter, join
from asrcli.transcript import Segment, Transcript, Word

#: recognised words closer than this are one span of sound, seconds
_PAUSE = 0.3
#: a smaller share of words that are found is a warning
_FEW = 0.7
#: so many recognised words in a row that are not in the text are a warning; the same with text and recognised words
_MANY = 10
#: places of the text that one warning names, and words of each
_NAMED = 5

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
    found; speech that is not in the text; words of the text without speech. `earliest`: where the part of the recording
    begins that was transcribed, in seconds. Raises InputError: the text has no words, or none of them was recognised.
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
    warnings += _text_without_speech(given, heard, pairs, placed)
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


def _text_without_speech(
    given: Sequence[UntimedWord], heard: Sequence[Word], pairs: Sequence[Pair], placed: Sequence[_Placed]
) -> Iterator[str]:
    """A warning for words of the text in whose place nothing was recognised: the recording may lack them."""
    places: list[str] = []
    count = 0
    for (before, start), (at, end) in pairwise([(-1, -1), *pairs, (len(given), len(heard))]):
        lacking = [number for number in range(before + 1, at) if _key(given[number].text)]
        recognised = sum(1 for word in heard[start + 1 : end] if _key(word.text))
        absent = not recognised and not _is_in_neighbour(given, heard, lacking, [(before, start), (at, end)])
        if lacking and (absent or len(lacking) - recognised >= _MANY):
            count += len(lacking)
            text = join(given[number].text for number in lacking[:_NAMED]) + (" …" if len(lacking) > _NAMED else "")
            places.append(f"{text!r} at {placed[lacking[0]].times[0]:.1f} s")
    if places:
        more = f" and {len(places) - _NAMED} more places" if len(places) > _NAMED else ""
        words = "1 word" if count == 1 else f"{count} words"
        yield f"timestamps: no speech was recognised for {words} of the text: {', '.join(places[:_NAMED])}{more}"


def _is_in_neighbour(
    given: Sequence[UntimedWord], heard: Sequence[Word], lacking: Sequence[int], edges: Sequence[Pair]
) -> bool:
    """Whether words were recognised as part of the word before or after: "can not" as "cannot"."""
    text = "".join(_key(given[number].text) for number in lacking)
    (before, start), (at, end) = edges
    led = before >= 0 and _key(heard[start].text) == _key(given[before].text) + text
    return led or (at < len(given) and _key(heard[end].text) == text + _key(given[at].text))
