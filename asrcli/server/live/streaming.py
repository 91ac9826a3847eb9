"""Partial results from a streaming model; final sentences from the offline model, if a second pass is wanted."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal
from uuid import uuid4

import numpy as np

from asrcli.audio.types import Samples
from asrcli.backends.types import Hypothesis, StreamRequest, StreamUpdate
from asrcli.chunk_decoding import DecodedChunk, judge
from asrcli.errors import AsrcliError, EngineClosedError, EngineError, StreamLostError
from asrcli.options import RecognitionOptions
from asrcli.script import join
from asrcli.server.live.decode_scheduler import Priority
from asrcli.server.live.endpoint import Sentence
from asrcli.server.live.partial_decoding import SentenceDecoder, Words

#: `submit(samples, request)`: one request to the streaming service
Submit = Callable[[Samples, StreamRequest], Awaitable[StreamUpdate]]

_NOTHING = np.empty(0, np.float32)


class StreamingDecoder:
    """Sends sentences to one stream of the engine; the pauses between them are left out."""

    def __init__(self, submit: Submit, hints: RecognitionOptions, second: SentenceDecoder | None) -> None:
        """One a stream. `submit` sends requests to the streaming service; `hints`: its hotwords; `second` decodes final
        sentences; None: the streaming model's text is final.
        """
        self._submit = submit
        self._hints = hints
        self._second = second
        self._name = ""
        #: end of what the model has received, samples of the stream
        self._sent = 0
        #: texts that the model's own endpoint rules have ended within the sentence
        self._ended: list[str] = []
        #: one request of a stream at a time
        self._lock = asyncio.Lock()

    def decode_partial(self, sentence: Sentence, priority: Priority) -> asyncio.Future[Words]:
        del priority  # these requests are short
        # Shielded: an interrupted request would leave the stream behind `_sent`.
        return asyncio.shield(asyncio.ensure_future(self._words(sentence)))

    @property
    def waiting(self) -> bool:
        return False

    def watch(self, grown: Callable[[str], None]) -> None:
        """Updates come with each part of the stream."""

    async def _words(self, sentence: Sentence) -> Words:
        return Words(await self._send(sentence, "feed"))

    async def decode_final(self, sentence: Sentence) -> list[DecodedChunk]:
        text, failure = "", None
        try:
            text = await self._send(sentence, "cut")
        except EngineClosedError:
            raise
        except EngineError as error:
            failure = error
        self._ended = []
        if self._second is not None:
            return await self._second.decode_final(sentence)
        if failure is not None:
            return [DecodedChunk(sentence.chunk.without_samples(), Hypothesis(""), "engine error", error=failure)]
        return [judge(sentence.chunk, lambda: Hypothesis(text))]

    async def close(self) -> None:
        if self._second is not None:
            await self._second.close()
        async with self._lock:
            await self._drop()

    async def _drop(self) -> None:
        """End the engine's stream; the next sentence opens another."""
        name, self._name = self._name, ""
        if name:
            with suppress(AsrcliError):
                await self._submit(_NOTHING, StreamRequest(name, "drop"))

    async def _send(self, sentence: Sentence, action: Literal["feed", "cut"]) -> str:
        async with self._lock:
            try:
                return await self._send_new_part(sentence, action)
            except StreamLostError:
                # The engine was restarted: send the sentence from its start.
                self._name, self._sent, self._ended = "", 0, []
                return await self._send_new_part(sentence, action)
            except EngineError:
                # It may have received this part: the sentence is sent again from its start, to another stream.
                self._sent, self._ended = 0, []
                await self._drop()
                raise

    async def _send_new_part(self, sentence: Sentence, action: Literal["feed", "cut"]) -> str:
        if not self._name:
            name = uuid4().hex
            await self._submit(_NOTHING, StreamRequest(name, "open", self._hints))
            self._name = name
        fresh = sentence.chunk.samples[max(self._sent - sentence.chunk.start, 0) :]
        update = await self._submit(fresh, StreamRequest(self._name, action))
        self._sent = max(self._sent, sentence.chunk.end)
        self._ended += [segment.text for segment in update.ended]
        return join([*self._ended, update.current.text])
