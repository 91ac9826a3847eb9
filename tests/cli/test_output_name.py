"""`--name`: what outputs are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrcli.errors import ExitCode
from tests.cli.conftest import Program


@pytest.mark.slow
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


def test_the_model_has_its_name_and_its_only_language(asrcli: Program, recordings: Path) -> None:
    done = asrcli("transcribe", "rec/one.wav", "--name", "{stem}-{model}-{language}", "-m", "moonshine-tiny-en", "-n")
    assert "one-moonshine-tiny-en-en.txt" in done.stdout


def test_the_name_of_a_recording_may_be_that_of_a_field(asrcli: Program, recordings: Path) -> None:
    (recordings / "one.wav").rename(recordings / "one {language}.wav")
    done = asrcli("transcribe", "rec/one {language}.wav", "-f", "txt,srt")
    assert done.returncode == 0, done.stderr
    assert names(recordings) == {"one {language}.txt", "one {language}.srt"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.suffix in {".srt", ".txt"}}


@pytest.mark.slow
@pytest.mark.usefixtures("whisper")
def test_outputs_get_the_language_that_was_detected(asrcli: Program, recordings: Path) -> None:
    arguments = ("transcribe", "rec", "--name", "{stem}.{language}", "-f", "srt,txt")
    preview = asrcli(*arguments, "-n")
    assert "one.{language}.srt" in preview.stdout
    assert asrcli(*arguments).returncode == 0
    assert names(recordings) == {"one.cy.srt", "one.cy.txt", "two.en.srt", "two.en.txt"}
    assert "2 skipped" in asrcli(*arguments).stderr
    assert asrcli(*arguments, "-n").stdout.count("done already") == 2
    assert "2 skipped" in asrcli(*arguments, "--skip-existing").stderr
    (recordings / "one.cy.txt").write_text("corrected by hand")
    (recordings / "inner" / "two.en.txt").unlink()
    (recordings / "one.wav").write_bytes((recordings / "inner" / "two.wav").read_bytes())
    again = asrcli(*arguments)
    assert again.returncode == 0, again.stderr
    assert names(recordings) == {"one.cy.srt", "one.cy.txt", "one.en.srt", "one.en.txt", "two.en.srt", "two.en.txt"}
    assert (recordings / "one.cy.txt").read_text() == "corrected by hand"
    assert "2 skipped" in asrcli(*arguments).stderr


@pytest.mark.slow
@pytest.mark.usefixtures("whisper")
def test_a_file_that_has_the_detected_name_is_kept(asrcli: Program, recordings: Path) -> None:
    (recordings / "one.cy.txt").write_text("by hand")
    arguments = ("transcribe", "rec/one.wav", "--name", "{stem}.{language}")
    done = asrcli(*arguments)
    assert done.returncode == ExitCode.SOME_FAILED
    assert "not known to be ours" in done.stderr
    assert (recordings / "one.cy.txt").read_text() == "by hand"
    assert asrcli(*arguments, "--overwrite").returncode == 0
    assert (recordings / "one.cy.txt").read_text() == "fa re mi\n"
    piped = asrcli("transcribe", "-", *arguments[2:], "-d", ".", stdin=(recordings / "one.wav").read_bytes())
    assert piped.returncode == 0, piped.stderr
    assert (asrcli.folder / "stdin.cy.txt").read_text() == "fa re mi\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "{stem}.{lang}"], "'{lang}' is not a field"),
        (["--name", "{language}"], "needs {stem}"),
        (["--name", "{stem}", "-o", "a.txt"], "-o and --name exclude each other"),
    ],
)
def test_names_that_cannot_be_given(asrcli: Program, recordings: Path, arguments: list[str], message: str) -> None:
    done = asrcli("transcribe", "rec/one.wav", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert message in done.stderr
