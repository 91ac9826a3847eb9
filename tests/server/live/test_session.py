"""Sessions on tone models in a real engine process. A detector of loudness replaces Silero, which detects no tones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.registry import backend_of
from asrcli.backends.types import Hypothesis, StreamRequest, StreamUpdate
from asrcli.errors import EngineError
from asrcli.options import RecognitionOptions
from asrcli.server.live.decode_scheduler import Slot
from asrcli.server.live.endpoint import Endpointer, EndpointOptions
from asrcli.server.live.events import Partial, SentenceBegan, SentenceEnded
from asrcli.server.live.partial_decoding import RepeatedDecoder
from asrcli.server.live.session import LiveOptions, LiveSession
from asrcli.server.live.streaming import StreamingDecoder
from asrcli.vad.types import WINDOW
from tests.tone import PAUSE, WORDS, tone_audio, tone_spec, tone_starts

PAUSES = [None] * 3
ENDPOINT = EndpointOptions(silence=0.8)


class Loudness:
    """Speech is what is loud."""

    def probabilities(self, samples: np.ndarray, following: np.ndarray | None = None) -> np.ndarray:
        return (np.abs(samples.reshape(-1, WINDOW)).max(axis=1) > 0.05).astype(np.float32)


@pytest.fixture(scope="module")
def host(tone_models: Callable[..., Path]) -> Iterator[EngineClient]:
    with EngineClient(threads=2) as running:
        for name, kind in (("offline", "zipformer_ctc"), ("streaming", "online_transducer")):
            spec = tone_spec(kind, tone_models(kind))
            running.load(name, backend_of(spec.type).kind, spec).result(60)
        yield running


@pytest.fixture
def recognise(host: EngineClient) -> Callable[..., Any]:
    async def decode(samples: np.ndarray, options: RecognitionOptions, turn: Slot, growing: Any) -> Hypothesis:
        return await asyncio.wrap_future(host.submit("offline", samples, options))

    return decode


@pytest.fixture
def say(host: EngineClient) -> Callable[..., Any]:
    async def job(samples: np.ndarray, request: StreamRequest) -> StreamUpdate:
        return await asyncio.wrap_future(host.submit("streaming", samples, request))

    return job


def redecoding(recognise: Callable[..., Any], window: float = 30.0) -> RepeatedDecoder:
    return RepeatedDecoder(recognise, RecognitionOptions(), window)


async def until(holds: Callable[..., Any]) -> None:
    while not holds():  # noqa: ASYNC110 -- there is no event for it
        await asyncio.sleep(0.002)


def listen(
    follower: RepeatedDecoder | StreamingDecoder,
    audio: np.ndarray,
    *,
    block: int = 1600,
    before: Callable[..., Any] | None = None,
    **options: Any,
) -> list[SentenceBegan | Partial | SentenceEnded]:
    """All events of a stream that is fed block by block; `before` is called with each block's place and the events."""

    async def story() -> list[SentenceBegan | Partial | SentenceEnded]:
        session = LiveSession(follower, LiveOptions(endpoint=ENDPOINT, **options), detector=Loudness())
        events = []

        async def tell() -> None:
            async for event in session.events():
                events.append(event)  # noqa: PERF401 - they are wanted as they come, even if it fails

        telling = asyncio.create_task(tell())
        for start in range(0, len(audio), block):
            if before is not None:
                await before(start, events)
            await session.feed(audio[start : start + block])
            await asyncio.sleep(0.002)
        await session.finish()
        try:
            await telling
        finally:
            await session.close()
        return events

    return asyncio.run(story())


class InStep:
    """Waits, as `before` of `listen`, for all answers of the engine: a slow one would get several words at once."""

    def __init__(self) -> None:
        self._asked = self._answered = 0

    def counting(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*request: Any) -> Any:
            self._asked += 1
            try:
                return await ask(*request)
            finally:
                self._answered += 1

        return counted

    async def __call__(self, start: int, events: Any) -> None:
        await until(lambda: self._answered == self._asked)


def spoken(sequence: list[int]) -> str:
    return " ".join(WORDS[tone] for tone in sequence if tone is not None)


def texts(events: list[SentenceBegan | Partial | SentenceEnded]) -> list[str]:
    return [event.text for event in events if isinstance(event, SentenceEnded)]


@pytest.mark.parametrize("block", [333, 1600, 16000, 200000])
@pytest.mark.parametrize("partials", [True, False])
def test_nothing_is_lost_and_all_is_in_order(recognise: Callable[..., Any], block: int, partials: bool) -> None:
    first, second, third = [3, 1, 5], [2, 0], [4, 6, 6, 1]
    audio = tone_audio([*first, *PAUSES, *second, *PAUSES, *third])
    events = listen(redecoding(recognise), audio, block=block, partials=partials)
    assert texts(events) == [spoken(first), spoken(second), spoken(third)]
    kinds = [(event.index, type(event)) for event in events]
    assert kinds == sorted(kinds, key=lambda kind: (kind[0], [SentenceBegan, Partial, SentenceEnded].index(kind[1])))
    assert [kind for kind in kinds if kind[1] is SentenceBegan] == [(n, SentenceBegan) for n in (1, 2, 3)]
    ended = [event for event in events if isinstance(event, SentenceEnded)]
    assert [event.reason for event in ended[:2]] == ["pause", "pause"]
    starts = tone_starts([*first, *PAUSES, *second, *PAUSES, *third])
    assert [event.start for event in ended] == pytest.approx([starts[0], starts[3], starts[5]], abs=0.05)


def test_the_last_word_counts_even_if_the_stream_ends_in_it(recognise: Callable[..., Any]) -> None:
    audio = tone_audio([2, 5])
    cut = round((tone_starts([2, 5])[1] + 0.25) * 16000)
    [event] = [event for event in listen(redecoding(recognise), audio[:cut]) if isinstance(event, SentenceEnded)]
    assert (event.text, event.reason) == (spoken([2, 5]), "stop")


def test_long_sentences_come_in_pieces_that_fit_together(recognise: Callable[..., Any]) -> None:
    sequence = np.random.default_rng(2).integers(0, 7, 20).tolist()
    audio = tone_audio(sequence)
    for window in (30.0, 4.0):
        events = listen(redecoding(recognise, window), audio)
        assert texts(events) == [spoken(sequence)]


def test_a_stretch_without_end_is_cut_and_loses_nothing(recognise: Callable[..., Any]) -> None:
    # No phrase twice: repetitions are taken for the model's own and dropped.
    sequence = np.random.default_rng(3).integers(0, 7, 75).tolist()
    events = listen(redecoding(recognise), tone_audio(sequence))
    assert len(texts(events)) > 1
    assert " ".join(texts(events)) == spoken(sequence)
    assert {event.reason for event in events[:-1] if isinstance(event, SentenceEnded)} == {"length"}


def test_noise_without_words_is_no_sentence(recognise: Callable[..., Any]) -> None:
    rng = np.random.default_rng(1)
    noise = np.concatenate([np.zeros(8000), rng.normal(0, 0.1, 8000), np.zeros(24000)]).astype(np.float32)
    events = listen(redecoding(recognise), np.concatenate([noise, tone_audio([3])]))
    assert texts(events) == ["fa"]
    assert events[-1].index == 1


@pytest.mark.parametrize("second_pass", [True, False])
def test_a_streaming_model_sends_partial_results(
    say: Callable[..., Any], recognise: Callable[..., Any], second_pass: bool
) -> None:
    first, second = [3, 1, 5, 2], [0, 4, 6]
    audio = tone_audio([*first, *PAUSES, *second])
    in_step = InStep()
    second_decoder = redecoding(in_step.counting(recognise)) if second_pass else None
    follower = StreamingDecoder(in_step.counting(say), RecognitionOptions(), second_decoder)
    events = listen(follower, audio, interval=0.1, before=in_step)
    assert texts(events) == [spoken(first), spoken(second)]
    for index, sequence in ((1, first), (2, second)):
        partials = [event for event in events if isinstance(event, Partial) and event.index == index]
        assert partials
        for partial in partials:
            assert spoken(sequence).startswith(partial.text)
            assert partial.text.startswith(partial.stable)


def test_a_stream_that_is_lost_with_its_engine_is_played_again(
    host: EngineClient, say: Callable[..., Any], recognise: Callable[..., Any]
) -> None:
    first, second = [3, 1, 5, 2], [0, 4, 6]
    fourth = tone_starts(first)[3] * 16000
    killed: list[int] = []

    async def kill(start: int, events: list[SentenceBegan | Partial]) -> None:
        if start > fourth and not killed:
            await until(lambda: any(isinstance(event, Partial) for event in events))
            killed.append(start)
            host._child.process.kill()

    follower = StreamingDecoder(say, RecognitionOptions(), None)
    events = listen(follower, tone_audio([*first, *PAUSES, *second]), interval=0.1, before=kill)
    assert killed
    assert texts(events) == [spoken(first), spoken(second)]


def test_an_engine_that_fails_at_every_sentence_fails_the_session_at_its_end(host: EngineClient) -> None:
    async def decode(samples: np.ndarray, options: RecognitionOptions, turn: Slot, growing: Any) -> Any:
        return await asyncio.wrap_future(host.submit("nowhere", samples, options))

    with pytest.raises(EngineError, match="nowhere"):
        listen(redecoding(decode), tone_audio([3, *PAUSES, 1, *PAUSES, 4, *PAUSES, 1, *PAUSES, 2, *PAUSES, 1]))


@pytest.mark.parametrize("kind", ["offline", "streaming", "two passes"])
def test_a_sentence_at_which_the_engine_fails_is_a_gap_and_the_session_continues(
    recognise: Any, say: Any, kind: str
) -> None:
    """The second of three sentences, whole and in its parts."""
    first, second, third = [3, 1, 5, 2], [0, 4, 6], [1, 5]
    audio = tone_audio([*first, *PAUSES, *second, *PAUSES, *third])
    failures = []

    async def decode(samples: Any, options: Any, turn: Any, growing: Any) -> Any:
        heard = await recognise(samples, options, turn, growing)
        if set(heard.text.split()) & set(spoken(second).split()):
            failures.append(heard.text)
            raise EngineError("The engine failed.")
        return heard

    async def submit(samples: Any, request: StreamRequest) -> Any:
        update = await say(samples, request)
        texts_so_far = [*(segment.text for segment in update.ended), update.current.text]
        if request.action == "cut" and spoken(second) in " ".join(texts_so_far):
            failures.append(update.current.text)
            raise EngineError("The engine failed.")
        return update

    follower: RepeatedDecoder | StreamingDecoder = redecoding(decode)
    if kind != "offline":
        follower = StreamingDecoder(
            submit if kind == "streaming" else say, RecognitionOptions(), None if kind == "streaming" else follower
        )
    events = listen(follower, audio)
    ended = [event for event in events if isinstance(event, SentenceEnded)]
    assert failures
    assert [event.text for event in ended] == [spoken(first), "", spoken(third)]
    assert [{gap.reason for gap in event.gaps} for event in ended] == [set(), {"engine error"}, set()]


def test_a_partial_result_that_fails_doubles_no_words(say: Any) -> None:
    """The engine has received the audio of the request that fails."""
    sequence = [3, 1, 5, 2, 0, 4, 6]
    failures: list[str] = []
    opened: set[str] = set()
    in_step = InStep()

    async def submit(samples: Any, request: StreamRequest) -> Any:
        (opened.discard if request.action == "drop" else opened.add)(request.stream)
        update = await say(samples, request)
        if request.action == "feed" and update.current.text.count(" ") == len(failures) + 1 and len(failures) < 3:
            failures.append(update.current.text)
            raise EngineError("The engine failed.")
        return update

    follower = StreamingDecoder(in_step.counting(submit), RecognitionOptions(), None)
    events = listen(follower, tone_audio(sequence), interval=0.05, before=in_step)
    assert failures
    assert texts(events) == [spoken(sequence)]
    assert opened == set()


@pytest.mark.parametrize("how", ["limit", "error"])
def test_what_an_engine_cannot_decode_as_a_whole_is_decoded_in_parts(recognise: Any, how: str) -> None:
    """As in a recording; the engine takes 3 s at a time."""

    async def decode(samples: Any, options: Any, turn: Any, growing: Any) -> Any:
        if len(samples) <= 3 * 16000:
            return await recognise(samples, options, turn, growing)
        if how == "error":
            raise EngineError("too long")
        return replace(await recognise(samples[: 3 * 16000], options, turn, growing), limit=True)

    sequence = [3, 1, 5, 2, 0, 4, 6, 1, 3, 5, 2, 4]
    [ended] = [event for event in listen(redecoding(decode), tone_audio(sequence)) if isinstance(event, SentenceEnded)]
    assert (ended.text, ended.gaps) == (spoken(sequence), ())


def test_speech_without_words_is_a_gap_of_its_sentence(recognise: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def decode(samples: Any, options: Any, turn: Any, growing: Any) -> Any:
        if len(samples) > 2 * 16000 or abs(float(samples[:8000].mean())) > 1e-2:
            raise EngineError("no")
        return await recognise(samples, options, turn, growing)

    sequence = [3, 1, 5, 2, 0, 4, 6, 1]
    audio = tone_audio(sequence)
    audio[: len(audio) // 4] += 0.03  # the first quarter is marked, so that decoding it fails
    [ended] = [event for event in listen(redecoding(decode), audio) if isinstance(event, SentenceEnded)]
    [gap] = ended.gaps
    assert (gap.reason, gap.start) == ("engine error", 0.0)
    assert spoken(sequence).endswith(ended.text)
    assert ended.text
    assert "no text from 0.0 to" in caplog.text


def test_endpointer_gives_every_sample_at_most_once_and_all_speech() -> None:
    audio = tone_audio([number % 7 if number % 5 else None for number in range(80)])
    endpointer = Endpointer(EndpointOptions(silence=0.6, longest=6.0), detector=Loudness())
    sentences = [s for start in range(0, len(audio), 2048) for s in endpointer.push(audio[start : start + 2048])]
    sentences += endpointer.finish()
    assert all(one.chunk.end <= two.chunk.start for one, two in pairwise(sentences))
    covered = np.zeros(len(audio), bool)
    for sentence in sentences:
        chunk = sentence.chunk
        np.testing.assert_array_equal(chunk.samples, audio[chunk.start : chunk.end])
        assert len(chunk.speech) == len(chunk.levels) == len(chunk.samples) // 160
        covered[chunk.start : chunk.end] = True
    assert covered[np.abs(audio) > 0.05].all()
    assert PAUSE < 0.6  # so it is length that ends them
    assert max(len(sentence.chunk.samples) for sentence in sentences) < 16000 * 7


def test_words_are_shown_as_the_model_writes_them() -> None:
    writing: list[Callable[[Hypothesis], None]] = []
    sequence, words = [3, 1, 5, 2], "words that are written one by one"

    async def decode(samples: Any, options: Any, turn: Any, growing: Callable[[Hypothesis], None]) -> Any:
        if not writing:
            for count in range(1, len(words) + 1):
                growing(Hypothesis(words[:count]))
                await asyncio.sleep(0)
        writing.append(growing)
        return Hypothesis(words)

    events = listen(redecoding(decode), tone_audio(sequence))
    partial = [event.text for event in events if isinstance(event, Partial)]
    assert partial[0] == "words"
    assert partial[: partial.index(words)] == [
        " ".join(words.split()[:count]) for count in range(1, partial.index(words) + 1)
    ]
    assert texts(events) == [words]
