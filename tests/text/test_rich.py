from __future__ import annotations

from typing import Any

from asrcli.text.steps.rich import rich_text, to_raw
from asrcli.transcript import Segment, Transcript, Word


def segment(number: int, text: str, **tags: Any) -> Segment:
    return Segment(number, number, number + 1, text, (Word(text, number, number + 1),), **tags)


def texts(*segments: Segment) -> list[str]:
    rich = rich_text(Transcript("a.wav", 9.0, segments))
    assert [part.text for part in rich.segments] == [part.words[0].text for part in rich.segments]
    return [part.text for part in rich.segments]


def test_the_event_precedes_the_text_and_the_emotion_follows() -> None:
    assert texts(segment(0, "您好", emotion="happy", event="speech")) == ["您好😊"]
    assert texts(segment(0, "你好", emotion="neutral", event="bgm")) == ["🎼你好"]
    assert texts(segment(0, "No!", emotion="angry", event="laughter")) == ["😀No!😡"]


def test_equal_neighbours_are_shown_once() -> None:
    happy = {"emotion": "happy", "event": "bgm"}
    assert texts(segment(0, "a", **happy), segment(1, "b", **happy), segment(2, "c", emotion="sad")) == [
        "🎼a",
        "b😊",
        "c😔",
    ]


def test_fields_are_unchanged_and_segments_without_words_get_emoji_too() -> None:
    rich = rich_text(Transcript("a.wav", 1.0, (Segment(0, 0.0, 1.0, "hm", event="cough", emotion="sad"),)))
    assert rich.segments == (Segment(0, 0.0, 1.0, "😷hm😔", event="cough", emotion="sad"),)


def test_a_segment_as_sensevoice_writes_it() -> None:
    assert (
        to_raw(segment(0, "您好", language="zh", emotion="happy", event="speech"))
        == "<|zh|><|HAPPY|><|Speech|><|withitn|>您好"
    )
    assert to_raw(segment(0, "x", event="bgm"), itn=False) == "<|auto|><|EMO_UNKNOWN|><|BGM|><|woitn|>x"
    assert "<|Speech|>" in to_raw(segment(0, "x"))
