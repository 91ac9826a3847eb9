"""Chunks to hypotheses: what an engine did not recognise completely is divided and decoded again.

Engines have limits (tokens a second, positions of a cache), stop early, and fail at single chunks; most of them do not
report it. A chunk whose hypothesis cannot be complete is cut at its best pause, at most three times; what has no text
then is a gap. One that the memory does not suffice for is decoded once again: the engine's batches are smaller then. It
is not cut, or its words would depend on the memory.

Where the model detects the language, that of a few words is often wrong. A short chunk in another language than both of
its neighbours, or one whose words are unsure, is decoded again in theirs. Others stay as they are: people change their
language.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import Self

from asrcli.assemble.coverage import LEAST_COVERAGE, is_doubtful, said_seconds, shortfall, spoken_seconds
from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis
from asrcli.errors import AsrcliError, EngineClosedError, EngineCrashError, EngineError, EngineMemoryError
from asrcli.options import RecognitionOptions
from asrcli.transcript import Gap, GapReason
from asrcli.vad.packing import divide
from asrcli.vad.types import Chunk

#: a chunk is divided at most so many times, into eight parts
_DEEPEST = 3
#: gaps for the same reason that are closer than this are one, seconds
_SAME_GAP = 1.0
#: chunks without words behind one whose language is in doubt, after which it is given out
_MOST_HELD = 8
#: less speech than this may be taken for another language, seconds
_FEW_WORDS = 3.0

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
    #: decodes the chunk in another language; None where the model did not detect its language, or surely not wrongly
    again: Callable[[str | None], Hypothesis] | None = None

    @property
    def said(self) -> float:
        """About how long its words take to say, seconds."""
        return said_seconds(self.hypothesis.text)

    def bare(self) -> Self:
        """The same without words and levels: what a gap is made of, of which a stream of days may have very many."""
        place = Chunk(self.chunk.start, self.chunk.samples[:0].copy(), self.chunk.regions)
        return replace(self, chunk=place, hypothesis=Hypothesis(""), again=None)

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

    def __init__(self, submit: Submit, *, recorded: bool = False) -> None:
        """With `recorded`, the input is no live stream: a chunk whose language may be wrong waits for its neighbour,
        and one that memory is too short for fails the input, which can be read again.
        """
        self.submit = submit
        self._recorded = recorded
        self._attempts: deque[tuple[_Attempt, int]] = deque()
        self._agreement = _LanguageAgreement() if recorded else None

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
        recognise anything any more; EngineMemoryError: memory is too short for a recording.
        """
        taken = self._take(wait=wait)
        return self._agreement.settle(taken, last=wait) if self._agreement else taken

    def _take(self, *, wait: bool) -> Iterator[DecodedChunk]:
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
                if self._recorded and isinstance(decoded.error, EngineMemoryError):
                    raise decoded.error
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
        self._lacked_memory = False
        self.start = chunk.start

    def results(self, *, wait: bool) -> list[DecodedChunk] | None:
        """The chunk or its parts, decoded; None while the backend is at work on them."""
        if self._results is None:
            if self._own is None:
                if self._future is None or not (wait or self._future.done()):
                    return None
                own = judge(self._chunk, self._future.result)
                if isinstance(own.error, EngineMemoryError) and not self._lacked_memory:
                    self._lacked_memory = True
                    self._future = self._submit(self._chunk.samples, self._request)
                    return self.results(wait=wait)
                self._own = own
                if self._may_be_of_another_language(self._own):
                    self._own = replace(self._own, again=partial(self._again, self._chunk.samples))
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

    def _may_be_of_another_language(self, own: DecodedChunk) -> bool:
        """Whether the language that the model detected may be wrong."""
        found = own.hypothesis
        if self._request.language not in {None, "auto"} or not found.text or not found.language:
            return False
        spoken = spoken_seconds(own.chunk) or (own.chunk.end - own.chunk.start) / SAMPLE_RATE
        return found.unsure or spoken < _FEW_WORDS

    def _again(self, samples: Samples, language: str | None) -> Hypothesis:
        return self._submit(samples, replace(self._request, language=language)).result()


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
    if depth == _DEEPEST or isinstance(own.error, EngineCrashError | EngineMemoryError):
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


class _LanguageAgreement:
    """Takes the decoded chunks of a recording in order, and holds one back whose language may be wrong."""

    def __init__(self) -> None:
        #: language of the last chunk that was given out
        self._before: str | None = None
        #: the chunk in doubt, and those without words behind it
        self._held: list[DecodedChunk] = []

    def settle(self, chunks: Iterable[DecodedChunk], *, last: bool) -> Iterator[DecodedChunk]:
        """The chunks whose language is settled by now; all of them with the `last`. Raises EngineClosedError: nothing
        more is recognised.
        """
        for decoded in chunks:
            yield from self._take(decoded)
        if last:
            yield from self._release()

    def _take(self, decoded: DecodedChunk) -> Iterator[DecodedChunk]:
        language = decoded.hypothesis.language if decoded.hypothesis.text else None
        if self._held:
            if language is None and len(self._held) <= _MOST_HELD:
                self._held.append(decoded)
                return
            if language == self._before:
                self._held[0] = _in_language(self._held[0], language)
            yield from self._release()
        if decoded.again is not None and self._before is not None and language != self._before:
            self._held.append(decoded)
            return
        self._before = language or self._before
        yield decoded

    def _release(self) -> Iterator[DecodedChunk]:
        held, self._held = self._held, []
        for decoded in held:
            self._before = (decoded.hypothesis.language if decoded.hypothesis.text else None) or self._before
            yield decoded


def _in_language(decoded: DecodedChunk, language: str | None) -> DecodedChunk:
    """A chunk with its words in the language of its neighbours, or its own where those are no better."""
    own = decoded.hypothesis
    assert decoded.again is not None
    try:
        other = decoded.again(language)
    except EngineClosedError:
        raise
    except AsrcliError:
        return decoded
    better = _is_complete(decoded, other) and other.language == language and (own.unsure or not other.unsure)
    return replace(decoded, hypothesis=other, missing=None) if better else decoded


def _is_complete(decoded: DecodedChunk, other: Hypothesis) -> bool:
    return bool(other.text) and shortfall(decoded.chunk, other) is None
