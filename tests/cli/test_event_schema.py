"""The events of --log-json follow the printed schema."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from asrcli.batch.events import Event
from asrcli.formats import schema_text
from tests.cli.conftest import Program

SCHEMA = json.loads(schema_text("event"))
VALIDATOR = Draft202012Validator(SCHEMA)


def kinds(event: type[Event]) -> Any:
    yield from [event.kind] if "kind" in vars(event) else []
    for subclass in event.__subclasses__():
        yield from kinds(subclass)


def test_every_event_has_a_description() -> None:
    described = {entry["properties"]["event"].get("const") for entry in SCHEMA["oneOf"]} - {None}  # of log lines
    console = {"notice", "warning", "error", "download", "listening"}
    assert described == set(kinds(Event)) | console


def events_of(done: subprocess.CompletedProcess[str]) -> set[str]:
    events = [json.loads(line) for line in done.stderr.splitlines()]
    for event in events:
        VALIDATOR.validate(event)
    return {event["event"] for event in events}


@pytest.mark.slow
def test_events_of_a_batch(asrcli: Program, recordings: Path) -> None:
    (recordings / "broken.wav").write_bytes(b"RIFF no such thing")
    found = events_of(asrcli("transcribe", "rec", "missing.wav", "--log-json"))
    found |= events_of(asrcli("transcribe", "rec/one.wav", "--log-json"))
    assert found >= {
        "batch_started", "file_started", "file_progress", "segment", "file_done", "file_failed", "file_skipped",
        "batch_finished",
    }  # fmt: skip
    assert events_of(asrcli("transcribe", "rec", "--log-json", "--speakers", "2")) == {"error"}
    (recordings / "one.txt").write_text("edited")
    assert "notice" in events_of(asrcli("transcribe", "rec/one.wav", "--log-json", "--format", "txt,json"))


def test_the_command_prints_it(asrcli: Program) -> None:
    assert json.loads(asrcli("schema", "event").stdout) == SCHEMA
    assert json.loads(asrcli("schema").stdout)["title"] == "asrcli transcript"
