"""One live stream: audio goes in as it is spoken, sentences and partial results come out in order.

Nothing here blocks the event loop: recognition is awaited, and long pieces of audio are heard bit by bit.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from asrcli.assemble import Assembler
from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.options import RecognitionOptions, TextOptions
from asrcli.server.errors import TooLargeError
from asrcli.server.live.agreement import StablePrefix, shown
from asrcli.server.live.decode_scheduler import Priority
from asrcli.server.live.endpoint import Endpointer, EndpointOptions, Reason, Sentence
from asrcli.server.live.noise_gate import NoiseGate
from asrcli.server.live.partial_decoding import Follower, Piece, Words
from asrcli.server.live.pcm import PcmDecoder
from asrcli.transcript import Segment, Word, join_words
from asrcli.vad.types import WINDOW, SpeechDetector

#: samples heard at a time, so that other connections get their turn
_PIECE = SAMPLE_RATE // 2
#: bytes of a frame turned into samples at a time
_BYTES = 1 << 16
#: samples heard at once, at least: VAD of 128 ms costs half of what four times 32 ms do
_GATHER = 4 * WINDOW
#: sentences that may wait for recognition before more audio is taken: a client may send faster than it speaks
_BACKLOG = 4
#: a growing sentence is decoded again after this many times of what the last time took: the busier, the rarer
_REST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """What a client asks of its stream."""

    recognition: RecognitionOptions = field(default_factory=RecognitionOptions)
    #: what is done to sentences, and, as far as it can be, to partial results
    text: TextOptions = field(default_factory=TextOptions)
    endpoint: EndpointOptions = field(default_factory=EndpointOptions)
    #: whether partial results are wanted
    partials: bool = True
    #: whether sentences are decoded by the offline model, where partial results come from a streaming one
    second_pass: bool = True
    #: least seconds of new audio between two partial results
    interval: float = 0.3
    #: RMS below which audio is taken for far away and not heard; None: everything is heard
    nearfield: float | None = None


@dataclass(frozen=True, slots=True)
class SentenceBegan:
    """The first words of a sentence are there; seconds of the stream."""

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
    """The whole sentence."""

    index: int
    start: float
    end: float
    text: str
    #: what is to be appended to the last `Partial.stable` by those who show only what stands: recognised, not revised
    rest: str
    reason: Reason | None
    #: sentences as the text's punctuation has it
    segments: tuple[Segment, ...] = ()

    @property
    def language(self) -> str | None:
        return next((segment.language for segment in self.segments), None)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)


Event = SentenceBegan | Partial | SentenceEnded
#: the text steps, for the segments of one sentence
Revise = Callable[[tuple[Segment, ...]], Awaitable[tuple[Segment, ...]]]


class LiveSession:
    """Feed it, iterate `events`, and `finish` it. Events of a sentence come in order, and sentences one after another.

    Sentences are told of, and counted from 1, once they have words: noise is none.
    """

    def __init__(
        self,
        follower: Follower,
        options: LiveOptions,
        *,
        language: str | None = None,
        revise: Revise | None = None,
        longest: float = math.inf,
        detector: SpeechDetector | None = None,
    ) -> None:
        """Begin a stream.

        Args:
            follower: recognises it.
            options: what the client asks for.
            language: what is spoken, as far as that is known beforehand.
            revise: the text steps.
            longest: seconds of the whole stream.
            detector: where speech probabilities come from; None: the embedded Silero.
        """
        self._follower = follower
        self._options = options
        self._language = language
        self._revise = revise
        self._longest = longest
        self._endpointer = Endpointer(options.endpoint, detector=detector)
        self._nearfield = NoiseGate(options.nearfield) if options.nearfield else None
        self._gathered = np.empty(0, np.float32)
        self._ended: deque[Sentence] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._finished = False
        #: whether nobody iterates `events` any more
        self._over = False
        self._index = 0
        self._begun = False
        self._prefix = StablePrefix()
        #: what was decoded of the growing sentence last, and what that took
        self._span = (0, 0)
        self._cost = 0.0

    @property
    def heard(self) -> float:
        """Seconds of the stream so far."""
        return (self._endpointer.position + len(self._gathered)) / SAMPLE_RATE

    async def feed(self, samples: Samples) -> None:
        """Hear the next (n,) samples at 16 kHz; waits while much is left to recognise.

        Raises:
            TooLargeError: the stream is longer than streams may be.
        """
        if self.heard > self._longest:
            raise TooLargeError(f"The stream is longer than {self._longest:g} s.", "Begin another.")
        for start in range(0, len(samples), _PIECE):
            self._hear(samples[start : start + _PIECE])
            while len(self._ended) > _BACKLOG and not self._over:
                self._room.clear()
                await self._room.wait()
            if start:
                await asyncio.sleep(0)

    def finish(self) -> None:
        """The speaker has stopped: end the sentence at hand. `events` ends when all has been said."""
        self._push(self._gathered)
        self._gathered = self._gathered[:0]
        if self._nearfield is not None:
            self._ended.extend(self._endpointer.push(self._nearfield.finish(speaking=self._speaking)))
        self._ended.extend(self._endpointer.finish())
        self._finished = True
        self._changed.set()

    async def close(self) -> None:
        """Nobody listens any more; safe to call at any time."""
        await self._follower.close()

    async def events(self) -> AsyncIterator[Event]:
        """What is recognised, as it is.

        Raises:
            EngineError: the engine failed at a sentence.
        """
        try:
            while self._ended or not self._finished:
                for event in await (self._end(self._ended.popleft()) if self._ended else self._follow()):
                    yield event
                self._room.set()
                if not self._ended and not self._finished and not self._is_due():
                    self._changed.clear()
                    await self._changed.wait()
        finally:
            self._over = True
            self._room.set()

    @property
    def _speaking(self) -> bool:
        return self._endpointer.span is not None

    def _hear(self, samples: Samples) -> None:
        self._gathered = np.concatenate([self._gathered, samples])
        if len(self._gathered) >= _GATHER:
            gathered, self._gathered = self._gathered, self._gathered[:0]
            self._push(gathered)
            self._changed.set()

    def _push(self, samples: Samples) -> None:
        if self._nearfield is not None:
            samples = self._nearfield.push(samples, speaking=self._speaking)
        self._ended.extend(self._endpointer.push(samples))

    async def _follow(self) -> list[Event]:
        """Tell of the growing sentence, if there is one and enough of it is new."""
        sentence = self._endpointer.growing() if self._is_due() else None
        if sentence is None:
            return []
        self._span = sentence.chunk.start, sentence.chunk.end
        started = time.monotonic()
        following = self._follower.follow(sentence, Priority.UPDATE if self._prefix.stable else Priority.FIRST)
        await self._until_done(following, sentence)
        if not following.done():
            following.cancel()
            return []
        self._cost = time.monotonic() - started
        words = following.result()
        told = self._prefix.update(words.text, words.settled)
        stable, text = (shown(each, self._options.text, self._language) for each in told)
        if not text:
            return []
        return [*self._begin(sentence), Partial(self._index, text, stable, sentence.chunk.end / SAMPLE_RATE)]

    def _is_due(self) -> bool:
        span = self._endpointer.span
        if span is None or span == self._span or not self._options.partials:
            return False
        if span[0] != self._span[0]:
            return True  # a new sentence
        # Of first words somebody sees nothing before they have been heard alike twice.
        rest = _REST * self._cost if self._prefix.stable else 0.0
        fresh = (span[1] - self._span[1]) / SAMPLE_RATE
        return self._endpointer.pausing or fresh >= max(self._options.interval, rest)

    async def _until_done(self, following: asyncio.Future[Words], sentence: Sentence) -> None:
        """Wait for it, unless something better to recognise comes up: the end of a sentence, or a pause in this one."""
        while not (following.done() or self._ended or self._finished):
            if self._endpointer.pausing and not sentence.pausing and self._follower.waiting:
                return
            self._changed.clear()
            changed = asyncio.ensure_future(self._changed.wait())
            waiting: set[asyncio.Future[Any]] = {following, changed}
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()

    def _begin(self, sentence: Sentence) -> list[Event]:
        if self._begun:
            return []
        self._begun = True
        self._index += 1
        return [SentenceBegan(self._index, sentence.onset / SAMPLE_RATE)]

    async def _end(self, sentence: Sentence) -> list[Event]:
        segments = _segments(await self._follower.end(sentence), self._options.recognition.language)
        rest = self._prefix.rest(_text(segments))
        if self._revise is not None and segments:
            segments = await self._revise(segments)
        text = _text(segments)
        events: list[Event] = []
        if text or self._begun:
            events = self._begin(sentence)
            start, end = sentence.onset / SAMPLE_RATE, sentence.chunk.end / SAMPLE_RATE
            events.append(SentenceEnded(self._index, start, end, text, rest, sentence.reason, segments))
        self._begun = False
        self._prefix = StablePrefix()
        return events


class PcmStream:
    """Hears s16le samples for a session."""

    def __init__(self, session: LiveSession, rate: int = SAMPLE_RATE) -> None:
        self._session = session
        self._decoder = PcmDecoder(rate)

    async def hear(self, data: bytes) -> None:
        """Take the next bytes, cut anywhere: little by little, as frames may hold whole recordings.

        Raises:
            TooLargeError: the stream is longer than streams may be.
        """
        for start in range(0, len(data), _BYTES):
            await self._session.feed(self._decoder.push(data[start : start + _BYTES]))

    async def finish(self) -> None:
        """The stream has ended: give the session what is left.

        Raises:
            TooLargeError: as `hear`.
        """
        await self._session.feed(self._decoder.finish())


def _text(segments: tuple[Segment, ...]) -> str:
    return join_words([word for segment in segments for word in segment.words])


def _segments(pieces: list[Piece], language: str | None) -> tuple[Segment, ...]:
    assembler = Assembler(language=language)
    ready = [segment for chunk, hypothesis in pieces for segment in assembler.push(chunk, hypothesis)]
    return (*ready, *assembler.finish())
