"""One live stream: audio goes in as it is spoken, sentences and partial results come out in order.

The growing sentence is decoded again and again by the offline model (or followed by a streaming one,
`live.streaming`), and decoded whole once it has ended. Nothing here blocks the event loop: recognition is awaited.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from asrcli.assemble import Assembler
from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis
from asrcli.options import RecognitionOptions
from asrcli.server.live.agreement import StablePrefix
from asrcli.server.live.endpoint import Endpointer, EndpointOptions, Sentence
from asrcli.transcript import Segment, Word, join_words

#: `recognise(samples, options)`: decode (n,) samples at 16 kHz
Recognise = Callable[[Samples, RecognitionOptions], Awaitable[Hypothesis]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """What a client asks of its stream."""

    recognition: RecognitionOptions = field(default_factory=RecognitionOptions)
    endpoint: EndpointOptions = field(default_factory=EndpointOptions)
    #: whether partial results are wanted
    partials: bool = True
    #: whether ended sentences are decoded whole; without it, the last partial result stands (FunASR's `online`)
    second_pass: bool = True
    #: least seconds of new audio between two decodes of a growing sentence
    interval: float = 0.4


@dataclass(frozen=True, slots=True)
class SentenceBegan:
    """Somebody has begun to speak; seconds of the stream."""

    index: int
    start: float


@dataclass(frozen=True, slots=True)
class Partial:
    """The sentence so far."""

    index: int
    text: str
    #: the beginning of `text` that will not be taken back
    stable: str
    #: how much of the stream this tells of, seconds
    heard: float


@dataclass(frozen=True, slots=True)
class SentenceEnded:
    """The whole sentence. Its text may be empty: what sounded like speech was none."""

    index: int
    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    segment: Segment | None = None


Event = SentenceBegan | Partial | SentenceEnded


class PartialSource(Protocol):
    """Where partial results come from; one a stream."""

    async def partial(self, sentence: Sentence) -> str:
        """The text of the growing sentence."""
        ...

    async def ended(self, sentence: Sentence) -> str:
        """The sentence is over; what was made of it."""
        ...


class Redecoded:
    """Partial results from the offline model, which hears the growing sentence anew each time."""

    def __init__(self, recognise: Recognise, options: RecognitionOptions) -> None:
        self._recognise = recognise
        self._options = options
        self._last = ""

    async def partial(self, sentence: Sentence) -> str:
        self._last = (await self._recognise(sentence.chunk.samples, self._options)).text
        return self._last

    async def ended(self, sentence: Sentence) -> str:
        return (await self._recognise(sentence.chunk.samples, self._options)).text


class LiveSession:
    """Feed it, iterate `events`, and `finish` it. Events of a sentence come in order, and sentences one after another.

    `feed` and `finish` return at once; a failure of the engine is raised by `events`.
    """

    def __init__(self, recognise: Recognise, options: LiveOptions, *, partials: PartialSource | None = None) -> None:
        self._recognise = recognise
        self._options = options
        self._partials = partials or Redecoded(recognise, options.recognition)
        self._endpointer = Endpointer(options.endpoint)
        self._ended: deque[Sentence] = deque()
        self._wake = asyncio.Event()
        self._finished = False
        #: index of the sentence that clients have been told of
        self._begun = 0
        self._prefix = StablePrefix()
        self._decoded = 0
        self._cost = 0.0

    @property
    def heard(self) -> float:
        """Seconds of the stream so far."""
        return self._endpointer.position / SAMPLE_RATE

    def feed(self, samples: Samples) -> None:
        """Hear the next (n,) samples at 16 kHz."""
        self._ended.extend(self._endpointer.push(samples))
        self._wake.set()

    def finish(self) -> None:
        """The speaker has stopped: end the sentence at hand. `events` ends when all has been said."""
        self._ended.extend(self._endpointer.finish())
        self._finished = True
        self._wake.set()

    async def events(self) -> AsyncIterator[Event]:
        """What is recognised, as it is.

        Raises:
            EngineError: the engine failed at a sentence.
        """
        while True:
            while self._ended:
                sentence = self._ended.popleft()
                async for event in self._end(sentence):
                    yield event
            if self._finished:
                return
            async for event in self._follow():
                yield event
            if not self._ended and not self._finished:
                self._wake.clear()
                await self._wake.wait()

    async def _follow(self) -> AsyncIterator[Event]:
        """Tell of the growing sentence, if there is one and enough of it is new."""
        sentence = self._endpointer.growing if self._is_due() else None
        if sentence is None:
            return
        for event in self._begin(sentence):
            yield event
        self._decoded = self._endpointer.position
        if not self._options.partials:
            return
        started = time.monotonic()
        text = await self._partials.partial(sentence)
        self._cost = time.monotonic() - started
        if text:
            stable, shown = self._prefix.update(text)
            yield Partial(sentence.index, shown, stable, sentence.chunk.end / SAMPLE_RATE)

    def _is_due(self) -> bool:
        """Decoding a growing sentence must not take all the time there is: the busier the engine, the rarer."""
        fresh = (self._endpointer.position - self._decoded) / SAMPLE_RATE
        return fresh >= max(self._options.interval, 2 * self._cost)

    def _begin(self, sentence: Sentence) -> list[SentenceBegan]:
        if sentence.index <= self._begun:
            return []
        self._begun = sentence.index
        self._prefix = StablePrefix()
        return [SentenceBegan(sentence.index, sentence.onset / SAMPLE_RATE)]

    async def _end(self, sentence: Sentence) -> AsyncIterator[Event]:
        for event in self._begin(sentence):
            yield event
        if self._options.second_pass:
            await self._partials_ended(sentence)
            hypothesis = await self._recognise(sentence.chunk.samples, self._options.recognition)
        else:
            hypothesis = Hypothesis(await self._partials.ended(sentence))
        yield _ended(sentence, hypothesis, self._options.recognition.language)

    async def _partials_ended(self, sentence: Sentence) -> None:
        """A streaming model must hear the sentence's end; the offline one hears it all in the second pass."""
        if not isinstance(self._partials, Redecoded):
            await self._partials.ended(sentence)


def _ended(sentence: Sentence, hypothesis: Hypothesis, language: str | None) -> SentenceEnded:
    assembler = Assembler(language=language)
    segments = [*assembler.push(sentence.chunk, hypothesis), *assembler.finish()]
    words = tuple(word for segment in segments for word in segment.words)
    return SentenceEnded(
        sentence.index,
        sentence.onset / SAMPLE_RATE,
        sentence.chunk.end / SAMPLE_RATE,
        join_words(words),
        words,
        segments[0] if segments else None,
    )
