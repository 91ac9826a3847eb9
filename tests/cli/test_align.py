"""`asrcli align`: a given text on the times of a recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import srt

import asrcli as package
from asrcli.cli.commands.align import AlignArguments, _options
from asrcli.cli.request.conflicts import settle
from asrcli.errors import ExitCode
from asrcli.formats import schema_text
from asrcli.options.declarations import from_values
from asrcli.options.values import OptionConflictError
from tests.cli.conftest import Program


def test_a_text_gets_the_times_of_the_recording(asrcli: Program, recordings: Path) -> None:
    (asrcli.folder / "text.txt").write_text("Fa, wrong\n\nmi!\n")
    done = asrcli("align", "rec/one.wav", "text.txt", "-f", "json", "-o", "-")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, json.loads(schema_text()))
    assert [segment["text"] for segment in found["segments"]] == ["Fa, wrong", "mi!"]
    words = [word for segment in found["segments"] for word in segment["words"]]
    assert [word["alignment"] for word in words] == ["matched", "interpolated", "matched"]
    plain = json.loads(asrcli("transcribe", "rec/one.wav", "-f", "json", "-o", "-").stdout)["segments"][0]["words"]
    assert [word["start"] for word in words] == pytest.approx([word["start"] for word in plain], abs=0.01)


def test_subtitles_are_timed_again_into_a_file(asrcli: Program, recordings: Path) -> None:
    wrong = "5\n00:01:00,000 --> 00:01:00,100\n<i>fa</i> re\n\n6\n00:02:00,000 --> 00:02:00,100\nmi\n"
    (asrcli.folder / "wrong.srt").write_text(wrong)
    assert asrcli("align", "rec/one.wav", "wrong.srt", "-o", "right.srt").returncode == 0
    cues = list(srt.parse((asrcli.folder / "right.srt").read_text()))
    assert [(cue.index, cue.content) for cue in cues] == [(5, "<i>fa</i> re"), (6, "mi")]
    assert 0 <= cues[0].start.total_seconds() < cues[1].start.total_seconds() < 5
    assert (asrcli.folder / "wrong.srt").read_text() == wrong
    (asrcli.folder / "wrong.srt").write_text(wrong + "\n7\n00:03:00,000 --> 00:03:01,000\n♪\n")
    done = asrcli("align", "rec/one.wav", "wrong.srt", "-f", "txt")
    assert done.stdout == "fa re\nmi\n"
    assert "has no words and is left out: ♪" in done.stderr


def test_the_output_may_be_a_link_a_pipe_or_in_a_new_folder(asrcli: Program, recordings: Path) -> None:
    folder = asrcli.folder
    (folder / "text.txt").write_text("fa re mi\n")
    command = ("align", "rec/one.wav", "text.txt", "-f", "txt", "-o")
    assert asrcli(*command, "new/folder/text.out").returncode == 0
    assert (folder / "new" / "folder" / "text.out").read_text() == "fa re mi\n"
    (folder / "target").write_text("old")
    (folder / "link").symlink_to("target")
    assert asrcli(*command, "link").returncode == 0
    assert (folder / "link").is_symlink()
    assert (folder / "target").read_text() == "fa re mi\n"
    (folder / "stdout").symlink_to("/dev/stdout")
    assert asrcli(*command, "stdout").stdout == "fa re mi\n"
    assert (folder / "stdout").is_symlink()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_cannot_be_written_is_reported(asrcli: Program, recordings: Path) -> None:
    (asrcli.folder / "text.txt").write_text("fa re mi\n")
    command = ("align", "rec/one.wav", "text.txt", "-f", "txt", "-o")
    (asrcli.folder / "full").symlink_to("/dev/full")  # a link, as a rename onto the device would replace that
    full = asrcli(*command, "full")
    assert (full.returncode, "No space left" in full.stderr) == (ExitCode.MACHINE, True), full.stderr
    (asrcli.folder / "file").touch()
    done = asrcli(*command, "file/text.out")
    assert "Not a directory" in done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["rec/one.wav", "none.txt"], ExitCode.ALL_FAILED, "Cannot read none.txt"),
        (["rec/none.wav", "text.txt"], ExitCode.ALL_FAILED, "none.wav"),
        (["-", "text.txt"], ExitCode.ALL_FAILED, "stdin cannot be read here"),
        (["rec", "text.txt"], ExitCode.ALL_FAILED, "rec is a folder"),
        (["https://example.org/a.wav", "text.txt"], ExitCode.ALL_FAILED, "https://example.org/a.wav is not a file"),
        (["rec/one.wav", "text.txt", "-o", "https://example.org/a.srt"], ExitCode.USAGE, "results go to folders"),
        (["rec/one.wav", "text.txt", "-o", "text.txt"], ExitCode.USAGE, "is an input itself"),
        (["rec/one.wav", "text.txt", "-o", "text.xyz"], ExitCode.USAGE, "format is unknown"),
        (["rec/one.wav", "other.txt"], ExitCode.ALL_FAILED, "None of the words"),
        (["rec/one.wav", "rec/one.wav"], ExitCode.ALL_FAILED, "not UTF-8 text"),
    ],
)
def test_what_cannot_be_aligned(
    asrcli: Program, recordings: Path, arguments: list[str], code: ExitCode, message: str
) -> None:
    (asrcli.folder / "text.txt").write_text("fa re mi")
    (asrcli.folder / "other.txt").write_text("something else")
    done = asrcli("align", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("flag", "lower"),
    [
        ({"fast": True}, {"model": "sensevoice-small"}),
        ({"model": "sensevoice-small"}, {"fast": True}),
        ({"fast": True}, {"remote": "http://h/v1"}),
        ({"remote": "http://h/v1"}, {"backend": "funasr"}),
        ({"remote_api_key": "k"}, {"remote_api_key_file": "f"}),
        ({"end": 3.0}, {"start": 9.0}),
        ({"min_cue": 8.0, "max_cue": 9.0}, {}),
    ],
)
@pytest.mark.parametrize("level", ["config file", "environment"])
def test_a_flag_overrides_what_contradicts_it_on_a_lower_level(
    flag: dict[str, Any], lower: dict[str, Any], level: str
) -> None:
    values = flag | lower
    arguments = from_values(AlignArguments, {"audio": Path("a.wav"), "text": Path("b.txt")} | values, values=values)
    settled, _ = settle(arguments, dict.fromkeys(flag, "flag") | dict.fromkeys(lower, level), _options)
    assert (settled.audio, settled.text, dict(settled.values)) == (Path("a.wav"), Path("b.txt"), flag)
    assert settled.fast is ("fast" in flag)
    if lower:
        with pytest.raises(OptionConflictError):
            settle(arguments, dict.fromkeys(values, level), _options)


def test_the_suffix_overrides_a_format_of_the_config_file(
    asrcli: Program, recordings: Path, write_config: Callable[..., Path]
) -> None:
    (asrcli.folder / "text.txt").write_text("fa re mi")
    write_config("align:\n  format: txt\n")
    assert asrcli("align", "rec/one.wav", "text.txt", "-o", "out.srt").returncode == 0
    assert "--> " in (asrcli.folder / "out.srt").read_text()
    assert asrcli("align", "rec/one.wav", "text.txt").stdout == "fa re mi\n"


def test_hotwords_that_the_model_does_not_support_are_refused(asrcli: Program, recordings: Path) -> None:
    (asrcli.folder / "text.txt").write_text("fa re mi")
    done = asrcli("align", "rec/one.wav", "text.txt", "--fast", "--hotwords", "fa")
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert "hotwords" in done.stderr


def test_python(wheel_audio: Path) -> None:
    aligned = package.align(
        wheel_audio / "beckett.wav", "Ever tried. Ever failed.\nNo matter.", model="moonshine-tiny-en"
    )
    assert [segment.text for segment in aligned.segments] == ["Ever tried. Ever failed.", "No matter."]
    assert [word.alignment for segment in aligned.segments for word in segment.words] == ["matched"] * 6
