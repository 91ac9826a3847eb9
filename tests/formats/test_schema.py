from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_args

import jsonschema
import pytest

from asrcli.formats import FORMATS, schema_text
from asrcli.options import CueOptions
from asrcli.transcript import SCHEMA, Gap, Segment, Timing, Transcript, Turn, Word

WORD = Word("Hello.", 0.5, 1.25, confidence=0.875, speaker="Speaker 1", space_before=False, alignment="matched")
SEGMENT = Segment(
    0,
    0.5,
    1.25,
    "Hello.",
    (WORD,),
    speaker="Speaker 1",
    channel=1,
    language="en",
    confidence=0.5,
    emotion="happy",
    event="laughter",
)
FULL = Transcript(
    "talk.wav",
    2.0,
    (SEGMENT,),
    language="en",
    model="tone",
    backend="sherpa-onnx",
    timing="model",
    warnings=("cut short",),
    gaps=(Gap(1.5, 2.0, "no words", channel=1),),
    turns=(Turn(0.5, 1.25, "Speaker 1"),),
    notes={"hotwords": [{"was": "yellow", "is": "Hello"}]},
)
SCHEMA_DOCUMENT = json.loads(schema_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA_DOCUMENT)
DEFINITIONS = SCHEMA_DOCUMENT["$defs"]


def test_the_schema_is_a_schema_and_names_its_version() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA_DOCUMENT)
    assert SCHEMA_DOCUMENT["properties"]["schema"] == {
        **SCHEMA_DOCUMENT["properties"]["schema"],
        "const": SCHEMA,
    }
    assert SCHEMA_DOCUMENT["properties"]["timing"]["enum"] == list(get_args(Timing))


@pytest.mark.parametrize(
    ("kind", "described"),
    [
        (Transcript, {*SCHEMA_DOCUMENT["properties"]} - {"schema", "text", "warning_codes"}),
        (Segment, {*DEFINITIONS["segment_fields"]["properties"]}),
        (Word, {*DEFINITIONS["word"]["properties"]}),
        (Turn, {*DEFINITIONS["turn"]["properties"]}),
    ],
)
def test_every_field_is_described(kind: type[Any], described: set[str]) -> None:
    assert {field.name for field in fields(kind)} == described


def test_a_document_with_every_field_is_valid_and_comes_back_whole() -> None:
    document = json.loads(FORMATS["json"].render(FULL, CueOptions()))
    assert {*document} == {*SCHEMA_DOCUMENT["properties"]}
    assert {*document["segments"][0]} == {*DEFINITIONS["segment_fields"]["properties"]}
    assert {*document["segments"][0]["words"][0]} == {*DEFINITIONS["word"]["properties"]}
    VALIDATOR.validate(document)
    assert Transcript.from_dict(document) == FULL


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every object in a document, by its path; `notes` is free."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            if key != "notes":
                yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


@pytest.mark.parametrize("path", list(paths(FULL.to_dict())), ids=str)
def test_unknown_fields_are_refused_everywhere(path: tuple[str | int, ...]) -> None:
    document = copy.deepcopy(FULL.to_dict())
    target: Any = document
    for step in path:
        target = target[step]
    target["surprise"] = 1
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "asrcli/transcript/2"), (("duration",), -1), (("duration",), "2"), (("timing",), "guessed"),
        (("language",), "English"), (("warnings",), [1]), (("segments", 0, "start"), -0.1),
        (("segments", 0, "id"), 0.5), (("segments", 0, "confidence"), 1.5), (("segments", 0, "emotion"), "HAPPY"),
        (("segments", 0, "event"), "music"),
        (("segments", 0, "language"), None), (("segments", 0, "channel"), -1), (("segments", 0, "speaker"), ""),
        (("segments", 0, "words", 0, "space_before"), True), (("segments", 0, "words", 0, "text"), ""),
        (("turns", 0, "speaker"), None), (("notes",), []),
    ],
)  # fmt: skip
def test_wrong_values_are_refused(path: tuple[str | int, ...], value: float | list[int] | str | None) -> None:
    document = copy.deepcopy(FULL.to_dict())
    target: Any = document
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("name", SCHEMA_DOCUMENT["required"])
def test_what_is_required_may_not_be_missing(name: str) -> None:
    document = FULL.to_dict()
    del document[name]
    assert not VALIDATOR.is_valid(document)
