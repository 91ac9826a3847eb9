"""Chunks whose language the model detects: a few words in another language than their neighbours are asked again."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest

from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis
from asrcli.chunk_decoding import ChunkQueue
from asrcli.errors import EngineClosedError, EngineError
from asrcli.options import RecognitionOptions
from tests.assemble.test_coverage import speech_chunk

ENGLISH = "and so my fellow americans"
#: what the model takes each chunk for: seconds of speech, language, whether it is sure
Heard = tuple[float, str | None, bool]


def decode(
    heard: list[Heard], *, asked: str | None = None, compare: bool = True, again: Hypothesis | Exception | None = None
) -> tuple[list[str | None], list[str | None]]:
    """The languages that the chunks have at last (None: no words), and those in which chunks were decoded again."""
    requested: list[str | None] = []
    answers = iter(heard)

    def submit(samples: np.ndarray, request: RecognitionOptions) -> Future[Hypothesis]:
        future: Future[Hypothesis] = Future()
        if request.language != asked:
            requested.append(request.language)
            said = f"{ENGLISH} " * -(-len(samples) // (2 * SAMPLE_RATE))
            answer = again or Hypothesis(said.strip(), language=request.language)
            future.set_exception(answer) if isinstance(answer, Exception) else future.set_result(answer)
            return future
        seconds, language, sure = next(answers)
        text = "un peu " * round(2 * seconds) if language else ""
        future.set_result(Hypothesis(text.strip(), language=language, event=None if text else "bgm", unsure=not sure))
        return future

    queue = ChunkQueue(submit, recorded=compare)
    at = 0.0
    found = []
    for seconds, *_ in heard:
        queue.push(speech_chunk((at + 0.2, at + 0.2 + seconds), start=at), RecognitionOptions(language=asked))
        found += list(queue.take(wait=False))
        at += seconds + 1
    found += list(queue.take(wait=True))
    starts = [decoded.chunk.start / SAMPLE_RATE for decoded in found]
    assert starts == sorted(starts)
    assert len(found) == len(heard)
    return [decoded.hypothesis.language if decoded.hypothesis.text else None for decoded in found], requested


LONG_EN, SHORT_FR, LONG_FR = (9.0, "en", True), (1.5, "fr", True), (8.0, "fr", True)
NOTHING = (2.0, None, True)


@pytest.mark.parametrize(
    ("heard", "found", "requested"),
    [
        ([LONG_EN, SHORT_FR, LONG_EN], ["en", "en", "en"], ["en"]),
        ([LONG_EN, SHORT_FR, NOTHING, LONG_EN], ["en", "en", None, "en"], ["en"]),
        # Unsure of many words, it may be wrong as well.
        ([LONG_EN, (8.0, "fr", False), LONG_EN], ["en", "en", "en"], ["en"]),
        # People change their language.
        ([LONG_EN, LONG_FR, LONG_EN], ["en", "fr", "en"], []),
        ([LONG_EN, SHORT_FR, LONG_FR, LONG_EN], ["en", "fr", "fr", "en"], []),
        ([LONG_EN, LONG_FR, SHORT_FR, LONG_EN], ["en", "fr", "fr", "en"], []),
        ([LONG_EN, SHORT_FR, SHORT_FR, LONG_EN], ["en", "fr", "fr", "en"], []),
        # With a neighbour on one side alone, nothing shows which is right.
        ([SHORT_FR, LONG_EN], ["fr", "en"], []),
        ([LONG_EN, SHORT_FR], ["en", "fr"], []),
        ([LONG_EN, SHORT_FR, (9.0, "de", True)], ["en", "fr", "de"], []),
        ([LONG_EN, SHORT_FR, *[NOTHING] * 20, LONG_EN], ["en", "fr", *[None] * 20, "en"], []),
    ],
)
def test_a_few_words_between_two_neighbours(heard: list[Heard], found: list[str], requested: list[str]) -> None:
    assert decode(heard) == (found, requested)


@pytest.mark.parametrize(
    "again",
    [
        EngineError("the engine failed"),
        Hypothesis("", language="en"),
        Hypothesis(ENGLISH, language="fr"),
        Hypothesis(ENGLISH, language="en", unsure=True),
    ],
)
def test_its_own_words_stay_where_the_others_are_no_better(again: Hypothesis | Exception) -> None:
    assert decode([LONG_EN, SHORT_FR, LONG_EN], again=again) == (["en", "fr", "en"], ["en"])


def test_a_language_that_was_asked_for_is_not_doubted() -> None:
    assert decode([LONG_EN, SHORT_FR, LONG_EN], asked="de") == (["en", "fr", "en"], [])


def test_what_is_recorded_right_now_does_not_wait() -> None:
    assert decode([LONG_EN, SHORT_FR, LONG_EN], compare=False) == (["en", "fr", "en"], [])


def test_a_closed_engine_ends_the_recording() -> None:
    with pytest.raises(EngineClosedError):
        decode([LONG_EN, SHORT_FR, LONG_EN], again=EngineClosedError("closed"))
