"""What is made of a sentence while it grows and when it has ended, with an offline model alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis
from asrcli.options import RecognitionOptions
from asrcli.server.live.endpoint import Sentence
from asrcli.server.live.turns import Turn, Urgency
from asrcli.vad.types import Chunk

#: samples of a sentence that are decoded for good when a pause follows them
_WORTH_KEEPING = 4 * SAMPLE_RATE
#: samples of that pause that are heard again with what follows: onsets are softer than VAD hears
_OVERLAP = SAMPLE_RATE // 10

#: `recognise(samples, options, turn)`: decode (n,) samples at 16 kHz when it is their turn
Recognise = Callable[[Samples, RecognitionOptions, Turn], Awaitable[Hypothesis]]


#: a piece of a sentence as recognised
Piece = tuple[Chunk, Hypothesis]


@dataclass(frozen=True, slots=True)
class Words:
    """A growing sentence."""

    text: str
    #: the beginning of it that has been decoded for good
    settled: str = ""


class Follower(Protocol):
    """Recognises the sentences of one stream, one after another."""

    def follow(self, sentence: Sentence, urgency: Urgency) -> asyncio.Future[Words]:
        """Begin to recognise a sentence as far as it goes. Not called again until that is done, or the sentence is."""
        ...

    async def end(self, sentence: Sentence) -> list[Piece]:
        """The sentence has ended: all of it.

        Raises:
            EngineError: the engine failed at it.
        """
        ...

    async def close(self) -> None:
        """Nobody listens any more."""
        ...


class Redecoding:
    """Hears a growing sentence anew each time, from the last good pause on.

    Speakers pause before an endpoint is called. What was heard of the sentence in that pause is all there is to it, so
    the result of that hearing is used if the speaker does not go on. If they do, and it was long enough for the model
    to know what it is about, it stands, and only what follows is heard again: long sentences cost no more than short
    ones, and end as soon.
    """

    def __init__(self, recognise: Recognise, options: RecognitionOptions) -> None:
        self._recognise = recognise
        self._options = options
        self._turn = Turn(Urgency.UPDATE)
        self._hearing: asyncio.Future[Hypothesis] | None = None
        #: what is being heard, and whether that will stand
        self._chunk: Chunk | None = None
        self._keeps = False
        self._settled: list[Piece] = []

    def follow(self, sentence: Sentence, urgency: Urgency) -> asyncio.Future[Words]:
        self._hear(sentence, urgency)
        return asyncio.ensure_future(self._words())

    async def end(self, sentence: Sentence) -> list[Piece]:
        chunk, hearing = self._chunk, self._hearing
        if chunk is not None and hearing is not None:
            if chunk.end == sentence.chunk.end or self._keeps:
                self._turn.urgency = Urgency.FINAL
                self._settle(chunk, await hearing)
            else:
                await self._forget()
        if self._position < sentence.chunk.end - _OVERLAP:
            self._hear(sentence, Urgency.FINAL)
            assert self._hearing is not None
            assert self._chunk is not None
            self._settle(self._chunk, await self._hearing)
        pieces, self._settled = self._settled, []
        self._hearing = self._chunk = None
        return pieces

    async def close(self) -> None:
        await self._forget()

    async def _forget(self) -> None:
        hearing, self._hearing = self._hearing, None
        if hearing is not None:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    @property
    def _position(self) -> int:
        """Up to where the sentence has been decoded for good."""
        return self._settled[-1][0].end - _OVERLAP if self._settled else 0

    def _hear(self, sentence: Sentence, urgency: Urgency) -> None:
        self._chunk = sentence.since(self._position)
        self._keeps = sentence.pausing and len(self._chunk.samples) >= _WORTH_KEEPING
        self._turn = Turn(min(urgency, Urgency.PAUSE) if self._keeps else urgency)
        self._hearing = asyncio.ensure_future(self._recognise(self._chunk.samples, self._options, self._turn))

    async def _words(self) -> Words:
        assert self._hearing is not None
        assert self._chunk is not None
        hypothesis = await asyncio.shield(self._hearing)
        before = " ".join(said.text for _, said in self._settled)
        if self._keeps:
            self._settle(self._chunk, hypothesis)
        settled = " ".join(said.text for _, said in self._settled)
        return Words(f"{before} {hypothesis.text}", settled)

    def _settle(self, chunk: Chunk, hypothesis: Hypothesis) -> None:
        self._settled.append((chunk, hypothesis))
        self._hearing = self._chunk = None
