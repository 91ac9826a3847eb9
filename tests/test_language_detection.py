"""The language of a recording: a failure of the service costs at most the chunk at which it fails."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest

from asrcli.errors import EngineClosedError, EngineError
from asrcli.language_detection import LanguageDetector
from asrcli.vad.types import Chunk

RATE = 16000


def chunk(level: float, seconds: float = 12.0) -> Chunk:
    samples = np.full(round(seconds * RATE), level, np.float32)
    return Chunk(0, samples, (), Chunk.measure(samples), np.zeros(0, np.float32))


ENGLISH, CHINESE, REFUSED = chunk(0.1), chunk(0.2), chunk(0.3)


def identify(samples: np.ndarray) -> Future[str]:
    """By the level; a loud part fails everything that it is in."""
    answer: Future[str] = Future()
    if samples.max() > 0.25:
        answer.set_exception(EngineError("refused"))
    else:
        answer.set_result("zh" if samples.max() > 0.15 else "en")
    return answer


@pytest.mark.parametrize("order", [(REFUSED, ENGLISH, ENGLISH), (ENGLISH, REFUSED), (ENGLISH, ENGLISH, REFUSED)])
def test_the_language_is_that_of_the_chunks_that_are_identified(order: tuple[Chunk, ...]) -> None:
    detector = LanguageDetector(identify)
    found = detector.push(order) + detector.finish()
    assert [language for _, language in found] == ["en"] * len(order)


def test_a_chunk_that_is_not_identified_takes_the_language_before_it() -> None:
    detector = LanguageDetector(identify, per_chunk=True)
    found = detector.push([ENGLISH, CHINESE, REFUSED, ENGLISH]) + detector.finish()
    assert [language for _, language in found] == ["en", "zh", "zh", "en"]


def test_a_service_that_fails_at_every_chunk_fails_the_recording() -> None:
    with pytest.raises(EngineError, match="refused"):
        LanguageDetector(identify).push([REFUSED] * 3)


def test_a_service_that_is_closed_is_not_asked_again() -> None:
    closed: Future[str] = Future()
    closed.set_exception(EngineClosedError("closed"))
    detector = LanguageDetector(lambda _: closed)
    with pytest.raises(EngineClosedError):
        detector.push([ENGLISH] * 3)
