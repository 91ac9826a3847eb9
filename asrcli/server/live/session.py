"""One live stream: audio goes in as it is spoken, partial results and sentences come out in order.

Nothing here blocks the event loop: recognition is awaited, and VAD runs in threads.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.chunk_decoding import gaps_of
from asrcli.errors import AsrcliError, EngineClosedError, EngineError
from asrcli.options import RecognitionOptions, TextOptions
from asrcli.server.errors import TooLargeError
from asrcli.server.live.agreement import StablePrefix, shown
from asrcli.server.live.decode_scheduler import Priority
from asrcli.server.live.endpoint import Endpointer, EndpointOptions, NoiseGate, Sentence
from asrcli.server.live.events import Event, Partial, SentenceBegan, SentenceEnded
from asrcli.server.live.partial_decoding import SentenceDecoder, Words, not_before, segments_of
from asrcli.speakers.live import SpeakerMemory
from asrcli.transcript import Segment, join_words
from asrcli.vad.types import WINDOW, Chunk, SpeechDetector

_log = logging.getLogger("asrcli.server")

#: samples processed at a time; other connections are served in between
_PIECE = SAMPLE_RATE // 2
#: samples for one run of VAD: 128 ms at once cost half of what four times 32 ms do
_GATHER = 4 * WINDOW
#: ended sentences that may wait for their decode before more audio is taken: clients may send faster than real time
_BACKLOG = 4
#: a growing sentence is decoded again after this many times the duration of the last decode
_REST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """Options of one stream."""

    recognition: RecognitionOptions = field(default_factory=RecognitionOptions)
    #: text steps; partial results get those that work word by word
    text: TextOptions = field(default_factory=TextOptions)
    endpoint: EndpointOptions = field(default_factory=EndpointOptions)
    #: whether partial results are sent
    partials: bool = True
    #: whether the offline model decodes final sentences if partial results come from a streaming model
    second_pass: bool = True
    #: least seconds of new audio between two partial results
    interval: float = 0.3
    #: RMS below which audio is replaced by silence; None: no gate
    nearfield: float | None = None
    #: the speakers of the stream, where final sentences are labelled; kept by what outlives the session
    speakers: SpeakerMemory | None = None


#: the text steps, applied to the segments of one sentence
Revise = Callable[[tuple[Segment, ...]], Awaitable[tuple[Segment, ...]]]
#: labels the segments of a sentence with speakers, given its audio
Label = Callable[[tuple[Segment, ...], Chunk], Awaitable[tuple[Segment, ...]]]


class LiveSession:
    """Call `feed` and `finish` in one task and iterate `events` in another. Events come in order.

    Sentences are counted from 1, and only those that have words: noise produces no events.
    """

    def __init__(
        self,
        decoder: SentenceDecoder,
        options: LiveOptions,
        *,
        language: str | None = None,
        revise: Revise | None = None,
        label: Label | None = None,
        longest: float = math.inf,
        detector: SpeechDetector | None = None,
    ) -> None:
        """Loads the VAD model: call it in a thread. `language` if it is known beforehand; `revise`: the text steps;
        `label`: speakers; `longest`: limit of the stream in seconds; `detector` None: the embedded Silero VAD.
        """
        self._decoder = decoder
        self._options = options
        self._language = language
        self._revise = revise
        self._label = label
        self._longest = longest
        self._endpointer = Endpointer(options.endpoint, detector=detector)
        self._noise_gate = NoiseGate(options.nearfield) if options.nearfield else None
        #: held while a thread works with the endpointer
        self._endpointing = asyncio.Lock()
        #: the endpointer's, as of its last run
        self._span: tuple[int, int] | None = None
        self._pausing = False
        self._gathered = np.empty(0, np.float32)
        self._received = 0
        self._ended: deque[Sentence] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._finished = False
        #: whether `events` is no longer iterated
        self._closed = False
        self._index = 0
        self._announced = False
        self._prefix = StablePrefix()
        #: text so far of the decode that runs, which has not been looked at
        self._grown: str | None = None
        self._decoder.watch(self._grow)
        #: span of the growing sentence that was decoded last, and how long that took
        self._decoded = (0, 0)
        self._cost = 0.0
        #: whether the engine recognised any of the stream, and its last failure
        self._recognised = False
        self._failure: AsrcliError | None = None

    @property
    def duration(self) -> float:
        """Seconds of the stream so far."""
        return self._received / SAMPLE_RATE

    async def feed(self, samples: Samples) -> None:
        """Take the next (n,) samples at 16 kHz; waits while too many sentences wait for their decode. Raises
        TooLargeError: the stream is longer than allowed.
        """
        if self.duration > self._longest:
            raise TooLargeError(f"The stream is longer than {self._longest:g} s.", "Start another stream.")
        for start in range(0, len(samples), _PIECE):
            await self._push(samples[start : start + _PIECE])
            while len(self._ended) > _BACKLOG and not self._closed:
                self._room.clear()
                await self._room.wait()

    async def finish(self) -> None:
        """End the stream and its growing sentence. `events` ends after the last result."""
        gathered, self._gathered = self._gathered, self._gathered[:0]
        await self._run_endpointer(gathered, last=True)
        self._finished = True
        self._changed.set()

    async def close(self) -> None:
        """Cancel what runs; safe to call at any time."""
        await self._decoder.close()

    async def events(self) -> AsyncIterator[Event]:
        """Results as they are recognised. Raises EngineError: the engine failed at every sentence, or was closed."""
        try:
            while self._ended or not self._finished:
                ended = self._ended.popleft() if self._ended else None
                async for event in self._decode_growing() if ended is None else self._decode_ended(ended):
                    yield event
                self._room.set()
                if not self._ended and not self._finished and not self._is_due():
                    self._changed.clear()
                    await self._changed.wait()
            if self._failure is not None and not self._recognised:
                raise self._failure
        finally:
            self._closed = True
            self._room.set()

    # -- audio -------------------------------------------------------------------------------------------------------

    async def _push(self, samples: Samples) -> None:
        self._received += len(samples)
        self._gathered = np.concatenate([self._gathered, samples])
        unit = WINDOW if self._noise_gate is None else _GATHER
        whole = len(self._gathered) // unit * unit
        if whole >= _GATHER:
            gathered, self._gathered = self._gathered[:whole], self._gathered[whole:]
            await self._run_endpointer(gathered)
            self._changed.set()

    async def _run_endpointer(self, samples: Samples, *, last: bool = False) -> None:
        async with self._endpointing:
            self._ended.extend(await asyncio.to_thread(self._endpoint, samples, last=last))
            self._span, self._pausing = self._endpointer.span, self._endpointer.pausing

    def _endpoint(self, samples: Samples, *, last: bool) -> list[Sentence]:
        """VAD and endpoints of the next samples; the sentences that have ended."""
        gate, endpointer = self._noise_gate, self._endpointer
        ended: list[Sentence] = []
        # In blocks of one size: what the gate drops must not depend on the frames in which the audio arrives.
        size = max(len(samples), 1) if gate is None else _GATHER
        for start in range(0, len(samples), size):
            block = samples[start : start + size]
            ended += endpointer.push(block if gate is None else gate.push(block, speaking=endpointer.span is not None))
        if last and gate is not None:
            ended += endpointer.push(gate.finish(speaking=endpointer.span is not None))
        return ended + endpointer.finish() if last else ended

    # -- results -----------------------------------------------------------------------------------------------------

    async def _decode_growing(self) -> AsyncIterator[Event]:
        """Partial results of the growing sentence, if there is one and enough of it is new."""
        if not self._is_due():
            return
        async with self._endpointing:
            sentence = None if self._ended else self._endpointer.growing()
        if sentence is None:
            return
        self._decoded = sentence.chunk.start, sentence.chunk.end
        started = time.monotonic()
        self._grown = None
        decoding = self._decoder.decode_partial(sentence, Priority.UPDATE if self._prefix.stable else Priority.FIRST)
        async for text in self._wait_for(decoding, sentence):
            for event in self._partial(self._prefix.preview(text), sentence):
                yield event
        if not decoding.done():
            decoding.cancel()
            return
        self._cost = time.monotonic() - started
        try:
            words = decoding.result()
        except EngineClosedError:
            raise
        except EngineError:
            return  # its final result is decoded in parts where the whole fails
        for event in self._partial(self._prefix.update(words.text, words.settled), sentence):
            yield event

    def _partial(self, texts: tuple[str, str] | None, sentence: Sentence) -> list[Event]:
        """The event of a partial result: its stable text, and all that is shown."""
        stable, text = (shown(each, self._options.text, self._language) for each in texts or ("", ""))
        if not text:
            return []
        return [*self._announce(sentence), Partial(self._index, text, stable, sentence.chunk.end / SAMPLE_RATE)]

    def _grow(self, text: str) -> None:
        """Take the text so far of the decode that runs."""
        self._grown = text
        self._changed.set()

    def _is_due(self) -> bool:
        span = self._span
        if span is None or span == self._decoded or not self._options.partials:
            return False
        if span[0] != self._decoded[0]:
            return True  # a new sentence
        if self._pausing:
            return True
        fresh = (span[1] - self._decoded[1]) / SAMPLE_RATE
        if not self._prefix.stable:
            return fresh >= self._cost  # these decodes are short, and the client waits
        return fresh >= max(self._options.interval, _REST * self._cost)

    async def _wait_for(self, decoding: asyncio.Future[Words], sentence: Sentence) -> AsyncIterator[str]:
        """Wait for a decode unless a better one is due: of an ended sentence, or at a pause in this one. Its texts so
        far.
        """
        while not (decoding.done() or self._ended or self._finished):
            if self._pausing and not sentence.pausing and self._decoder.waiting:
                return
            grown, self._grown = self._grown, None
            if grown is not None:
                yield grown
            self._changed.clear()
            changed = asyncio.ensure_future(self._changed.wait())
            waiting: set[asyncio.Future[Any]] = {decoding, changed}
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()

    def _announce(self, sentence: Sentence) -> list[Event]:
        if self._announced:
            return []
        self._announced = True
        self._index += 1
        return [SentenceBegan(self._index, sentence.onset / SAMPLE_RATE)]

    async def _decode_ended(self, sentence: Sentence) -> AsyncIterator[Event]:
        decoded = await self._decoder.decode_final(sentence)
        segments = segments_of(decoded, self._options.recognition.language)
        gaps = gaps_of(decoded)
        self._recognised = self._recognised or any(each.error is None for each in decoded)
        error = next((each.error for each in decoded if each.error is not None), None)
        self._failure = error or self._failure
        for gap in gaps:
            _log.warning("live stream: no text from %.1f to %.1f s: %s", gap.start, gap.end, gap.reason)
        rest = self._prefix.rest(_text(segments))
        if self._revise is not None and segments:
            segments = await self._revise(segments)
        segments = not_before(sentence.onset / SAMPLE_RATE, segments)
        if self._label is not None and segments:
            segments = await self._label(segments, sentence.chunk)
        text = _text(segments)
        events: list[Event] = []
        if text or gaps or self._announced:
            events = self._announce(sentence)
            start, end = sentence.onset / SAMPLE_RATE, sentence.chunk.end / SAMPLE_RATE
            events.append(SentenceEnded(self._index, start, end, text, rest, sentence.reason, segments, gaps, error))
        self._announced = False
        self._prefix = StablePrefix()
        for event in events:
            yield event


def _text(segments: tuple[Segment, ...]) -> str:
    return join_words([word for segment in segments for word in segment.words])
