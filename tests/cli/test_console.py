"""What reaches the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrcli.cli.framework.console import harmless, plain
from tests.cli.conftest import Program


def test_a_name_cannot_command_the_terminal() -> None:
    name = "a\x1b]0;owned\x07b\x9b2J\r\x1b[31mred\n\t\u202egnp.wav"
    escaped = "a\\x1b]0;owned\\x07b\\x9b2J\\r\\x1b[31mred\\n\\t\\u202egnp.wav"
    assert plain(name) == escaped
    assert plain("高 é 🎤 ﷺ [bold] %s") == "高 é 🎤 ﷺ [bold] %s"


def test_of_a_message_colours_and_lines_pass() -> None:
    text = "\x1b[31merror:\x1b[0m one\n  two"
    assert harmless(text) == text
    assert harmless("\x1b[2J\x07") == "\\x1b[2J\\x07"


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_the_program_escapes_what_it_prints(asrcli: Program, tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "evil\x1b]0;owned\x07\x1b[31m\n\u202e.wav").write_bytes(b"no audio")
    done = asrcli("transcribe", tmp_path, *options)
    assert done.returncode == 3
    for said in (done.stdout, done.stderr):
        assert not {"\x1b", "\x07", "\u202e"} & set(said)
    lines = (done.stdout + done.stderr).splitlines()
    [line] = [line for line in lines if "not audio" in line and "failed:" not in line]
    assert "evil\\x1b]0;owned\\x07\\x1b[31m\\n\\u202e.wav" in line
