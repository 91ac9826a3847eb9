"""Partial results from a streaming model; sentences from the offline one, if a second pass is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal
from uuid import uuid4

import numpy as np

from asrcli.audio.types import Samples
from asrcli.backends.types import Hypothesis, StreamRequest, StreamUpdate
from asrcli.errors import AsrcliError, StreamLostError
from asrcli.options import RecognitionOptions
from asrcli.script import join
from asrcli.server.live.decode_scheduler import Priority
from asrcli.server.live.endpoint import Sentence
from asrcli.server.live.partial_decoding import Follower, Piece, Words

#: `say(samples, request)`: one job of the streaming service
Say = Callable[[Samples, StreamRequest], Awaitable[StreamUpdate]]

_NOTHING = np.empty(0, np.float32)


class Streaming:
    """Plays sentences to a stream of the engine. The model hears nothing of the pauses between."""

    def __init__(self, say: Say, hints: RecognitionOptions, second: Follower | None) -> None:
        """Follow one stream.

        Args:
            say: does one job of the streaming service.
            hints: hotwords for it.
            second: makes the sentences; None: the streaming model's own words stand.
        """
        self._say = say
        self._hints = hints
        self._second = second
        self._name = ""
        #: position up to which the model has heard
        self._played = 0
        #: what the model's own endpoint rules have ended within the sentence
        self._ended: list[str] = []
        #: one job of a stream at a time
        self._lock = asyncio.Lock()

    def follow(self, sentence: Sentence, urgency: Priority) -> asyncio.Future[Words]:
        del urgency  # these jobs are short
        # Shielded: half a job would leave the stream behind what we believe it has heard.
        return asyncio.shield(asyncio.ensure_future(self._words(sentence)))

    @property
    def waiting(self) -> bool:
        return False

    async def _words(self, sentence: Sentence) -> Words:
        return Words(await self._play(sentence, "feed"))

    async def end(self, sentence: Sentence) -> list[Piece]:
        text = await self._play(sentence, "cut")
        self._ended = []
        return [(sentence.chunk, Hypothesis(text))] if self._second is None else await self._second.end(sentence)

    async def close(self) -> None:
        if self._second is not None:
            await self._second.close()
        if self._name:
            with suppress(AsrcliError):
                async with self._lock:
                    await self._say(_NOTHING, StreamRequest(self._name, "drop"))

    async def _play(self, sentence: Sentence, action: Literal["feed", "cut"]) -> str:
        async with self._lock:
            try:
                return await self._play_on(sentence, action)
            except StreamLostError:
                # The engine has been started anew: so is the sentence.
                self._name, self._played, self._ended = "", 0, []
                return await self._play_on(sentence, action)

    async def _play_on(self, sentence: Sentence, action: Literal["feed", "cut"]) -> str:
        if not self._name:
            name = uuid4().hex
            await self._say(_NOTHING, StreamRequest(name, "open", self._hints))
            self._name = name
        fresh = sentence.chunk.samples[max(self._played - sentence.chunk.start, 0) :]
        update = await self._say(fresh, StreamRequest(self._name, action))
        self._played = max(self._played, sentence.chunk.end)
        self._ended += [segment.text for segment in update.ended]
        return join([*self._ended, update.current.text])
