"""The real engine, in its own process, with a model that really punctuates the language of tones (`tests.tone`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.backends.companions import load_punctuator as loader
from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import ModelSpec
from asrcli.errors import EngineClosedError, EngineError, ModelError
from asrcli.text.steps.punctuation import SERVICE, PunctuationStep, is_punctuated, put_marks
from asrcli.text.subtitles.pieces import split_text
from asrcli.transcript import Segment, Transcript, Word, join_words, warning_code


def segment(number: int, text: str, start: float = 0.0, **labels: Any) -> Segment:
    words = tuple(
        Word(part, start + 0.5 * index, start + 0.5 * index + 0.4, 0.9, labels.get("speaker"), space)
        for index, (part, space) in enumerate(split_text(text))
    )
    return Segment(number, start, words[-1].end, text, words, **labels)


def transcript(*segments: Segment) -> Transcript:
    return Transcript("a.wav", 60.0, segments)


@pytest.fixture(scope="module")
def load() -> Iterator[Callable[..., PunctuationStep]]:
    with EngineClient(1) as engine:

        def step(spec: ModelSpec) -> PunctuationStep:
            engine.load(spec.name, SERVICE, spec)
            return PunctuationStep(lambda text: engine.submit(spec.name, np.zeros(0, np.float32), text))

        yield step


@pytest.fixture(scope="module")
def offline(load: Callable[..., PunctuationStep], tone_models: Callable[..., Path]) -> PunctuationStep:
    folder = tone_models("punctuation_ct_transformer")
    files = {"ct_transformer": folder / "ct_transformer.onnx"}
    return load(ModelSpec(name="ct", type="ct_transformer", files=files))


@pytest.fixture(scope="module")
def online(load: Callable[..., PunctuationStep], tone_models: Callable[..., Path]) -> PunctuationStep:
    folder = tone_models("punctuation_cnn_bilstm")
    files = {"cnn_bilstm": folder / "cnn_bilstm.onnx", "bpe_vocab": folder / "bpe.vocab"}
    return load(ModelSpec(name="bilstm", type="cnn_bilstm", files=files))


def test_words_at_which_the_model_fails_stay_as_they_are(offline: PunctuationStep) -> None:
    def punctuate(text: str) -> Future[str]:
        failed: Future[str] = Future()
        if "mi" in text:
            failed.set_exception(EngineError("Too long."))
            return failed
        return offline._punctuate(text)

    spoken = transcript(segment(0, "do re"), segment(1, "mi fa", 20.0), segment(2, "re do", 40.0))
    found = PunctuationStep(punctuate)(spoken)
    assert [part.words for part in found.segments if "mi" in part.text] == [spoken.segments[1].words]
    assert found.text != spoken.text
    assert [word.text.strip(",.?").lower() for part in found.segments for word in part.words] == [
        "do", "re", "mi", "fa", "re", "do",
    ]  # fmt: skip
    assert [warning_code(warning) for warning in found.warnings] == ["punctuation"]
    assert "20.0 to 20.9 s: Too long." in found.warnings[0]

    closed: Future[str] = Future()
    closed.set_exception(EngineClosedError("closed"))
    with pytest.raises(EngineClosedError):
        PunctuationStep(lambda _: closed)(spoken)


def test_marks_stand_on_the_words_whose_times_stay(offline: PunctuationStep) -> None:
    before = transcript(segment(0, "do re mi fa sol la ti 高", speaker="A", language="en"))
    after = offline(before)
    assert [part.text for part in after.segments] == ["Do re, mi fa?", "Sol la, ti 高。"]
    times = [(word.start, word.end, word.confidence, word.speaker) for word in before.segments[0].words]
    assert [
        (word.start, word.end, word.confidence, word.speaker) for part in after.segments for word in part.words
    ] == times
    assert [(part.id, part.speaker, part.language) for part in after.segments] == [(0, "A", "en"), (1, "A", "en")]
    assert (after.segments[0].end, after.segments[1].start) == (times[3][1], times[4][0])


def test_a_sentence_may_run_over_segments_but_not_over_voices_or_long_pauses(offline: PunctuationStep) -> None:
    parts = segment(0, "do re"), segment(1, "mi fa", 1.5), segment(2, "mi", 9.0), segment(3, "sol", 10.0, speaker="B")
    assert [part.text for part in offline(transcript(*parts)).segments] == ["Do re,", "mi fa?", "Mi.", "Sol."]


def test_the_online_model_gives_capitals_too(online: PunctuationStep) -> None:
    after = online(transcript(segment(0, "do re mi fa sol la")))
    # A question mark before a small letter ends no sentence ("What?" he asked).
    assert [part.text for part in after.segments] == ["Do re, mi fa? sol la,"]


def test_a_stream_of_capitals_gets_its_case_from_the_model(online: PunctuationStep) -> None:
    after = online(transcript(segment(0, "DO RE MI FA SOL LA")))
    assert [part.text for part in after.segments] == ["Do re, mi fa? sol la,"]


@pytest.mark.parametrize("count", [19, 20, 21, 199, 200, 201, 281, 1001])
def test_texts_of_any_length_are_marked_to_their_last_word(
    offline: PunctuationStep, online: PunctuationStep, count: int
) -> None:
    words = (["do"] * 7 + ["fa"]) * (count // 8 + 1)
    text = " ".join([*words[: count - 2], "fa", "sol"])
    for step, last in ((offline, "Sol."), (online, "sol")):
        shown = " ".join(part.text for part in step(transcript(segment(0, text))).segments).split()
        assert len(shown) == count
        assert shown[-1] == last
        assert [word for word in shown if word.lower().startswith("fa") and not word.endswith("?")] == []


def test_a_text_with_marks_is_left_alone(offline: PunctuationStep) -> None:
    before = transcript(segment(0, "Do re. Mi fa!"))
    assert offline(before) is before
    empty = transcript()
    assert offline(empty) is empty


def test_a_spelling_that_the_model_parts_comes_back_whole(offline: PunctuationStep) -> None:
    after = offline(transcript(segment(0, "don't re 10.5 mi"), segment(1, "re", 2.0)))
    assert " ".join(part.text for part in after.segments) == "Don't re, 10.5 mi re."


def test_another_type_is_refused_with_its_name(tmp_path: Path) -> None:
    spec = ModelSpec(name="odd", type="whisper", files={"model": tmp_path / "x"})
    with pytest.raises(ModelError, match="whisper"):
        loader(spec, 1)


@pytest.mark.parametrize(
    ("text", "marked", "expected"),
    [
        ("do re", "do，re。", ["do,", "re."]),
        ("你好", "你好。", ["你", "好。"]),
        ("it's 3 pm", "It's 3 PM.", ["It's", "3", "PM."]),
        ("a b", "a c", None),
        ("a b", "a", None),
        ("a", "a b", None),
        ("a", "。a", None),
        ("a b", "A  b？！、；：", ["A", "b?!,;:"]),
        ("a 好", "a，好，", ["a,", "好，"]),
        ("10.5 x", "10 . 5 x.", ["10.5", "x."]),
        ("a b", "b a", None),
        ("a", "a$", None),
    ],
)
def test_put_marks(text: str, marked: str, expected: list[str] | None) -> None:
    words = [Word(part, 0, 1, space_before=space) for part, space in split_text(text)]
    found = put_marks(words, marked)
    assert (found and [word.text for word in found]) == expected


def test_is_punctuated() -> None:
    assert is_punctuated(transcript(segment(0, "Fine.")))
    assert not is_punctuated(transcript(segment(0, "fine and well")))
    assert is_punctuated(transcript())
    assert is_punctuated(transcript(segment(0, "a " * 59 + "b.")))
    assert not is_punctuated(transcript(segment(0, "a " * 60 + "b.")))
    assert not is_punctuated(transcript(segment(0, "a, b")))
    assert join_words(segment(0, "a b").words) == "a b"


def punctuated(asked: list[str], *segments: Segment, marks: str = "", **options: Any) -> Transcript:
    """The transcript after a step whose model answers with the text and marks; `asked` receives the texts."""

    def punctuate(text: str) -> Future[str]:
        asked.append(text)
        answer: Future[str] = Future()
        answer.set_result(text + marks)
        return answer

    return PunctuationStep(punctuate, **options)(replace(transcript(*segments), language="en"))


@pytest.mark.parametrize(
    ("segments", "texts"),
    [
        ([segment(0, "a b"), segment(1, "c", 3.9)], ["a b c"]),
        ([segment(0, "a b"), segment(1, "c", 3.91)], ["a b", "c"]),
        ([segment(0, "a"), segment(1, "b", 1, speaker="B"), segment(2, "c", 2)], ["a c", "b"]),
        ([segment(0, "a"), segment(1, "b", 1, channel=1), segment(2, "c", 2)], ["a c", "b"]),
        ([segment(0, "a " * 200), segment(1, "b " * 100, 100)], ["a " * 200 + "b " * 99 + "b"]),
        ([segment(0, "a " * 200), segment(1, "b " * 101, 100)], ["a " * 199 + "a", "b " * 100 + "b"]),
        ([segment(0, "a " * 301)], ["a " * 300 + "a"]),
    ],
)
def test_what_is_given_to_the_model_at_once(segments: list[Segment], texts: list[str]) -> None:
    asked: list[str] = []
    punctuated(asked, *segments)
    assert sorted(asked) == sorted(texts)


def test_other_languages_and_other_words_are_not_changed() -> None:
    asked: list[str] = []
    before = segment(0, "a b")
    assert punctuated(asked, before, languages=("zh",)).segments == (before,)
    assert asked == []
    assert punctuated(asked, before, languages=("en",), marks=".").text == "A b."
    assert punctuated(asked, before, marks=" c").segments == (before,)
    assert asked == ["a b", "a b"]


def test_the_segments_of_two_channels_are_in_order_of_time() -> None:
    parts = segment(0, "a", channel=1), segment(1, "b", channel=0), segment(2, "c", 1.0, channel=1)
    found = punctuated([], *parts, marks="!").segments
    assert [(part.id, part.text, part.channel) for part in found] == [(0, "B!", 0), (1, "A", 1), (2, "c!", 1)]
