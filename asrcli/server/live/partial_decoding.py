"""Partial and final results of one sentence with an offline model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis
from asrcli.chunk_decoding import DecodedChunk, choose, judge, parts_to_decode
from asrcli.options import RecognitionOptions
from asrcli.script import join
from asrcli.server.live.decode_scheduler import Priority, Slot
from asrcli.server.live.endpoint import Sentence, part_of
from asrcli.vad.types import LEVEL_HOP, Chunk

#: least samples whose text a partial result keeps when a pause follows them
_SHORTEST_SETTLED = 3 * SAMPLE_RATE
#: samples of a pause that are decoded again with the next part: onsets are softer than VAD detects
_OVERLAP = SAMPLE_RATE // 10
#: speech probability of a level (10 ms), and the number of such levels that justify another decode
_SPEECH, _FEWEST_LEVELS = 0.5, 12
#: levels searched for the place to split a chunk, and averaged there
_CUT_SEARCH, _CUT_SMOOTH = 300, 15

_NO_CHUNK = Chunk(0, np.empty(0, np.float32), ())

#: `recognise(samples, options, slot)`: decode (n,) samples at 16 kHz once the slot is granted
Recognise = Callable[[Samples, RecognitionOptions, Slot], Awaitable[Hypothesis]]


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

    async def decode_final(self, sentence: Sentence) -> list[DecodedChunk]:
        """Decode a sentence that has ended. Raises EngineError: the engine failed at all of it."""
        ...

    async def close(self) -> None:
        """Cancel what runs."""
        ...


class RepeatedDecoder:
    """Decodes a growing sentence again each time, from the last settled pause on, and the ended one as a whole.

    A final result depends on the audio alone, not on the moments of the partial results, and has the context of its
    whole sentence. The endpointer ends a sentence some time after the speaker pauses, so the whole is decoded at the
    start of each pause: it is the final result unless the speaker continues. If they do, partial results start there.
    """

    def __init__(self, recognise: Recognise, options: RecognitionOptions, window: float) -> None:
        """One a stream.

        Args:
            recognise: decodes with the offline model.
            options: passed to it.
            window: longest chunk of the model, seconds.
        """
        self._recognise = recognise
        self._options = options
        self._max_samples = round(window * SAMPLE_RATE)
        self._slot = Slot(Priority.UPDATE)
        self._decoding: asyncio.Future[Hypothesis] | None = None
        #: the chunk that was decoded last
        self._chunk = _NO_CHUNK
        #: text before `_position`, samples of the stream, from which partial results start
        self._settled = ""
        self._position = 0

    def decode_partial(self, sentence: Sentence, priority: Priority) -> asyncio.Future[Words]:
        if self._decoding is not None:
            self._decoding.cancel()
        chunk, settled = sentence.since(self._position), self._settled
        if sentence.pausing and len(sentence.chunk.samples) <= self._max_samples:
            chunk, settled = sentence.chunk, ""
            priority = min(priority, Priority.PAUSE)
        elif len(chunk.samples) > self._max_samples:
            chunk = part_of(chunk, 0, _quietest(chunk, self._max_samples))
        decoding = self._start(chunk, priority)
        return asyncio.ensure_future(self._words(decoding, chunk, settled, pausing=sentence.pausing))

    @property
    def waiting(self) -> bool:
        return self._decoding is not None and not self._slot.started

    async def decode_final(self, sentence: Sentence) -> list[DecodedChunk]:
        if self._decoding is not None and self._chunk.regions == sentence.chunk.regions:
            self._slot.priority = Priority.FINAL
            pieces = await self._complete(self._chunk, self._decoding)
        else:
            await self.close()
            pieces = []
            for chunk in self._parts(sentence.chunk):
                pieces += await self._complete(chunk, self._start(chunk, Priority.FINAL))
        self._decoding, self._settled, self._position = None, "", 0
        errors = [piece.error for piece in pieces if piece.error is not None]
        if errors and len(errors) == len(pieces):
            raise errors[0]
        return pieces

    async def _complete(self, chunk: Chunk, decoding: asyncio.Future[Hypothesis], depth: int = 0) -> list[DecodedChunk]:
        """A chunk or, where its result is incomplete, its parts, as in a recording (`chunk_decoding`)."""
        await asyncio.wait([decoding])
        own = judge(chunk, decoding.result)
        parts: list[DecodedChunk] = []
        for part in parts_to_decode(chunk, own, depth):
            parts += await self._complete(part, self._start(part, Priority.FINAL), depth + 1)
        return choose(own, parts)

    async def close(self) -> None:
        decoding, self._decoding = self._decoding, None
        if decoding is not None:
            decoding.cancel()
            await asyncio.gather(decoding, return_exceptions=True)

    def _start(self, chunk: Chunk, priority: Priority) -> asyncio.Future[Hypothesis]:
        self._chunk, self._slot = chunk, Slot(priority)
        self._decoding = asyncio.ensure_future(self._recognise(chunk.samples, self._options, self._slot))
        return self._decoding

    async def _words(self, decoding: asyncio.Future[Hypothesis], chunk: Chunk, settled: str, *, pausing: bool) -> Words:
        # Shielded: `decode_final` may still need the result.
        hypothesis = await asyncio.shield(decoding)
        text = join([settled, hypothesis.text])
        if pausing and len(chunk.samples) >= _SHORTEST_SETTLED:
            self._settled, self._position = text, chunk.end - _OVERLAP
        elif len(chunk.samples) > self._max_samples - _CUT_SEARCH * LEVEL_HOP:
            self._settled, self._position = text, chunk.end
        return Words(text, self._settled)

    def _parts(self, chunk: Chunk) -> Iterator[Chunk]:
        """A chunk in parts that the model takes; what follows the first must hold speech: models invent words."""
        first = True
        while len(chunk.samples) > self._max_samples:
            cut = _quietest(chunk, self._max_samples)
            yield part_of(chunk, 0, cut)
            chunk, first = part_of(chunk, cut, len(chunk.samples)), False
        if first or int((chunk.speech >= _SPEECH).sum()) >= _FEWEST_LEVELS:
            yield chunk


def _quietest(chunk: Chunk, limit: int) -> int:
    """The quietest place, in samples, to split a chunk that is too long for the model."""
    first, last = max(limit // LEVEL_HOP - _CUT_SEARCH, 1), limit // LEVEL_HOP
    smooth = np.convolve(chunk.levels[first:last], np.ones(_CUT_SMOOTH) / _CUT_SMOOTH, mode="same")
    return (first + int(np.argmin(smooth))) * LEVEL_HOP
