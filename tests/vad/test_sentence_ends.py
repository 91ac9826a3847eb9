"""Chunks of a live stream that end where a sentence ends."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis
from asrcli.chunk_decoding import ChunkQueue, SentenceEnds
from asrcli.errors import EngineError
from asrcli.options import RecognitionOptions, VadOptions
from asrcli.vad import Segmenter
from asrcli.vad.types import WINDOW
from tests.vad.test_segmenter import Loudness, seconds

REQUEST = RecognitionOptions()
TEXT = " ".join(["spoken", "words"] * 10)


class Speaker:
    """A live stream at an engine that answers with these texts, in turn."""

    def __init__(self, *answers: str | EngineError) -> None:
        self._answers = list(answers)
        self.asked: list[float] = []
        self.texts: list[str] = []
        self.segmenter = Segmenter(VadOptions(), 30.0, detector=Loudness())
        self.segmenter.set_live(True)
        self._queue = ChunkQueue(self._submit)
        self._ends = SentenceEnds(self.segmenter, self._queue)

    def _submit(self, samples: Samples, request: RecognitionOptions) -> Future[Hypothesis]:
        assert request == REQUEST
        self.asked.append(len(samples) / SAMPLE_RATE)
        future: Future[Hypothesis] = Future()
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        if isinstance(answer, EngineError):
            future.set_exception(answer)
        else:
            future.set_result(Hypothesis(answer))
        return future

    def speak(self, samples: np.ndarray) -> None:
        for at in range(0, len(samples), 3 * WINDOW):
            for chunk in self.segmenter.push(samples[at : at + 3 * WINDOW]):
                self._queue.push(chunk, REQUEST)
            self._ends.look(REQUEST)
            self.texts += [decoded.hypothesis.text for decoded in self._queue.take(wait=False)]


def test_a_sentence_is_final_at_a_short_pause_and_decoded_once() -> None:
    speaker = Speaker(f"{TEXT}.")
    speaker.speak(seconds((0.9, 4.0), (0.0, 0.5), (0.9, 0.2)))
    assert speaker.texts == [f"{TEXT}."]
    assert len(speaker.asked) == 1
    assert speaker.segmenter.clear / SAMPLE_RATE == pytest.approx(4.3, abs=0.25)


@pytest.mark.parametrize("answer", [f"{TEXT},", TEXT, "", EngineError("a failure")])
def test_a_sentence_that_goes_on_stays_in_one_chunk(answer: str | EngineError) -> None:
    speaker = Speaker(answer, f"{TEXT} {TEXT}.")
    speaker.speak(seconds((0.9, 3.0), (0.0, 0.35), (0.9, 2.0), (0.0, 2.0)))
    assert speaker.texts == [f"{TEXT} {TEXT}."]
    assert speaker.asked[-1] > 5


def test_a_word_is_not_decoded_at_a_short_pause() -> None:
    speaker = Speaker(f"{TEXT}.")
    speaker.speak(seconds((0.9, 1.0), (0.0, 0.6), (0.9, 0.2)))
    assert speaker.asked == []


def test_a_model_that_writes_no_marks_is_not_asked_for_ever() -> None:
    speaker = Speaker(TEXT)
    speaker.speak(np.tile(seconds((0.9, 2.2), (0.0, 0.35)), 60))
    assert len(speaker.asked) <= len(speaker.texts) + 8


def test_long_sentences_do_not_count_as_text_without_marks() -> None:
    speaker = Speaker(f"{TEXT}, {TEXT}")
    speaker.speak(np.tile(seconds((0.9, 2.2), (0.0, 0.35)), 60))
    assert len(speaker.asked) > len(speaker.texts) + 15
