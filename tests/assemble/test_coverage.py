"""Whether words can be all that is said in a chunk, and how an incomplete chunk is divided."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.assemble.coverage import is_doubtful, shortfall, spoken_seconds
from asrcli.assemble.pauses import speech_spans
from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis, Token
from asrcli.chunk_decoding import ChunkQueue
from asrcli.errors import EngineClosedError, EngineCrashError, EngineError, EngineMemoryError
from asrcli.options import RecognitionOptions
from asrcli.vad.packing import divide
from asrcli.vad.types import LEVEL_HOP, Chunk, Region

REQUEST = RecognitionOptions()
WORDS = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


def speech_chunk(*spans: tuple[float, float], vad: bool = True, start: float = 0.0) -> Chunk:
    """A chunk with loud speech in these spans, seconds of the stream, and faint noise between."""
    begin, end = (round(at * SAMPLE_RATE) for at in (start, spans[-1][1] + 0.2))
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 1e-4, end - begin).astype(np.float32)
    speech = np.zeros((end - begin) // LEVEL_HOP, np.float32)
    for low, high in spans:
        first, last = round(low * SAMPLE_RATE) - begin, round(high * SAMPLE_RATE) - begin
        samples[first:last] += rng.normal(0, 0.1, last - first).astype(np.float32)
        speech[first // LEVEL_HOP : last // LEVEL_HOP] = 1
    edges = [round(at * SAMPLE_RATE) for span in spans for at in span]
    edges[0], edges[-1] = begin, end
    regions = tuple(Region(low, high) for low, high in zip(edges[::2], edges[1::2], strict=True))
    return Chunk(begin, samples, regions, Chunk.measure(samples), speech if vad else speech[:0])


@pytest.mark.parametrize(
    ("hypothesis", "reason"),
    [
        (Hypothesis(WORDS), None),
        (Hypothesis("and so my fellow americans ask not what"), None),
        (Hypothesis("and so"), "few words"),
        (Hypothesis(""), "no words"),
        (Hypothesis("...", event="speech"), "no words"),
        (Hypothesis("", event="bgm"), None),
        (Hypothesis(WORDS, limit=True), "limit"),
        (Hypothesis(" ".join([WORDS] * 12)), "limit"),
        (Hypothesis("美国同胞们不要问国家能为你们做些什么"), None),
        (Hypothesis("美国"), "few words"),
    ],
)
def test_words_that_cannot_be_all_of_six_seconds(hypothesis: Hypothesis, reason: str | None) -> None:
    assert shortfall(speech_chunk((0.2, 3.2), (4.0, 7.0)), hypothesis) == reason


def timed(*starts: float, words: str = WORDS) -> Hypothesis:
    return Hypothesis(words, tuple(Token(f" word{number}", start) for number, start in enumerate(starts)))


@pytest.mark.parametrize(
    ("hypothesis", "doubtful"),
    [
        (Hypothesis(WORDS), False),
        (Hypothesis(WORDS, end=7.0), False),
        (Hypothesis(WORDS, end=3.0), True),
        (timed(0.3, 1.5, 3.0, 4.2, 6.8), False),
        (timed(0.3, 1.5, 3.0), True),  # the tail
        (timed(4.2, 5.0, 6.8), True),  # the head
        (timed(0.3, 6.8), True),  # the middle
        (timed(0.3, 3.0, 5.5), False),
    ],
)
def test_speech_outside_of_what_the_engine_accounts_for_is_doubtful(hypothesis: Hypothesis, doubtful: bool) -> None:
    assert is_doubtful(speech_chunk((0.2, 3.2), (4.0, 7.0)), hypothesis) is doubtful


def test_pauses_and_short_sounds_are_not_speech() -> None:
    assert spoken_seconds(speech_chunk((0.2, 3.2), (6.0, 9.0))) == pytest.approx(6, abs=0.4)
    assert shortfall(speech_chunk((0.2, 1.0)), Hypothesis("")) is None  # a cough
    assert shortfall(speech_chunk((0.2, 2.0)), Hypothesis("Nooo!")) is None
    assert shortfall(speech_chunk((0.2, 8.0), vad=False), Hypothesis("")) is None  # without VAD there is no evidence


@given(st.lists(st.tuples(st.floats(0.3, 4.0), st.floats(0.1, 2.0)), min_size=1, max_size=6))
def test_parts_hold_all_speech_once(lengths: list[tuple[float, float]]) -> None:
    spans, at = [], 0.2
    for spoken, pause in lengths:
        spans.append((at, at + spoken))
        at += spoken + pause
    whole = speech_chunk(*spans)
    parts = divide(whole)
    if not parts:
        assert whole.end - whole.start < 2 * SAMPLE_RATE
        return
    left, right = parts
    assert left.start == whole.start
    assert right.end == whole.end
    assert left.end <= right.start
    for part in parts:
        assert len(part.samples) == part.end - part.start >= 0.5 * SAMPLE_RATE
        assert len(part.levels) == len(part.speech)
        np.testing.assert_array_equal(part.samples, whole.samples[part.start - whole.start :][: len(part.samples)])
    between = [region for region in whole.regions if region.start < right.start and region.end > left.end]
    assert not between or left.end == right.start


def decode(chunk: Chunk, answer: Callable[..., Any]) -> list[tuple[str, str | None]]:
    """Texts and what is missing, where `answer` gives (or raises) the hypothesis of some samples."""
    asked: list[int] = []

    def submit(samples: np.ndarray, request: RecognitionOptions) -> Future[Hypothesis]:
        assert request == REQUEST
        asked.append(len(samples))
        future: Future[Hypothesis] = Future()
        try:
            future.set_result(answer(len(samples) / SAMPLE_RATE))
        except EngineError as error:
            future.set_exception(error)
        return future

    queue = ChunkQueue(submit)
    queue.push(chunk, REQUEST)
    found = list(queue.take(wait=True))
    assert len(asked) <= 15
    return [(decoded.hypothesis.text, decoded.missing) for decoded in found]


LONG = speech_chunk((0.2, 4.0), (5.0, 9.0), (10.0, 14.0), (14.6, 19.0))


def test_a_complete_chunk_is_decoded_once() -> None:
    assert decode(LONG, lambda _: Hypothesis(" ".join([WORDS] * 3))) == [(" ".join([WORDS] * 3), None)]


def test_an_engine_that_reads_five_seconds_gets_five_seconds() -> None:
    found = decode(LONG, lambda seconds: Hypothesis("one two three four five six seven eight nine", limit=seconds > 5))
    assert len(found) == 4
    assert {missing for _, missing in found} == {None}


def test_what_stays_without_words_is_missing() -> None:
    assert {missing for _, missing in decode(LONG, lambda _: Hypothesis(""))} == {"no words"}


def test_the_whole_is_kept_where_the_parts_say_less() -> None:
    found = decode(LONG, lambda seconds: Hypothesis("only these five words" if seconds > 15 else ""))
    assert found == [("only these five words", "few words")]


def test_an_engine_that_stops_early_again_and_again_loses_nothing() -> None:
    """Whisper at fast speech: it ends after the first sentences, and so it does in the second part."""

    def first_sentences(seconds: float) -> Hypothesis:
        return Hypothesis(WORDS, end=min(seconds, 5.0)) if seconds > 6 else Hypothesis(WORDS + " again", end=seconds)

    found = decode(LONG, first_sentences)
    assert [missing for _, missing in found] == [None] * 4
    assert {text for text, _ in found} == {WORDS + " again"}


@pytest.mark.parametrize("end", [9.0, None])
def test_speech_that_has_no_words_in_any_part_is_missing_there(end: float | None) -> None:
    """The engine stops after nine seconds of a chunk, and its second part has no words either."""
    lengths: list[float] = []

    def stop(seconds: float) -> Hypothesis:
        lengths.append(seconds)
        return Hypothesis(WORDS, end=end) if len(lengths) <= 2 else Hypothesis("")

    found = decode(LONG, stop)
    assert found[0] == (WORDS, None)
    assert {missing for _, missing in found[1:]} == {"no words"}


def test_words_that_the_parts_confirm_are_all() -> None:
    """The engine's end of its words may be wrong: the parts, which it accounts for, have no more of them."""
    found = decode(LONG, lambda seconds: Hypothesis(WORDS, end=5.0 if seconds > 15 else seconds))
    assert [missing for _, missing in found] == [None, None]
    longer = decode(
        LONG,
        lambda seconds: (
            Hypothesis(f"{WORDS} {WORDS} one more", end=5.0) if seconds > 15 else Hypothesis(WORDS, end=seconds)
        ),
    )
    assert longer == [(f"{WORDS} {WORDS} one more", None)]


def test_no_later_chunk_begins_before_the_position_that_is_clear() -> None:
    """Chunks that a segmenter gives out at once share the position that is clear after all of them."""

    def submit(samples: np.ndarray, _: RecognitionOptions) -> Future[Hypothesis]:
        future: Future[Hypothesis] = Future()
        future.set_result(Hypothesis("one two three four five six seven", limit=len(samples) > 8 * SAMPLE_RATE))
        return future

    queue = ChunkQueue(submit)
    chunks = [LONG, speech_chunk((24.2, 29.0), start=24.0), speech_chunk((35.2, 39.0), start=35.0)]
    for chunk in chunks:
        queue.push(chunk, REQUEST, 40 * SAMPLE_RATE)
    found = list(queue.take(wait=True))
    starts = [decoded.chunk.start for decoded in found]
    assert len(found) > len(chunks)
    assert [decoded.clear for decoded in found] == [*starts[1:], 40 * SAMPLE_RATE]


@pytest.mark.parametrize(("lacking", "expected"), [(1, (WORDS, None)), (2, ("", "engine error"))])
def test_a_chunk_that_memory_is_too_short_for_is_decoded_whole_again_and_not_cut(
    lacking: int, expected: tuple[str, str | None]
) -> None:
    calls: list[float] = []

    def answer(seconds: float) -> Hypothesis:
        calls.append(seconds)
        if len(calls) <= lacking:
            raise EngineMemoryError("std::bad_alloc")
        return Hypothesis(WORDS)

    assert decode(speech_chunk((0.2, 3.2), (4.0, 7.0)), answer) == [expected]
    assert calls == [calls[0]] * 2


def test_an_engine_that_crashes_at_a_chunk_is_asked_once() -> None:
    calls = []

    def crash(seconds: float) -> None:
        calls.append(seconds)
        raise EngineCrashError("The engine ended its process.")

    assert decode(LONG, crash) == [("", "engine error")]
    assert len(calls) == 1


def test_a_closed_engine_ends_the_recording() -> None:
    def close(_: float) -> None:
        raise EngineClosedError("the engine was closed")

    with pytest.raises(EngineClosedError):
        decode(LONG, close)


def sound(*runs: int, speech: np.ndarray | None = None, start: int = 0, regions: tuple[Region, ...] = ()) -> Chunk:
    """A chunk of levels: so many quiet ones, so many loud ones, and so on by turns."""
    levels = np.concatenate([np.full(count, -20.0 if turn % 2 else -60.0) for turn, count in enumerate(runs)])
    whole = (Region(start, start + len(levels) * LEVEL_HOP),)
    given = np.empty(0, np.float32) if speech is None else speech
    return Chunk(start, np.empty(0, np.float32), regions or whole, levels.astype(np.float32), given)


def spans_of(chunk: Chunk) -> list[tuple[int, int]]:
    """Spans of sound, in levels of 10 ms."""
    return [(round(start * 100), round(end * 100)) for start, end in speech_spans(chunk)]


def heard(low: int, high: int, probability: float = 1.0) -> np.ndarray:
    speech = np.zeros(160, np.float32)
    speech[low:high] = probability
    return speech


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        (sound(0, 100), [(0, 100)]),  # flat
        (sound(30, 50, 9, 50, 30), [(30, 139)]),  # a stop
        (sound(30, 50, 10, 50, 30), [(30, 80), (90, 140)]),  # a pause
        (sound(30, 50, 30, 5, 30, 50), [(30, 80), (145, 195)]),  # a click
        (sound(30, 50, 30, 6, 30, 50), [(30, 80), (110, 116), (146, 196)]),
        (sound(30, 50, 30, 5), [(30, 80)]),
        (sound(11, 8), [(0, 19)]),  # too short to judge
        # Silence at an edge is none of the sound beside it, however short.
        (sound(1, 60, 30), [(1, 61)]),
        (sound(5, 50, 30), [(5, 55)]),
        (sound(9, 50, 30, 50, 9), [(9, 59), (89, 139)]),
        (sound(30, 50, 3), [(30, 80)]),
        (sound(11, 9), [(11, 20)]),
        # The VAD rules out what it takes for noise, 20 ms before and 60 ms behind its speech at the most.
        (sound(30, 50, 30, 50, speech=heard(30, 80)), [(30, 80)]),
        (sound(30, 50, 30, 50, speech=heard(40, 70)), [(38, 76)]),
        (sound(30, 50, 30, 50, speech=heard(40, 70, 0.1)), [(38, 76)]),
        (sound(30, 50, 30, 50, speech=heard(40, 70, 0.09)), [(0, 160)]),
        # Between regions there is no sound, however loud.
        (
            sound(30, 100, 30, start=16000, regions=(Region(16000, 24000), Region(25600, 41600))),
            [(30, 50), (60, 130)],
        ),
    ],
)
def test_pauses_are_read_off_the_levels(chunk: Chunk, expected: list[tuple[int, int]]) -> None:
    assert spans_of(chunk) == expected


def test_levels_must_differ_to_show_a_pause() -> None:
    for quiet, expected in ((-31.0, [(0, 100)]), (-33.0, [(30, 70)])):
        levels = np.full(100, quiet, np.float32)
        levels[30:70] = -20
        assert spans_of(Chunk(0, np.empty(0, np.float32), (Region(0, 16000),), levels)) == expected


def test_a_chunk_without_regions_is_speech_from_end_to_end() -> None:
    assert speech_spans(Chunk(800, np.ones(3200, np.float32), ())) == [(0, 0.2)]


@pytest.mark.parametrize(
    ("spoken", "text", "reason"),
    [
        (1.15, "", None),
        (1.25, "", "no words"),
        (2.45, "a", None),
        (2.55, "a", "few words"),
        (4.0, "hello hello hello hello", None),  # 1.62 s said
        (4.2, "hello hello hello hello", "few words"),
        (1.0, " ".join(["hello"] * 17), None),  # 6.9 s said
        (1.0, " ".join(["hello"] * 18), "limit"),  # 7.3 s said, where 7.0 s are the most
    ],
)
def test_how_many_words_some_speech_may_have(spoken: float, text: str, reason: str | None) -> None:
    """Speech is as long as given to 10 ms: the levels are, too."""
    assert shortfall(said_of(spoken), Hypothesis(text)) == reason


def said_of(spoken: float) -> Chunk:
    count = round(spoken * 100)
    speech = np.zeros(60 + count, np.float32)
    speech[30 : 30 + count] = 1
    return sound(30, count, 30, speech=speech)


@pytest.mark.parametrize(
    ("spoken", "hypothesis", "doubtful"),
    [
        (2.4, Hypothesis("a"), False),
        (2.6, Hypothesis("a"), True),
        (3.0, Hypothesis(" ".join(["hello"] * 5)), False),  # 2.0 s said
        (3.2, Hypothesis(" ".join(["hello"] * 5)), True),
        (5.0, Hypothesis("", event="bgm"), False),
        (5.0, Hypothesis(""), True),
        (5.0, Hypothesis("a", event="bgm"), True),
    ],
)
def test_which_words_are_compared_with_those_of_the_parts(
    spoken: float, hypothesis: Hypothesis, doubtful: bool
) -> None:
    assert is_doubtful(said_of(spoken), hypothesis) == doubtful


def test_speech_counts_where_it_is_loud_and_likely_and_behind_a_time() -> None:
    chunk = said_of(4.0)
    assert spoken_seconds(chunk) == pytest.approx(4.0)
    assert spoken_seconds(chunk, outside=[(0.0, 1.3)]) == pytest.approx(3.0)
    assert spoken_seconds(chunk) == pytest.approx(4.0)  # what is left out once is not left out for good
    assert spoken_seconds(Chunk(0, chunk.samples, chunk.regions, chunk.levels, chunk.speech * 0.5)) == pytest.approx(4)
    assert spoken_seconds(Chunk(0, chunk.samples, chunk.regions, chunk.levels, chunk.speech * 0.49)) == 0
    likely = sound(200, 300, 30, speech=np.ones(530, np.float32))
    assert spoken_seconds(likely) == pytest.approx(3.0, abs=0.05), (
        "silence that the VAD takes for speech does not count"
    )
