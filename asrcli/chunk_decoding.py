"""Chunks to hypotheses: what an engine did not recognise completely is divided and decoded again.

Engines have limits (tokens a second, positions of a cache), stop early, and fail at single chunks; most of them do not
report it. A chunk whose hypothesis cannot be complete is cut at its best pause, at most three times; what has no text
then is a gap.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Self

from asrcli.assemble.coverage import LEAST_COVERAGE, is_doubtful, said_seconds, shortfall, spoken_seconds
from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis
from asrcli.errors import AsrcliError, EngineClosedError, EngineCrashError, EngineError
from asrcli.options import RecognitionOptions
from asrcli.transcript import Gap, GapReason
from asrcli.vad.packing import divide
from asrcli.vad.types import Chunk

#: a chunk is divided at most so many times, into eight parts
_DEEPEST = 3
#: gaps for the same reason that are closer than this are one, seconds
_SAME_GAP = 1.0

Submit = Callable[[Samples, RecognitionOptions], Future[Hypothesis]]


@dataclass(frozen=True, slots=True)
class DecodedChunk:
    """A chunk (without its samples), what was recognised in it, and what is missing."""

    chunk: Chunk
    hypothesis: Hypothesis
    missing: GapReason | None = None
    #: the stream position before which no later chunk begins
    clear: int = 0
    #: why the engine gave no hypothesis
    error: AsrcliError | None = None

    @property
    def said(self) -> float:
        """About how long its words take to say, seconds."""
        return said_seconds(self.hypothesis.text)

    def bare(self) -> Self:
        """The same without words and levels: what a gap is made of, of which a stream of days may have very many."""
        place = Chunk(self.chunk.start, self.chunk.samples[:0].copy(), self.chunk.regions)
        return replace(self, chunk=place, hypothesis=Hypothesis(""))

    def marked(self) -> Self:
        """The same; with a reason where its words take much less time than its speech, however short it is."""
        if self.missing or self.said >= LEAST_COVERAGE * spoken_seconds(self.chunk):
            return self
        return replace(self, missing="few words" if self.said else "no words")


def gaps_of(decoded: Iterable[DecodedChunk], channel: int | None = None) -> tuple[Gap, ...]:
    """Spans without text, seconds of the stream; what is missing for one reason in neighbouring chunks is one."""
    gaps: list[Gap] = []
    for each in decoded:
        if each.missing is None:
            continue
        start, end = each.chunk.start / SAMPLE_RATE, each.chunk.end / SAMPLE_RATE
        if gaps and gaps[-1].reason == each.missing and start - gaps[-1].end <= _SAME_GAP:
            gaps[-1] = replace(gaps[-1], end=end)
        else:
            gaps.append(Gap(start, end, each.missing, channel))
    return tuple(gaps)


class ChunkQueue:
    """Chunks of one channel at the backend; the hypotheses come back in order."""

    def __init__(self, submit: Submit) -> None:
        self.submit = submit
        self._attempts: deque[tuple[_Attempt, int]] = deque()

    def __len__(self) -> int:
        return len(self._attempts)

    def push(
        self, chunk: Chunk, request: RecognitionOptions, clear: int = 0, decoding: Future[Hypothesis] | None = None
    ) -> None:
        """Hand a chunk to the backend, unless it is `decoding` already; waits while it is busy. No chunk that is pushed
        later, except those that were cut at the same time, begins before the stream position `clear`.
        """
        self._attempts.append((_Attempt(self.submit, chunk, request, decoding=decoding), clear))

    def take(self, *, wait: bool) -> Iterator[DecodedChunk]:
        """The chunks that are complete, in order; with `wait`, all of them. Raises AsrcliError: the backend cannot
        recognise anything any more.
        """
        while self._attempts:
            for attempt, _ in self._attempts:
                attempt.results(wait=False)  # the backend gets the parts of every chunk that is to be divided
            done = self._attempts[0][0].results(wait=wait)
            if done is None:
                return
            _, clear = self._attempts.popleft()
            if self._attempts:
                clear = min(clear, self._attempts[0][0].start)
            for decoded, following in zip_longest(done, done[1:]):
                yield replace(decoded, clear=following.chunk.start if following else clear)


class _Attempt:
    """One decode of a chunk and, where its result is incomplete, those of its parts."""

    def __init__(
        self,
        submit: Submit,
        chunk: Chunk,
        request: RecognitionOptions,
        depth: int = 0,
        *,
        decoding: Future[Hypothesis] | None = None,
    ) -> None:
        self._submit = submit
        self._request = request
        self._depth = depth
        self._chunk = chunk
        self._future: Future[Hypothesis] | None = decoding or submit(chunk.samples, request)
        self._own: DecodedChunk | None = None
        self._parts: list[_Attempt] = []
        self._results: list[DecodedChunk] | None = None
        self.start = chunk.start

    def results(self, *, wait: bool) -> list[DecodedChunk] | None:
        """The chunk or its parts, decoded; None while the backend is at work on them."""
        if self._results is None:
            if self._own is None:
                if self._future is None or not (wait or self._future.done()):
                    return None
                self._own = judge(self._chunk, self._future.result)
                self._future = None
                for part in parts_to_decode(self._chunk, self._own, self._depth):
                    self._parts.append(_Attempt(self._submit, part, self._request, self._depth + 1))
                self._chunk = self._own.chunk
            found: list[DecodedChunk] = []
            for attempt in self._parts:
                decoded = attempt.results(wait=wait)
                if decoded is None:
                    return None
                found += decoded
            self._results = choose(self._own, found)
        return self._results


def judge(chunk: Chunk, result: Callable[[], Hypothesis]) -> DecodedChunk:
    """A chunk with its hypothesis, or with the error that `result` raises, and what is missing in it. Raises
    EngineClosedError: there will be no result for any chunk.
    """
    chunk = chunk.without_samples()
    try:
        hypothesis = result()
    except EngineClosedError:
        raise
    except EngineError as error:
        return DecodedChunk(chunk, Hypothesis(""), "engine error", error=error)
    return DecodedChunk(chunk, hypothesis, shortfall(chunk, hypothesis))


def parts_to_decode(chunk: Chunk, own: DecodedChunk, depth: int) -> list[Chunk]:
    """The parts of a chunk to decode as well, where `own` is or may be incomplete; `depth`: divisions so far."""
    # An engine process that dies at a chunk is restarted twice: once is enough.
    if depth == _DEEPEST or isinstance(own.error, EngineCrashError):
        return []
    return divide(chunk) if own.missing or (depth == 0 and is_doubtful(chunk, own.hypothesis)) else []


def choose(own: DecodedChunk, parts: list[DecodedChunk]) -> list[DecodedChunk]:
    """The parts of a chunk, unless fewer words were recognised in them than in the whole."""
    if not parts:
        return [own]
    said, least = sum(part.said for part in parts), LEAST_COVERAGE * spoken_seconds(own.chunk)
    complete = not any(part.missing for part in parts)
    # With the same words, the parts show where there are none.
    if own.missing in {None, "few words"} and (own.said > said or (own.said == said and complete)):
        # Parts that lack nothing, and have no more words, show that the whole lacks nothing.
        return [replace(own, missing=None) if complete and own.said >= least else own]
    if own.missing in {"few words", "no words"} and said < least:
        # A part alone may be too short to be judged.
        return [part.marked() for part in parts]
    return parts
