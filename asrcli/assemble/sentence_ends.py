"""Sentences of a live stream: their text while they grow, and chunks that end where a sentence ends.

Speech that no chunk holds yet is decoded at its pauses and, without pauses, again and again as it grows. At a pause, a
text that ends a sentence is final. Within speech, a sentence is final once two of the last three decodes agree on its
words (local agreement: Liu, Spanakis and Niehues, Interspeech 2020) and other words or silence follow it: the chunk is
cut between them.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol

from asrcli.assemble.assembler import is_break
from asrcli.assemble.sentences import Ending, ending
from asrcli.assemble.timing import time_words
from asrcli.assemble.words import split_words
from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis
from asrcli.options import RecognitionOptions
from asrcli.script import CLAUSE_ENDS, SENTENCE_ENDS
from asrcli.transcript import Word, join_words
from asrcli.vad import Segmenter
from asrcli.vad.packing import quietest
from asrcli.vad.types import LEVEL_HOP, Chunk

#: samples by which a sentence grows before it is decoded again: this many times the duration of the last decode, within
#: bounds
_REST, _GROWTH, _MOST_GROWTH = 1.5, SAMPLE_RATE // 4, 2 * SAMPLE_RATE
#: A chunk that ends where a sentence does is at least so long, seconds; with fewer words, so long.
_SHORTEST, _FEW_WORDS, _SHORTEST_OF_FEW = 1.0, 3, 2.0
#: texts without a mark after which no more are tried: the model writes none
_FUTILE = 8
#: Longer speech is expected to have a mark, and may be cut at a pause without one, seconds.
_LONG = 7.0
#: Still longer speech is cut at a pause of so much between two words, before the longest chunk is full, seconds.
_LONGER, _BREATH = 9.5, 0.3
#: A cut is sought so far into the words on both sides, seconds. It must be this much quieter than the speech, dB.
_REACH, _DIP = 0.15, 12.0
#: a sentence may end without other words behind it if it is quiet for so long, seconds
_QUIET = 0.4
#: speech behind a pause, which the decode of the words before it has as context, seconds
_CONTEXT = 0.7
#: and if decodes agree on those words
_CONTEXT_OF_AGREED = 0.35
#: decodes of which one has to agree with the last one
_EARLIER = 2

_MARKS = SENTENCE_ENDS | CLAUSE_ENDS


#: decodes samples of no chunk; the argument `growing` gets what the model has written so far, in another thread
SubmitGrowing = Callable[..., Future[Hypothesis]]


class ChunkSink(Protocol):
    """What decodes chunks in order; `chunk_decoding.ChunkQueue` implements it."""

    #: decodes samples of no chunk
    @property
    def submit(self) -> Callable[[Samples, RecognitionOptions], Future[Hypothesis]]: ...

    def push(self, chunk: Chunk, request: RecognitionOptions, clear: int, decoding: Future[Hypothesis]) -> None:
        """Take the next chunk, which is decoded already."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A decode of the speech so far."""

    chunk: Chunk
    decoding: Future[Hypothesis]
    #: whether the speaker pauses behind it
    pausing: bool
    started: float


@dataclass(slots=True)
class _Grown:
    """What one decode has written so far."""

    text: str = ""

    def take(self, hypothesis: Hypothesis) -> None:
        self.text = hypothesis.text


class SentenceEnds:
    """Decodes the growing speech of one live channel, and ends its chunks where sentences end."""

    def __init__(self, segmenter: Segmenter, chunks: ChunkSink, submit: SubmitGrowing | None = None) -> None:
        """`submit` None: that of the chunks, which reports nothing until it is done."""
        self._segmenter, self._chunks = segmenter, chunks
        self._submit = submit or (lambda samples, request, **_: chunks.submit(samples, request))
        #: what the decode that runs has written so far
        self._grown = _Grown()
        self._look: _Look | None = None
        #: start and length of the speech decoded last, its words, and how long the decode took
        self._start, self._length = -1, 0
        self._words: list[Word] = []
        #: the words of the decodes before
        self._earlier: deque[list[Word]] = deque(maxlen=_EARLIER)
        self._cost: float | None = None
        #: whether a decode of this speech failed: each further one may cost the engine its process
        self._failed = False
        #: texts in a row without a mark, and the start of the speech that was counted last
        self._unmarked, self._counted = 0, -1
        #: whether the model gives words times, as far as is known
        self._timed: bool | None = None

    @property
    def text(self) -> str:
        """The latest text of the speech that no chunk holds yet."""
        grown = split_words(self._grown.text)[:-1]  # the last word may be half of one
        return join_words(grown if len(grown) > len(self._words) else self._words)

    def look(self, request: RecognitionOptions, *, cuts: bool = True, shown: bool = False) -> None:
        """Call it as the stream grows. With `cuts`, chunks end at sentences; with `shown`, the text is wanted, too."""
        if (start := self._segmenter.begin) != self._start:
            self._start, self._length, self._words, self._failed = start, 0, [], False
            self._grown = _Grown()
            self._earlier.clear()
        if self._look is not None and self._look.decoding.done():
            look, self._look = self._look, None
            # The first one waits for the model to be loaded.
            self._cost = 0.0 if self._cost is None else time.monotonic() - look.started
            if look.chunk.start == self._start:
                self._take(look, request, cuts=cuts)
        if self._look is None:
            self._ask(request, cuts=cuts and self._unmarked < _FUTILE, shown=shown)

    def _ask(self, request: RecognitionOptions, *, cuts: bool, shown: bool) -> None:
        """Decode the speech so far, in a pause or if it has grown."""
        if self._failed or not (cuts or shown):
            return
        chunk = self._segmenter.proposal()
        pausing = chunk is not None
        if chunk is None and (shown or self._timed is not False):
            growth = self._segmenter.size - self._length
            if growth >= min(max(_GROWTH, _REST * (self._cost or 0.0) * SAMPLE_RATE), _MOST_GROWTH):
                chunk = self._segmenter.growing()
        if chunk is None or not (shown or len(chunk.samples) >= _SHORTEST * SAMPLE_RATE):
            return
        self._length = len(chunk.samples)
        self._grown = _Grown()
        decoding = self._submit(chunk.samples, request, growing=self._grown.take)
        self._look = _Look(chunk, decoding, pausing, time.monotonic())

    def _take(self, look: _Look, request: RecognitionOptions, *, cuts: bool) -> None:
        """The chunk, or a part of it, is final if it ends with a sentence."""
        chunk, decoding, self._grown = look.chunk, look.decoding, _Grown()
        self._failed = decoding.exception() is not None
        if self._failed:  # reported where the chunk itself is decoded
            return
        hypothesis = decoding.result()
        self._earlier.append(self._words)
        self._words = time_words(chunk, hypothesis, split_words(hypothesis.text))
        is_long = len(chunk.samples) >= _LONG * SAMPLE_RATE
        if _MARKS.intersection(hypothesis.text):
            self._unmarked = 0
        elif look.pausing or (is_long and self._counted != chunk.start):
            self._counted, self._unmarked = chunk.start, self._unmarked + 1
        least = _SHORTEST if len(self._words) >= _FEW_WORDS else _SHORTEST_OF_FEW
        if not cuts or not self._words or len(chunk.samples) < least * SAMPLE_RATE:
            return
        self._timed = self._timed or hypothesis.timed
        if look.pausing and ending(self._words[-1].text, "") is Ending.SENTENCE:
            if self._segmenter.accept(chunk):
                self._chunks.push(chunk, request, self._segmenter.clear, decoding)
                self._words = []
                self._earlier.clear()
        elif hypothesis.timed and not hypothesis.limit:
            count = _sentences(self._earlier, self._words, chunk)
            if count:
                self._cut(chunk, hypothesis, count, request)

    def _cut(self, chunk: Chunk, hypothesis: Hypothesis, count: int, request: RecognitionOptions) -> None:
        """End the chunk behind its first `count` words, if the speech is quiet there."""
        word, following = self._words[count - 1], next(iter(self._words[count:]), None)
        position = _place(chunk, word, following)
        # The next word may have started in the last samples of a pause.
        resume = chunk.end - round(_REACH * SAMPLE_RATE) if following is None else None
        part = None if position is None else self._segmenter.give(chunk, position, resume=resume)
        if part is None:
            return
        tokens = hypothesis.tokens
        if following is not None:
            until = following.start - chunk.start / SAMPLE_RATE
            tokens = tuple(token for token in tokens if token.start is not None and token.start < until)
        text = join_words(self._words[:count])
        decoding: Future[Hypothesis] = Future()
        decoding.set_result(replace(hypothesis, text=text, tokens=tokens, end=None))
        self._chunks.push(part, request, self._segmenter.clear, decoding)
        self._words = self._words[count:]
        self._earlier.clear()
        self._start, self._length = self._segmenter.begin, 0


def _sentences(earlier: Iterable[Sequence[Word]], words: Sequence[Word], chunk: Chunk) -> int:
    """How many of the words of a chunk are final: sentences that an earlier decode has as well, and what a long pause
    separates from the next words.
    """
    agreed, end = max((_agreed(before, words) for before in earlier), default=0), chunk.end / SAMPLE_RATE
    complete = ending(words[-1].text, "") is Ending.SENTENCE or len(chunk.samples) >= _LONG * SAMPLE_RATE
    is_long = len(chunk.samples) >= _LONGER * SAMPLE_RATE
    if complete and agreed == len(words) and end - words[-1].end >= _QUIET:
        return agreed
    for count in range(len(words) - 1, 0, -1):
        word, following = words[count - 1 : count + 1]
        pause, context = following.start - word.end, end - following.start
        # The model often places the first word at the noise before it.
        if is_break(count, pause) and count > 1 and context >= (_CONTEXT_OF_AGREED if count <= agreed else _CONTEXT):
            return count
        ends = ending(word.text, following.text) is Ending.SENTENCE or (is_long and pause >= _BREATH)
        if count <= agreed and ends:
            return count
    return 0


def _agreed(one: Sequence[Word], two: Sequence[Word]) -> int:
    """How many words two decodes agree on."""
    pairs = enumerate(zip(one, two, strict=False))
    return next((at for at, (a, b) in pairs if _bare(a.text) != _bare(b.text)), min(len(one), len(two)))


def _bare(text: str) -> str:
    """A word without what a longer context changes most: case and punctuation."""
    return "".join(filter(str.isalnum, text)).casefold() or text


def _place(chunk: Chunk, word: Word, following: Word | None) -> int | None:
    """A quiet position behind a word, samples of the stream; None where speech goes on there."""
    if following is None:
        low, high = word.end, chunk.end / SAMPLE_RATE - _REACH
    else:
        low = max(word.end - _REACH, (word.start + word.end) / 2)
        high = min(following.start + _REACH, (following.start + following.end) / 2)
    first, last = (round(seconds * SAMPLE_RATE) - chunk.start for seconds in (low, high))
    at = first + quietest(chunk.samples[first:last])
    near = chunk.levels[max(at // LEVEL_HOP - 4, 0) : at // LEVEL_HOP + 4]
    spoken = float(sorted(chunk.levels)[len(chunk.levels) * 3 // 4])
    return chunk.start + at if first < at < last and len(near) and near.mean() <= spoken - _DIP else None
