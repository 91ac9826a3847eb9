"""What is made of a sentence while it grows and when it has ended, with an offline model alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from asrcli.audio.types import Samples
from asrcli.backends.types import Hypothesis
from asrcli.errors import AsrcliError
from asrcli.options import RecognitionOptions
from asrcli.server.live.endpoint import Sentence
from asrcli.server.live.turns import Turn, Urgency

#: `recognise(samples, options, turn)`: decode (n,) samples at 16 kHz when it is their turn
Recognise = Callable[[Samples, RecognitionOptions, Turn], Awaitable[Hypothesis]]


class Follower(Protocol):
    """Recognises the sentences of one stream, one after another."""

    def follow(self, sentence: Sentence, urgency: Urgency) -> asyncio.Future[str]:
        """Begin to recognise a sentence as far as it goes. Not called again until that is done, or the sentence is."""
        ...

    async def end(self, sentence: Sentence) -> Hypothesis:
        """The sentence has ended: all of it.

        Raises:
            EngineError: the engine failed at it.
        """
        ...

    async def close(self) -> None:
        """Nobody listens any more."""
        ...


class Redecoding:
    """Hears a growing sentence anew each time.

    Speakers pause before an endpoint is called. What was heard of the sentence in that pause is all there is to it, so
    the result of that hearing is used if the speaker does not go on.
    """

    def __init__(self, recognise: Recognise, options: RecognitionOptions) -> None:
        self._recognise = recognise
        self._options = options
        self._turn = Turn(Urgency.UPDATE)
        self._span = (0, 0)
        self._hearing: asyncio.Future[Hypothesis] | None = None

    def follow(self, sentence: Sentence, urgency: Urgency) -> asyncio.Future[str]:
        self._hear(sentence, urgency)
        return asyncio.ensure_future(self._text())

    async def end(self, sentence: Sentence) -> Hypothesis:
        if self._hearing is not None and self._span == sentence.span:
            self._turn.urgency = Urgency.FINAL
        else:
            await self.close()
            self._hear(sentence, Urgency.FINAL)
        assert self._hearing is not None
        hearing, self._hearing = self._hearing, None
        return await hearing

    async def close(self) -> None:
        hearing, self._hearing = self._hearing, None
        if hearing is not None:
            hearing.cancel()
            with suppress(asyncio.CancelledError, AsrcliError):
                await hearing

    def _hear(self, sentence: Sentence, urgency: Urgency) -> None:
        self._turn = Turn(urgency)
        self._span = sentence.span
        self._hearing = asyncio.ensure_future(self._recognise(sentence.chunk.samples, self._options, self._turn))

    async def _text(self) -> str:
        assert self._hearing is not None
        return (await asyncio.shield(self._hearing)).text
