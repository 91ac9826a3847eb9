"""Chunks of a live stream that end where a sentence ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asrcli.assemble.sentence_ends import SentenceEnds
from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis, Token
from asrcli.chunk_decoding import ChunkQueue, DecodedChunk
from asrcli.errors import EngineError
from asrcli.options import RecognitionOptions, VadOptions
from asrcli.vad import Segmenter
from asrcli.vad.types import WINDOW
from tests.vad.test_segmenter import Loudness, seconds

REQUEST = RecognitionOptions()
TEXT = " ".join(["spoken", "words"] * 10)


class Speaker:
    """A live stream at an engine that answers with these texts, in turn."""

    def __init__(self, *answers: str | EngineError, detector: Loudness | None = None, shown: bool = False) -> None:
        self._answers = list(answers)
        self._shown = shown
        self.asked: list[float] = []
        self.decoded: list[DecodedChunk] = []
        self.segmenter = Segmenter(VadOptions(level=False), 30.0, detector=detector or Loudness())
        self.segmenter.set_live(True)
        self._queue = ChunkQueue(self._submit)
        self.ends = SentenceEnds(self.segmenter, self._queue)

    @property
    def texts(self) -> list[str]:
        return [each.hypothesis.text for each in self.decoded]

    def recognise(self, samples: Samples) -> Hypothesis:
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        if isinstance(answer, EngineError):
            raise answer
        return Hypothesis(answer)

    def _submit(self, samples: Samples, request: RecognitionOptions) -> Future[Hypothesis]:
        assert request == REQUEST
        self.asked.append(len(samples) / SAMPLE_RATE)
        future: Future[Hypothesis] = Future()
        try:
            future.set_result(self.recognise(samples))
        except EngineError as error:
            future.set_exception(error)
        return future

    def speak(self, samples: np.ndarray) -> None:
        for at in range(0, len(samples), 3 * WINDOW):
            for chunk in self.segmenter.push(samples[at : at + 3 * WINDOW]):
                self._queue.push(chunk, REQUEST)
            self.ends.look(REQUEST, shown=self._shown)
            self.decoded += self._queue.take(wait=False)


def test_a_sentence_is_final_at_a_short_pause_and_decoded_once() -> None:
    speaker = Speaker("", f"{TEXT}.")  # without times, only pauses are of use
    speaker.speak(seconds((0.9, 4.0), (0.0, 0.5), (0.9, 0.2)))
    assert speaker.texts == [f"{TEXT}."]
    assert speaker.asked[-1] == pytest.approx(4.3, abs=0.25)
    assert len(set(speaker.asked)) == len(speaker.asked), "the chunk's own text is that of the proposal"
    assert speaker.segmenter.clear / SAMPLE_RATE == pytest.approx(4.3, abs=0.25)


@pytest.mark.parametrize("answer", [f"{TEXT},", TEXT, EngineError("a failure")])
def test_a_sentence_that_goes_on_stays_in_one_chunk(answer: str | EngineError) -> None:
    speaker = Speaker(answer)
    speaker.speak(seconds((0.9, 3.0), (0.0, 0.35), (0.9, 2.0)))
    assert speaker.texts == []
    speaker.speak(seconds((0.0, 2.0)))
    assert len(speaker.decoded) == 1 or isinstance(answer, EngineError)
    assert speaker.decoded[0].chunk.start == 0


@pytest.mark.parametrize("shown", [True, False])
def test_speech_that_the_engine_fails_at_is_not_tried_again_as_it_grows(shown: bool) -> None:
    """Each crash would count as one of the three after which the model is refused."""
    speaker = Speaker(EngineError("a failure"), shown=shown)
    speaker.speak(seconds((0.9, 3.0), (0.0, 0.35), (0.9, 4.0), (0.0, 0.2)))
    assert len(speaker.asked) == 1
    speaker.speak(seconds((0.0, 2.0)))
    before = len(speaker.asked)
    assert speaker.decoded[0].missing == "engine error"
    speaker.speak(seconds((0.9, 3.0)))
    assert len(speaker.asked) > before  # the next speech is


def test_a_word_is_not_decoded_at_a_short_pause() -> None:
    speaker = Speaker(f"{TEXT}.")
    speaker.speak(seconds((0.9, 0.4), (0.0, 0.6), (0.9, 0.2)))
    assert speaker.asked == []


def test_two_words_at_a_short_pause_are_no_sentence() -> None:
    speaker = Speaker("Ask not.")
    speaker.speak(seconds((0.9, 1.2), (0.0, 0.5)))
    assert speaker.texts == []


def test_a_model_that_writes_no_marks_is_not_asked_for_ever() -> None:
    speaker = Speaker(TEXT)
    speaker.speak(np.tile(seconds((0.9, 2.2), (0.0, 0.35)), 60))
    assert len(speaker.asked) <= len(speaker.texts) + 10


def test_long_sentences_do_not_count_as_text_without_marks() -> None:
    speaker = Speaker(f"{TEXT}, {TEXT}")
    speaker.speak(np.tile(seconds((0.9, 2.2), (0.0, 0.35)), 60))
    assert len(speaker.asked) > len(speaker.texts) + 15


class Sentences(Speaker):
    """Sounds of 0.2 s every 0.4 s, each of them the next word; silence between them. The VAD detects no pause."""

    def __init__(self, text: str, *, shown: bool = False, hangover: float = 60.0) -> None:
        super().__init__("", detector=_Hangover(hangover), shown=shown)
        self._words = text.split()
        self._position = 0

    def recognise(self, samples: Samples) -> Hypothesis:
        loud = np.abs(samples) > 0.1
        edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(int)))
        sounds = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end - start > 1600]
        # The sounds carry their numbers in their heights.
        numbers = [round((float(np.abs(samples[start + 800])) - 0.2) * 100) for start, _ in sounds]
        tokens = tuple(
            Token(f" {self._words[number]}", start / SAMPLE_RATE, end / SAMPLE_RATE)
            for number, (start, end) in zip(numbers, sounds, strict=True)
        )
        return Hypothesis("".join(token.text for token in tokens).strip(), tokens)

    def sound(self, pauses: dict[int, float]) -> np.ndarray:
        """The words, with longer pauses behind some of them, seconds."""
        pieces = []
        for number in range(len(self._words)):
            pieces += [np.full(3200, 0.2 + number / 100, np.float32)]
            pieces += [np.zeros(round(pauses.get(number, 0.2) * SAMPLE_RATE), np.float32)]
        return np.concatenate(pieces)


class _Hangover(Loudness):
    """Detects speech for some time behind its end, seconds."""

    def __init__(self, seconds: float) -> None:
        self._windows = round(seconds * SAMPLE_RATE / WINDOW)
        self._silent = self._windows

    def probabilities(self, samples: Samples, following: Samples | None = None) -> Samples:
        found = []
        for window in samples.reshape(-1, WINDOW):
            self._silent = 0 if np.abs(window).max() > 0.1 else self._silent + 1
            found.append(0.9 if self._silent < self._windows else 0.0)
        return np.array(found, np.float32)


def test_a_sentence_within_speech_is_final_before_the_next_is_complete() -> None:
    speaker = Sentences("One two three four five six. Seven eight nine ten eleven twelve thirteen fourteen")
    samples = speaker.sound({})
    speaker.speak(samples[: round(4.2 * SAMPLE_RATE)])
    assert speaker.texts == ["One two three four five six."]
    (first,) = speaker.decoded
    assert 2.0 <= first.chunk.end / SAMPLE_RATE <= 2.4 + 0.05  # between the words
    assert first.hypothesis.timed
    speaker.speak(np.concatenate([samples[round(4.2 * SAMPLE_RATE) :], np.zeros(61 * SAMPLE_RATE, np.float32)]))
    rest = "Seven eight nine ten eleven twelve thirteen fourteen"
    assert " ".join(speaker.texts).split() == ["One", "two", "three", "four", "five", "six.", *rest.split()]


def test_a_sentence_before_silence_that_the_vad_takes_for_speech_is_final() -> None:
    speaker = Sentences("One two three four five six.", hangover=0.45)
    speaker.speak(speaker.sound({5: 1.0}))
    assert speaker.texts == ["One two three four five six."]
    speaker.speak(np.zeros(4 * SAMPLE_RATE, np.float32))
    assert len(speaker.decoded) == 1  # the silence behind it is no chunk of its own


@pytest.mark.parametrize("late", [0.0, 0.1, 0.2, 0.3, 0.4])
def test_a_sentence_is_final_in_a_pause_that_the_vad_does_not_detect(late: float) -> None:
    """Wherever the decodes fall."""
    speaker = Sentences("One two three four five six. Seven eight nine ten eleven", hangover=0.6)
    sound = np.concatenate([np.zeros(round(late * SAMPLE_RATE), np.float32), speaker.sound({5: 0.8})])
    speaker.speak(sound[: round((late + 2.2 + 0.8) * SAMPLE_RATE)])
    assert speaker.texts == ["One two three four five six."]
    speaker.speak(np.concatenate([sound[round((late + 2.2 + 0.8) * SAMPLE_RATE) :], np.zeros(4 * SAMPLE_RATE)]))
    assert speaker.texts == ["One two three four five six.", "Seven eight nine ten eleven"]


class Unsteady(Sentences):
    """Every other decode gets the first word of the speech wrong."""

    def recognise(self, samples: Samples) -> Hypothesis:
        hypothesis = super().recognise(samples)
        if len(self.asked) % 2:
            return hypothesis
        tokens = tuple(replace(token, text=" What") for token in hypothesis.tokens[:1]) + hypothesis.tokens[1:]
        return replace(hypothesis, text="".join(token.text for token in tokens).strip(), tokens=tokens)


def test_a_sentence_is_final_though_one_decode_between_differs() -> None:
    speaker = Unsteady("One two three four five six. Seven eight nine ten eleven twelve thirteen fourteen")
    speaker.speak(speaker.sound({})[: round(4.2 * SAMPLE_RATE)])
    assert [text.split()[1:] for text in speaker.texts] == [["two", "three", "four", "five", "six."]]


def test_a_long_sentence_is_cut_between_words_before_the_chunk_is_full() -> None:
    speaker = Sentences(" ".join(f"word{number}" for number in range(60)))
    speaker.speak(speaker.sound(dict.fromkeys(range(5, 60, 7), 0.35))[: 11 * SAMPLE_RATE])
    (first,) = speaker.decoded
    assert 7.0 <= first.chunk.end / SAMPLE_RATE < 10.0
    assert first.hypothesis.text.split() == [f"word{number}" for number in range(len(first.hypothesis.text.split()))]


def test_marks_late_in_long_speech_count() -> None:
    speaker = Sentences(" ".join("word," if number == 20 else "word" for number in range(25)))
    sound = speaker.sound({24: 0.35})
    speaker.speak(np.tile(sound, 9))
    before = len(speaker.asked)
    speaker.speak(sound)
    assert len(speaker.asked) > before + 10  # it is still decoded as it grows


def test_each_speech_counts_once_as_text_without_marks() -> None:
    """Decodes of one speech as it grows and at its pause are one text: five are too few to give up."""
    speaker = Sentences(" ".join(["word"] * 36), hangover=0.45)
    sound = speaker.sound(dict.fromkeys(range(5, 36, 6), 1.0))
    part = len(sound) // 6
    speaker.speak(sound[: 5 * part])
    before = len(speaker.asked)
    speaker.speak(sound[5 * part : 6 * part - SAMPLE_RATE])
    assert len(speaker.asked) > before


def test_the_text_so_far_is_shown_without_what_is_final() -> None:
    speaker = Sentences("One two three four five six. Seven eight nine ten eleven twelve", shown=True)
    samples = speaker.sound({})
    speaker.speak(samples[: round(1.5 * SAMPLE_RATE)])
    assert speaker.ends.text.startswith("One two")
    speaker.speak(samples[round(1.5 * SAMPLE_RATE) : round(4.2 * SAMPLE_RATE)])
    assert speaker.ends.text.startswith("Seven")


@pytest.mark.parametrize("seed", range(6))
def test_no_word_is_lost_or_repeated_at_a_cut(seed: int) -> None:
    random = np.random.default_rng(seed)
    words = [f"W{number}" + random.choice(["", "", ",", "."]) for number in range(60)]
    pauses = {number: float(random.choice([0.15, 0.3, 0.5, 0.9, 1.3])) for number in range(60)}
    speaker = Sentences(" ".join(words), hangover=float(random.choice([0.1, 0.4, 0.8])))
    speaker.speak(np.concatenate([speaker.sound(pauses), np.zeros(4 * SAMPLE_RATE, np.float32)]))
    assert " ".join(" ".join(speaker.texts).split()) == " ".join(words)
    for each in speaker.decoded:
        written = each.hypothesis.text.split()
        assert "".join(token.text for token in each.hypothesis.tokens).split()[: len(written)] == written


def test_text_that_is_being_written_is_shown_once_it_is_longer() -> None:
    speaker = Speaker("spoken words here", shown=True)
    writing: list[tuple[Future[Hypothesis], Callable[[Hypothesis], None]]] = []

    def submit(samples: Samples, request: RecognitionOptions, growing: Callable[[Hypothesis], None]) -> Any:
        del samples, request
        writing.append((Future(), growing))
        return writing[-1][0]

    speaker.ends = SentenceEnds(speaker.segmenter, speaker.ends._chunks, submit)
    speaker.speak(seconds((0.9, 1.5)))
    ((first, growing),) = writing
    shown = []
    for text in ("spo", "spoken wor", "spoken words he"):
        growing(Hypothesis(text))
        shown.append(speaker.ends.text)
    assert shown == ["", "spoken", "spoken words"]
    first.set_result(Hypothesis("spoken words here"))
    speaker.speak(seconds((0.9, 1.0)))
    assert speaker.ends.text == "spoken words here"
    writing[1][1](Hypothesis("spoken words th"))  # shorter than what is shown
    assert speaker.ends.text == "spoken words here"
    writing[1][1](Hypothesis("spoken words there are more"))
    assert speaker.ends.text == "spoken words there are"
    growing(Hypothesis("late words of the decode before, which count no more"))
    assert speaker.ends.text == "spoken words there are"
