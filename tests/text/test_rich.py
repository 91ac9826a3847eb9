from __future__ import annotations

import pytest

from asrcli.text.steps.rich import from_raw, rich_text, to_raw, without_tags
from asrcli.transcript import Segment, Transcript, Word


def segment(number: int, text: str, **tags) -> Segment:
    return Segment(number, number, number + 1, text, (Word(text, number, number + 1),), **tags)


def texts(*segments: Segment) -> list[str]:
    rich = rich_text(Transcript("a.wav", 9.0, segments))
    assert [part.text for part in rich.segments] == [part.words[0].text for part in rich.segments]
    return [part.text for part in rich.segments]


def test_the_event_stands_in_front_and_the_emotion_behind():
    assert texts(segment(0, "您好", emotion="happy", event="speech")) == ["您好😊"]
    assert texts(segment(0, "你好", emotion="neutral", event="bgm")) == ["🎼你好"]
    assert texts(segment(0, "No!", emotion="angry", event="laughter")) == ["😀No!😡"]


def test_equal_neighbours_are_shown_once():
    happy = {"emotion": "happy", "event": "bgm"}
    assert texts(segment(0, "a", **happy), segment(1, "b", **happy), segment(2, "c", emotion="sad")) == [
        "🎼a",
        "b😊",
        "c😔",
    ]


def test_the_fields_stay_and_a_segment_without_words_is_adorned_too():
    rich = rich_text(Transcript("a.wav", 1.0, (Segment(0, 0.0, 1.0, "hm", event="cough", emotion="sad"),)))
    assert rich.segments == (Segment(0, 0.0, 1.0, "😷hm😔", event="cough", emotion="sad"),)


@pytest.mark.parametrize(
    ("raw", "rich"),
    [
        ("<|zh|><|HAPPY|><|Speech|><|withitn|>您好", "您好😊"),
        ("<|zh|><|NEUTRAL|><|BGM|><|woitn|>你好 <|en|><|SAD|><|BGM|><|woitn|>bye", "🎼你好 bye😔"),
        ("<|en|><|HAPPY|><|Laughter|>a<|en|><|HAPPY|><|Speech|>b", "😀ab😊"),
        ("<|nospeech|><|Event_UNK|>", "❓"),
        ("<|en|><|EMO_UNKNOWN|><|Sing|><|withitn|>la", "la"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_raw_text(raw, rich):
    assert from_raw(raw) == rich


def test_tags_are_taken_out_one_by_one():
    assert without_tags("<|zh|><|HAPPY|>你好<|en|><|SAD|> bye") == "你好 bye"


def test_a_segment_as_sensevoice_writes_it():
    assert (
        to_raw(segment(0, "您好", language="zh", emotion="happy", event="speech"))
        == "<|zh|><|HAPPY|><|Speech|><|withitn|>您好"
    )
    assert to_raw(segment(0, "x", event="bgm"), itn=False) == "<|auto|><|EMO_UNKNOWN|><|BGM|><|woitn|>x"
