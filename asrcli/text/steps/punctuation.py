"""Punctuation for models that return none. Marks are added to the recognised words, so that times are kept."""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from asrcli.assemble.sentences import Ending, ending
from asrcli.errors import EngineClosedError, EngineError
from asrcli.script import is_cjk
from asrcli.text.steps.word_edits import with_words
from asrcli.transcript import Segment, Transcript, Word, join_words

#: what `EngineClient.load` takes as the kind
SERVICE = "asrcli.backends.companions:load_punctuator"
#: text -> the same text with marks
Punctuate = Callable[[str], "Future[str]"]

#: words in one call of the model: enough for whole sentences, few enough to be fast
_MOST_WORDS = 300
#: seconds of silence that end a text for the model
_LONGEST_PAUSE = 3.0
#: a text with a sentence mark in one of so many words has punctuation
_WORDS_A_MARK = 60

_HALF_WIDTH = str.maketrans("，。？！、；：", ",.?!,;:")


def is_punctuated(transcript: Transcript) -> bool:
    """Whether the recogniser returned punctuation."""
    words = [word.text for segment in transcript.segments for word in segment.words]
    marks = sum(ending(text, "") is Ending.SENTENCE for text in words)
    return marks * _WORDS_A_MARK >= len(words)


class PunctuationStep:
    """Adds punctuation, and divides segments at sentence ends. A transcript with punctuation is not changed."""

    def __init__(self, punctuate: Punctuate, languages: Collection[str] = ()) -> None:
        """`punctuate` may be called from many threads; transcripts in other than `languages` (empty: all) are not
        changed.
        """
        self._punctuate = punctuate
        self._languages = languages

    def __call__(self, transcript: Transcript) -> Transcript:
        """Punctuate one transcript; words at which the model fails stay as they are, with a warning. Raises
        EngineClosedError: the engine was closed.
        """
        foreign = self._languages and transcript.language and transcript.language not in self._languages
        if foreign or is_punctuated(transcript):
            return transcript
        runs = list(_runs(transcript.segments))
        answers = [self._punctuate(_text(run)) for run in runs]
        segments: list[Segment] = []
        warnings: list[str] = []
        for run, answer in zip(runs, answers, strict=True):
            try:
                segments += _marked(run, answer.result())
            except EngineClosedError:
                raise
            except EngineError as error:
                segments += run
                warnings.append(f"punctuation: {run[0].start:.1f} to {run[-1].end:.1f} s: {error}")
        segments.sort(key=lambda segment: (segment.start, segment.channel or 0))
        numbered = tuple(replace(part, id=number) for number, part in enumerate(segments))
        return replace(transcript, segments=numbered, warnings=(*transcript.warnings, *warnings))


def put_marks(words: Sequence[Word], text: str) -> tuple[Word, ...] | None:
    """The words with the marks and capitals of the punctuated text; None if its words differ.

    Marks after Latin letters become half-width ones. Only letters, digits and signs of the words are compared: models
    divide or join them differently ("10.5" comes back as "10 . 5").
    """
    letters = iter([(index, char) for index, word in enumerate(words) for char in word.text if not char.isspace()])
    out = ["" for _ in words]
    at = 0
    wanted = next(letters, None)
    for char in text:
        if char.isspace():
            continue
        if wanted is not None and char.casefold() == wanted[1].casefold():
            at = wanted[0]
            out[at] += char
            wanted = next(letters, None)
        elif unicodedata.category(char).startswith("P") and out[at]:
            out[at] += char if is_cjk(out[at][-1]) else char.translate(_HALF_WIDTH)
        else:
            return None
    if wanted is not None:
        return None
    return tuple(replace(word, text=spelled) for word, spelled in zip(words, out, strict=True))


def _runs(segments: Iterable[Segment]) -> Iterable[list[Segment]]:
    """Segments of one speaker without a long pause, at most `_MOST_WORDS` words."""
    tracks: dict[tuple[str | None, int | None], list[Segment]] = {}
    for segment in segments:
        key = segment.speaker, segment.channel
        run = tracks.get(key, [])
        count = sum(len(part.words) for part in run) + len(segment.words)
        if run and (segment.start - run[-1].end > _LONGEST_PAUSE or count > _MOST_WORDS):
            yield tracks.pop(key)
            run = []
        tracks[key] = [*run, segment]
    yield from tracks.values()


def _text(run: Sequence[Segment]) -> str:
    return join_words([word for segment in run for word in segment.words])


def _marked(run: Sequence[Segment], text: str) -> list[Segment]:
    words = put_marks([word for segment in run for word in segment.words], text)
    if words is None:
        return list(run)
    if not any(char.isupper() for word in words for char in word.text):
        words = _capitalised(words)
    out, at = [], 0
    for segment in run:
        mine = words[at : at + len(segment.words)]
        following = words[at + len(mine)].text if at + len(mine) < len(words) else ""
        out += _sentences(segment, mine, following)
        at += len(mine)
    return out


def _capitalised(words: Sequence[Word]) -> tuple[Word, ...]:
    """A capital where a sentence begins, for models without capitals."""
    out: list[Word] = []
    for word in words:
        begins = not out or ending(out[-1].text, "") is Ending.SENTENCE
        out.append(replace(word, text=word.text[0].upper() + word.text[1:]) if begins and word.text else word)
    return tuple(out)


def _sentences(segment: Segment, words: Sequence[Word], following: str) -> list[Segment]:
    if not words:
        return [segment]
    out: list[Segment] = []
    start = 0
    texts = [*(word.text for word in words[1:]), following]
    for end, (word, after) in enumerate(zip(words, texts, strict=True), 1):
        if end == len(words) or ending(word.text, after) is Ending.SENTENCE:
            part = words[start:end]
            begin = segment.start if start == 0 else part[0].start
            stop = segment.end if end == len(words) else part[-1].end
            out.append(replace(with_words(segment, part), start=begin, end=stop))
            start = end
    return out
