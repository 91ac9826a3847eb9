"""Partial and final results of one sentence with an offline model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis
from asrcli.options import RecognitionOptions
from asrcli.script import join
from asrcli.server.live.decode_scheduler import Priority, Slot
from asrcli.server.live.endpoint import Sentence, part_of
from asrcli.vad.types import LEVEL_HOP, Chunk

#: least samples of a part that is decoded finally when a pause follows it
_SHORTEST_FINAL = 3 * SAMPLE_RATE
#: samples of that pause that are decoded again with the next part: onsets are softer than VAD detects
_OVERLAP = SAMPLE_RATE // 10
#: speech probability of a level (10 ms), and the number of such levels that justify another decode
_SPEECH, _FEWEST_LEVELS = 0.5, 12
#: levels searched for the place to split a chunk, and averaged there
_CUT_SEARCH, _CUT_SMOOTH = 300, 15

_NO_CHUNK = Chunk(0, np.empty(0, np.float32), ())

#: `recognise(samples, options, slot)`: decode (n,) samples at 16 kHz once the slot is granted
Recognise = Callable[[Samples, RecognitionOptions, Slot], Awaitable[Hypothesis]]


#: one decoded part of a sentence
Piece = tuple[Chunk, Hypothesis]


@dataclass(frozen=True, slots=True)
class Words:
    """Text of a growing sentence."""

    text: str
    #: the first part of it, which will not be decoded again
    settled: str = ""


class SentenceDecoder(Protocol):
    """Decodes the sentences of one stream, one after another."""

    def decode_partial(self, sentence: Sentence, priority: Priority) -> asyncio.Future[Words]:
        """Start to decode a growing sentence; an unfinished earlier decode is cancelled."""
        ...

    @property
    def waiting(self) -> bool:
        """Whether the decode started last has not been granted its slot."""
        ...

    async def decode_final(self, sentence: Sentence) -> list[Piece]:
        """Decode a sentence that has ended. Raises EngineError: the engine failed."""
        ...

    async def close(self) -> None:
        """Cancel what runs."""
        ...


class RepeatedDecoder:
    """Decodes a growing sentence again each time, from the last settled pause on.

    The endpointer ends a sentence some time after the speaker pauses. The result decoded at the start of the pause
    covers the whole sentence, and is used as the final one if the speaker does not continue. If they do, and the part
    is long enough to give the model context, its result is settled and only what follows is decoded again. So the cost
    of a decode, and the delay of the final result, do not grow with the sentence.
    """

    def __init__(self, recognise: Recognise, options: RecognitionOptions, window: float) -> None:
        """One a stream. `recognise` decodes with the offline model, whose longest chunk is `window` seconds."""
        self._recognise = recognise
        self._options = options
        self._max_samples = round(window * SAMPLE_RATE)
        self._slot = Slot(Priority.UPDATE)
        self._decoding: asyncio.Future[Hypothesis] | None = None
        #: the chunk being decoded, whether its result will be settled, and where the next chunk then starts
        self._chunk = _NO_CHUNK
        self._settles = False
        self._next = 0
        self._settled: list[Piece] = []
        #: end of the settled part, samples of the stream
        self._position = 0

    def decode_partial(self, sentence: Sentence, priority: Priority) -> asyncio.Future[Words]:
        if self._decoding is not None:
            self._decoding.cancel()
        return asyncio.ensure_future(self._words(self._start(sentence, priority)))

    @property
    def waiting(self) -> bool:
        return self._decoding is not None and not self._slot.started

    async def decode_final(self, sentence: Sentence) -> list[Piece]:
        decoding = self._decoding
        if decoding is not None and (self._settles or self._chunk.end == sentence.chunk.end):
            self._slot.priority = Priority.FINAL
            self._settle(await decoding)
        await self.close()
        while self._has_rest(sentence):
            self._settle(await self._start(sentence, Priority.FINAL))
        pieces, self._settled, self._position = self._settled, [], 0
        return pieces

    async def close(self) -> None:
        decoding, self._decoding = self._decoding, None
        if decoding is not None:
            decoding.cancel()
            await asyncio.gather(decoding, return_exceptions=True)

    def _has_rest(self, sentence: Sentence) -> bool:
        """Whether the part that is not settled holds speech: models invent words for a breath alone."""
        if self._position >= sentence.chunk.end:
            return False
        speech = sentence.since(self._position).speech
        return not self._settled or int((speech >= _SPEECH).sum()) >= _FEWEST_LEVELS

    def _start(self, sentence: Sentence, priority: Priority) -> asyncio.Future[Hypothesis]:
        chunk = sentence.since(self._position)
        if len(chunk.samples) > self._max_samples:
            chunk = part_of(chunk, 0, _quietest(chunk, self._max_samples))
            self._settles, self._next = True, chunk.end
        else:
            self._settles = sentence.pausing and len(chunk.samples) >= _SHORTEST_FINAL
            self._next = chunk.end - _OVERLAP if sentence.pausing else chunk.end
        self._chunk = chunk
        self._slot = Slot(min(priority, Priority.PAUSE) if self._settles else priority)
        self._decoding = asyncio.ensure_future(self._recognise(chunk.samples, self._options, self._slot))
        return self._decoding

    async def _words(self, decoding: asyncio.Future[Hypothesis]) -> Words:
        # Shielded: `decode_final` may still need the result.
        hypothesis = await asyncio.shield(decoding)
        text = join([*self._texts, hypothesis.text])
        if self._settles:
            self._settle(hypothesis)
        return Words(text, join(self._texts))

    def _settle(self, hypothesis: Hypothesis) -> None:
        self._settled.append((self._chunk, hypothesis))
        self._position = self._next
        self._decoding = None

    @property
    def _texts(self) -> list[str]:
        return [hypothesis.text for _, hypothesis in self._settled]


def _quietest(chunk: Chunk, limit: int) -> int:
    """The quietest place, in samples, to split a chunk that is too long for the model."""
    first, last = max(limit // LEVEL_HOP - _CUT_SEARCH, 1), limit // LEVEL_HOP
    smooth = np.convolve(chunk.levels[first:last], np.ones(_CUT_SMOOTH) / _CUT_SMOOTH, mode="same")
    return (first + int(np.argmin(smooth))) * LEVEL_HOP
