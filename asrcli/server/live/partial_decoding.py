"""Partial and final results of one sentence with an offline model."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from asrcli.assemble import Assembler
from asrcli.assemble.timing import orderly
from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis
from asrcli.chunk_decoding import DecodedChunk, choose, judge, parts_to_decode
from asrcli.options import RecognitionOptions
from asrcli.script import join
from asrcli.server.live.decode_scheduler import Priority, Slot
from asrcli.server.live.endpoint import Sentence, part_of
from asrcli.transcript import Segment
from asrcli.vad.types import LEVEL_HOP, Chunk, Region

#: samples of a pause that are decoded again with the next part: onsets are softer than VAD detects
_OVERLAP = SAMPLE_RATE // 10
#: samples of a last part that has too little context
_SHORTEST_TAIL = 4 * SAMPLE_RATE
#: speech probability of a level (10 ms), and the number of such levels that justify another decode
_SPEECH, _FEWEST_LEVELS = 0.5, 12
#: levels searched for the place to split a chunk, and averaged there
_CUT_SEARCH, _CUT_SMOOTH = 300, 15

_NO_CHUNK = Chunk(0, np.empty(0, np.float32), ())

#: gets a hypothesis whose end is not written yet
Growing = Callable[[Hypothesis], None]
#: `recognise(samples, options, slot, growing)`: decode (n,) samples at 16 kHz once the slot is granted
Recognise = Callable[[Samples, RecognitionOptions, Slot, Growing], Awaitable[Hypothesis]]


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

    @property
    def waiting(self) -> bool:
        """Whether the decode started last has not been granted its slot."""

    def watch(self, grown: Callable[[str], None]) -> None:
        """Call `grown` with the text so far of the decode that `decode_partial` started last, as the model writes it;
        never where models give whole texts alone.
        """

    async def decode_final(self, sentence: Sentence) -> list[DecodedChunk]:
        """Decode a sentence that has ended. Raises EngineClosedError: the engine was closed."""

    async def close(self) -> None:
        """Cancel what runs."""


class RepeatedDecoder:
    """Decodes a growing sentence again each time, from its last long pause on.

    The audio alone decides which parts a sentence is decoded in, not the moments of the partial results: the same audio
    gives the same final text. The endpointer ends a sentence some time after the speaker pauses, so the result that is
    decoded at the start of the pause is the final one of this part, unless the speaker continues. So neither the cost
    of a decode nor the delay of the final result grows with the sentence.
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
        #: finished decodes of the sentence, by the spans of their chunks
        self._known: dict[tuple[Region, ...], asyncio.Future[Hypothesis]] = {}
        #: the text before the chunk that was decoded last, and what gets the text that grows behind it
        self._before = ""
        self._grown: Callable[[str], None] = _ignore

    def decode_partial(self, sentence: Sentence, priority: Priority) -> asyncio.Future[Words]:
        if self._decoding is not None:
            self._decoding.cancel()
        before: list[str] = []
        *closed, chunk = self._parts(sentence, complete=sentence.pausing)
        settles = False
        for part in closed:
            if part.regions not in self._known:
                chunk, settles = part, True
                break
            before.append(self._known[part.regions].result().text)
        self._before = join(before)
        decoding = self._start(chunk, min(priority, Priority.PAUSE) if settles or sentence.pausing else priority)
        return asyncio.ensure_future(self._words(decoding, chunk, before, settles=settles))

    @property
    def waiting(self) -> bool:
        return self._decoding is not None and not self._slot.started

    def watch(self, grown: Callable[[str], None]) -> None:
        self._grown = grown

    async def decode_final(self, sentence: Sentence) -> list[DecodedChunk]:
        pieces: list[DecodedChunk] = []
        for chunk in self._parts(sentence):
            # Models invent words for a breath alone.
            if not pieces or int((chunk.speech >= _SPEECH).sum()) >= _FEWEST_LEVELS:
                pieces += await self._complete(chunk, await self._final(chunk))
        await self.close()
        self._known = {}
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

    async def _final(self, chunk: Chunk) -> asyncio.Future[Hypothesis]:
        """The decode of a part: finished, running, or started now."""
        if chunk.regions in self._known:
            return self._known[chunk.regions]
        if self._decoding is not None and self._chunk.regions == chunk.regions:
            self._slot.priority = Priority.FINAL
            return self._decoding
        await self.close()
        return self._start(chunk, Priority.FINAL)

    def _start(self, chunk: Chunk, priority: Priority) -> asyncio.Future[Hypothesis]:
        self._chunk, self._slot = chunk, Slot(priority)
        slot = self._slot

        def growing(hypothesis: Hypothesis) -> None:
            if slot is self._slot:  # else a newer decode has been started
                self._grown(join([self._before, hypothesis.text]))

        self._decoding = asyncio.ensure_future(self._recognise(chunk.samples, self._options, slot, growing))
        return self._decoding

    async def _words(
        self, decoding: asyncio.Future[Hypothesis], chunk: Chunk, before: list[str], *, settles: bool
    ) -> Words:
        # Shielded: `decode_final` may still need the result.
        hypothesis = await asyncio.shield(decoding)
        self._known[chunk.regions] = decoding
        text = join([*before, hypothesis.text])
        return Words(text, text if settles else join(before))

    def _parts(self, sentence: Sentence, *, complete: bool = True) -> Iterator[Chunk]:
        """The parts that are decoded on their own: cut at long pauses, and where one is too long for the model.

        `complete`: whether the sentence may be complete; a short tail is then decoded with the part before it.
        """
        whole, cuts = sentence.chunk, sentence.cuts
        if cuts and complete and whole.end - cuts[-1] < _SHORTEST_TAIL:
            cuts = cuts[:-1]
        position = whole.start
        for cut in (*cuts, whole.end):
            part = part_of(whole, position - whole.start, cut - whole.start)
            while len(part.samples) > self._max_samples:
                middle = _quietest(part, self._max_samples)
                yield part_of(part, 0, middle)
                part = part_of(part, middle, len(part.samples))
            yield part
            position = cut - _OVERLAP


def _ignore(text: str) -> None:
    """No one watches."""


def _quietest(chunk: Chunk, limit: int) -> int:
    """The quietest place, in samples, to split a chunk that is too long for the model."""
    first, last = max(limit // LEVEL_HOP - _CUT_SEARCH, 1), limit // LEVEL_HOP
    smooth = np.convolve(chunk.levels[first:last], np.ones(_CUT_SMOOTH) / _CUT_SMOOTH, mode="same")
    return (first + int(np.argmin(smooth))) * LEVEL_HOP


def not_before(onset: float, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """The segments without times before their sentence: the padding before its onset is decoded, too."""
    return tuple(_late(segment, onset) if segment.start < onset else segment for segment in segments)


def _late(segment: Segment, onset: float) -> Segment:
    times = [(max(word.start - onset, 0.0), max(word.end - onset, 0.0)) for word in segment.words]
    words = tuple(
        replace(word, start=onset + start, end=onset + end)
        for word, (start, end) in zip(segment.words, orderly(times, max(segment.end - onset, 0.0)), strict=True)
    )
    return replace(segment, start=onset, end=max(segment.end, onset), words=words)


def segments_of(decoded: list[DecodedChunk], language: str | None) -> tuple[Segment, ...]:
    """A decoded sentence, split at its punctuation."""
    assembler = Assembler(language=language)
    ready = [segment for each in decoded for segment in assembler.push(each.chunk, each.hypothesis)]
    return (*ready, *assembler.finish())
