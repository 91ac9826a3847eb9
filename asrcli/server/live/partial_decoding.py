"""What is made of a sentence while it grows and when it has ended, with an offline model alone."""

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

#: samples of a sentence that are decoded for good when a pause follows them
_WORTH_KEEPING = 3 * SAMPLE_RATE
#: samples of that pause that are heard again with what follows: onsets are softer than VAD hears
_OVERLAP = SAMPLE_RATE // 10
#: levels (10 ms each) that are speech, and how many of them at least are worth another decode
_SPEECH, _LEAST = 0.5, 12
#: levels among which the place to divide a chunk is looked for, and over which they are averaged
_CUT_SEARCH, _CUT_SMOOTH = 300, 15

_NOTHING = Chunk(0, np.empty(0, np.float32), ())

#: `recognise(samples, options, turn)`: decode (n,) samples at 16 kHz when it is their turn
Recognise = Callable[[Samples, RecognitionOptions, Slot], Awaitable[Hypothesis]]


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

    def follow(self, sentence: Sentence, urgency: Priority) -> asyncio.Future[Words]:
        """Begin to recognise a sentence as far as it goes; what was begun before and is not done is given up."""
        ...

    @property
    def waiting(self) -> bool:
        """Whether what was begun last still waits for its turn."""
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


class RepeatedDecoder:
    """Hears a growing sentence anew each time, from the last good pause on.

    Speakers pause before an endpoint is called. What was heard of the sentence in that pause is all there is to it, so
    the result of that hearing is used if the speaker does not go on. If they do, and it was long enough for the model
    to know what it is about, it stands, and only what follows is heard again: long sentences cost no more than short
    ones, and end as soon.
    """

    def __init__(self, recognise: Recognise, options: RecognitionOptions, window: float) -> None:
        """Follow one stream.

        Args:
            recognise: by the offline model.
            options: for it.
            window: the longest chunk it takes, seconds.
        """
        self._recognise = recognise
        self._options = options
        self._most = round(window * SAMPLE_RATE)
        self._turn = Slot(Priority.UPDATE)
        self._hearing: asyncio.Future[Hypothesis] | None = None
        #: what is being heard, whether that will stand, and from where the sentence is heard on then
        self._chunk = _NOTHING
        self._stands = False
        self._next = 0
        self._settled: list[Piece] = []
        #: up to where the sentence has been decoded for good
        self._position = 0

    def follow(self, sentence: Sentence, urgency: Priority) -> asyncio.Future[Words]:
        if self._hearing is not None:
            self._hearing.cancel()
        return asyncio.ensure_future(self._words(self._hear(sentence, urgency)))

    @property
    def waiting(self) -> bool:
        return self._hearing is not None and not self._turn.begun

    async def end(self, sentence: Sentence) -> list[Piece]:
        hearing = self._hearing
        if hearing is not None and (self._stands or self._chunk.end == sentence.chunk.end):
            self._turn.urgency = Priority.FINAL
            self._settle(await hearing)
        await self.close()
        while self._is_left(sentence):
            self._settle(await self._hear(sentence, Priority.FINAL))
        pieces, self._settled, self._position = self._settled, [], 0
        return pieces

    async def close(self) -> None:
        hearing, self._hearing = self._hearing, None
        if hearing is not None:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    def _is_left(self, sentence: Sentence) -> bool:
        """Whether somebody speaks in what has not been settled: of a breath alone, models make words."""
        if self._position >= sentence.chunk.end:
            return False
        return not self._settled or int((sentence.since(self._position).speech >= _SPEECH).sum()) >= _LEAST

    def _hear(self, sentence: Sentence, urgency: Priority) -> asyncio.Future[Hypothesis]:
        chunk = sentence.since(self._position)
        if len(chunk.samples) > self._most:
            chunk = part_of(chunk, 0, _quietest(chunk, self._most))
            self._stands, self._next = True, chunk.end
        else:
            self._stands = sentence.pausing and len(chunk.samples) >= _WORTH_KEEPING
            self._next = chunk.end - _OVERLAP if sentence.pausing else chunk.end
        self._chunk = chunk
        self._turn = Slot(min(urgency, Priority.PAUSE) if self._stands else urgency)
        self._hearing = asyncio.ensure_future(self._recognise(chunk.samples, self._options, self._turn))
        return self._hearing

    async def _words(self, hearing: asyncio.Future[Hypothesis]) -> Words:
        # Shielded: whether it goes on when the sentence has ended is for `end` to say.
        hypothesis = await asyncio.shield(hearing)
        text = join([*self._texts, hypothesis.text])
        if self._stands:
            self._settle(hypothesis)
        return Words(text, join(self._texts))

    def _settle(self, hypothesis: Hypothesis) -> None:
        self._settled.append((self._chunk, hypothesis))
        self._position = self._next
        self._hearing = None

    @property
    def _texts(self) -> list[str]:
        return [hypothesis.text for _, hypothesis in self._settled]


def _quietest(chunk: Chunk, most: int) -> int:
    """Where to divide a chunk that is too long for the model: before `most`, where it is quietest; samples."""
    first, last = max(most // LEVEL_HOP - _CUT_SEARCH, 1), most // LEVEL_HOP
    smooth = np.convolve(chunk.levels[first:last], np.ones(_CUT_SMOOTH) / _CUT_SMOOTH, mode="same")
    return (first + int(np.argmin(smooth))) * LEVEL_HOP
