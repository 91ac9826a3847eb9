"""`--name`: what outputs are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrcli.batch.naming import NameTemplate
from asrcli.errors import ExitCode
from tests.cli.conftest import Program


def test_outputs_are_named_resumed_and_no_inputs(asrcli: Program, recordings: Path) -> None:
    arguments = ("transcribe", "rec", "--name", "{stem}.{language}", "--language", "en", "-f", "srt,txt")
    done = asrcli(*arguments)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in recordings.rglob("*") if path.suffix in {".srt", ".txt"}} == {
        "one.en.srt", "one.en.txt", "two.en.srt", "two.en.txt"
    }  # fmt: skip
    again = asrcli(*arguments)
    assert "2 skipped" in again.stderr
    named = asrcli("transcribe", "rec/one.wav", "rec/one.en.srt", "--name", "{stem}.{language}", "--language", "en")
    assert named.returncode == 0, named.stderr
    assert "named like a transcript" in named.stderr


def test_an_empty_field_does_not_hide_an_output() -> None:
    template = NameTemplate("{suffix}.{stem}")
    assert [template.fill("talk", Path(name)) for name in ("talk.mp3", "talk")] == ["mp3.talk", "_.talk"]


def test_the_model_has_its_name_and_its_only_language(asrcli: Program, recordings: Path) -> None:
    done = asrcli("transcribe", "rec/one.wav", "--name", "{stem}-{model}-{language}", "-m", "moonshine-tiny-en", "-n")
    assert "one-moonshine-tiny-en-en.txt" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "{stem}.{lang}"], "'{lang}' is not a field"),
        (["--name", "{language}"], "needs {stem}"),
        (["--name", "{stem}", "-o", "a.txt"], "-o and --name exclude each other"),
        (["--name", "{stem}.{language}", "--remote", "http://127.0.0.1:9/v1"], "needs the language"),
    ],
)
def test_names_that_cannot_be_given(asrcli: Program, recordings: Path, arguments: list[str], message: str) -> None:
    done = asrcli("transcribe", "rec/one.wav", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert message in done.stderr
