"""Hypotheses of chunks to segments of words, sentence by sentence."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from asrcli.assemble.chunk_warnings import ChunkWarnings
from asrcli.assemble.repetition import trim_loops
from asrcli.assemble.sentences import Ending, ending
from asrcli.assemble.timing import time_words
from asrcli.assemble.words import split_words
from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis
from asrcli.script import joint
from asrcli.transcript import Segment, Timing, Word, join_words
from asrcli.vad.types import Chunk

#: A pause this long ends a segment, with or without punctuation, seconds; one or two words are the start of a sentence
#: ("Ask not", "And then") unless the pause is longer.
_PAUSE, _FEW_WORDS, _PAUSE_OF_FEW = 0.8, 3, 1.2
#: no segment is longer, seconds
_LONGEST = 30.0
#: a chunk that is nowhere louder holds no speech, whatever the model made of it (without VAD it gets silence), dBFS
_SILENCE = -75.0
#: a mark that a model wrote twice ("in short,, the"); others are written so on purpose ("std::vector", "...")
_STUTTERED = re.compile(r"([,;，；：、])\1+")
#: what a clause's end is worth against a second of pause, where a long segment must be divided
_CLAUSE_WORTH = 1.0


class Assembler:
    """Turns the chunks of one stream, in order, into segments in stream time.

    A segment is a sentence, or what lies between two pauses (`is_break`), at most 30 s long. One that runs on over the
    end of a chunk is held back until the rest of it is there.
    """

    def __init__(self, *, language: str | None = None) -> None:
        """`language` is used where the model reports none."""
        self._language = language
        self._warnings = ChunkWarnings()
        self._estimated = False
        self._heard = False
        self._count = 0
        self._open: list[Word] = []
        #: the last word of the chunk before
        self._last = ""
        #: language, emotion and event of the words at hand
        self._labels: tuple[str | None, ...] = ()

    @property
    def timing(self) -> Timing:
        """Where the word times came from so far; "estimated" as soon as some were."""
        return "estimated" if self._estimated or not self._heard else "model"

    @property
    def held(self) -> tuple[float, float] | None:
        """Start and end of the sentence that is held back, seconds; None where there is none."""
        return (self._open[0].start, self._open[-1].end) if self._open else None

    @property
    def held_text(self) -> str:
        """The text of that sentence so far."""
        return join_words(self._open)

    def warnings(self, shift: float = 0.0) -> list[str]:
        """What is to be looked at, its times moved by `shift` seconds."""
        return self._warnings.messages(shift)

    def ends(self, until: float) -> bool:
        """Whether that sentence has ended if no word follows before `until`, seconds."""
        return bool(self._open) and is_break(len(self._open), until - self._open[-1].end)

    def push(self, chunk: Chunk, hypothesis: Hypothesis) -> list[Segment]:
        """Take what was recognised in the next chunk (its samples are not needed); the segments that it completes."""
        if len(chunk.levels) and chunk.levels.max() < _SILENCE:
            return []
        spoken = sum(region.end - region.start for region in chunk.regions) or chunk.end - chunk.start
        text = _STUTTERED.sub(r"\1", hypothesis.text)
        spellings, loops = trim_loops(split_words(text), spoken / SAMPLE_RATE)
        words = time_words(chunk, hypothesis, spellings)
        if not words:
            return []
        self._warnings.push(chunk, hypothesis, [_shorten(phrase) for phrase in loops])
        self._heard = True
        self._estimated = self._estimated or not hypothesis.timed
        labels = hypothesis.language or self._language, hypothesis.emotion, hypothesis.event
        segments: list[Segment] = []
        if self._open and (labels != self._labels or self.ends(words[0].start)):
            segments += self.finish()
        self._labels = labels
        # Also where a sentence ends there: segments are joined again when speakers are assigned.
        if self._last and not joint(self._last, words[0].text):
            words[0] = replace(words[0], space_before=False)
        self._last = words[-1].text
        self._open += words
        return segments + self._complete()

    def finish(self) -> list[Segment]:
        """End the stream (or the sentence at hand): the segment that is still held back."""
        words, self._open = self._open, []
        return [self._segment(words)] if words else []

    def _complete(self) -> list[Segment]:
        """Give out all sentences but the one that may go on."""
        segments: list[Segment] = []
        while True:
            count = _first_sentence(self._open) or _first_half(self._open)
            if not count:
                return segments
            segments.append(self._segment(self._open[:count]))
            del self._open[:count]

    def _segment(self, words: Sequence[Word]) -> Segment:
        confidences = [word.confidence for word in words if word.confidence is not None]
        language, emotion, event = self._labels
        number, self._count = self._count, self._count + 1
        return Segment(
            number,
            start=words[0].start,
            end=words[-1].end,
            text=join_words(words),
            words=tuple(words),
            language=language,
            emotion=emotion,
            event=event,
            confidence=sum(confidences) / len(confidences) if confidences else None,
        )


def is_break(count: int, pause: float) -> bool:
    """Whether a pause behind `count` words ends a segment, seconds."""
    return pause >= (_PAUSE if count >= _FEW_WORDS else _PAUSE_OF_FEW)


def _first_sentence(words: Sequence[Word]) -> int:
    """How many words the first sentence has, if it is complete; else 0."""
    for count, (word, following) in enumerate(pairwise(words), 1):
        if is_break(count, following.start - word.end) or ending(word.text, following.text) is Ending.SENTENCE:
            return count
    if words and ending(words[-1].text, "") is Ending.SENTENCE:
        return len(words)
    return 0


def _first_half(words: Sequence[Word]) -> int:
    """Where to divide words that go on for too long: at a clause's end or a pause in the later half; 0: not needed."""
    if not words or words[-1].end - words[0].start <= _LONGEST:
        return 0
    best, best_worth = 0, -1.0
    for count, (word, following) in enumerate(pairwise(words), 1):
        reach = (word.end - words[0].start) / _LONGEST
        if reach > 1:
            break
        clause = ending(word.text, following.text) is Ending.CLAUSE
        worth = reach + _CLAUSE_WORTH * clause + following.start - word.end
        if reach >= 0.5 and worth >= best_worth:
            best, best_worth = count, worth
    return best or 1


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
