"""The format docx, read back with python-docx."""

from __future__ import annotations

import io
import os
import re

import docx
import pytest
from docx.enum.text import WD_COLOR_INDEX
from hypothesis import given, settings

from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError
from asrcli.formats import FORMATS
from asrcli.options import CueOptions
from asrcli.text.subtitles.pieces import clean
from asrcli.transcript import Segment, Transcript, Word
from tests.strategies import transcripts

TALK = Transcript(
    "talks/first talk.wav",
    3725.5,
    (
        Segment(0, 0.5, 1.9, "Hello there.", (Word("Hello", 0.5, 0.9, 0.99), Word("there.", 0.9, 1.9, 0.2)), "Ann"),
        Segment(1, 2.0, 2.5, "How are you?", (), "Ann"),
        Segment(2, 8.0, 8.5, "Well.", (), "Ann"),
        Segment(
            3,
            3723.25,
            3724.0,
            "你好。",
            (Word("你", 3723.25, 3723.5), Word("好。", 3723.5, 3724, None, None, False)),
            "Bo",
        ),
    ),
    language="en",
    model="tone",
    warnings=("gap: 3.0-4.0 s",),
)


def written(source: Transcript) -> bytes:
    contents = FORMATS["docx"].contents(source, CueOptions())
    assert isinstance(contents, bytes)
    return contents


def test_headings_times_and_uncertain_words() -> None:
    document = docx.Document(io.BytesIO(written(TALK)))
    assert [(each.style.name, each.text) for each in document.paragraphs] == [
        ("Title", "first talk.wav"),
        ("Normal", "1:02:05 · en · tone"),
        ("Intense Quote", "gap: 3.0-4.0 s"),
        ("Heading 2", "Ann · 0:00"),
        ("Normal", "0:00\tHello there. How are you?"),
        ("Normal", "0:08\tWell."),
        ("Heading 2", "Bo · 1:02:03"),
        ("Normal", "1:02:03\t你好。"),
    ]
    runs = [run for paragraph in document.paragraphs for run in paragraph.runs]
    assert [run.text for run in runs if run.font.highlight_color == WD_COLOR_INDEX.YELLOW] == ["there."]
    assert document.core_properties.title == "first talk.wav"
    assert document.core_properties.language == "en"


@pytest.mark.slow
@settings(max_examples=25)
@given(source=transcripts())
def test_every_word_of_any_transcript_is_in_the_document(source: Transcript) -> None:
    document = docx.Document(io.BytesIO(written(source)))
    text = "".join(each.text for each in document.paragraphs)
    missing = [word for part in source.segments for word in clean(part.text).split() if word not in text]
    assert not missing
    assert written(source) == written(source)


def test_an_empty_transcript_and_names_that_are_not_unicode() -> None:
    name = os.fsdecode(b"caf\xe9\x01.wav")
    document = docx.Document(io.BytesIO(written(Transcript(name, 0.0))))
    assert document.paragraphs[0].text.startswith("caf")
    noncharacters = Transcript("\ufffe.wav", 1.0, (Segment(0, 0.0, 1.0, "a\uffff b", (), "\ufffe"),))
    assert "a b" in "\n".join(part.text for part in docx.Document(io.BytesIO(written(noncharacters))).paragraphs)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asrcli.formats.find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=re.escape(pip_install("docx"))):
        written(TALK)
