"""What reaches the terminal."""

from __future__ import annotations

from asrcli.cli.console import harmless


def test_a_name_cannot_command_the_terminal():
    assert harmless("a\x1b]0;owned\x07b\x9b2J\r.wav") == "a\\x1b]0;owned\\x07b\\x9b2J\\x0d.wav"


def test_colours_lines_and_tabs_pass():
    text = "\x1b[31merror:\x1b[0m one\n\ttwo"
    assert harmless(text) == text


def test_the_program_escapes_what_it_prints(asrcli, tmp_path):
    (tmp_path / "evil\x1b]0;owned\x07.wav").write_bytes(b"no audio")
    done = asrcli("transcribe", tmp_path)
    assert done.returncode == 3
    assert "\x1b" not in done.stderr
    assert "\x07" not in done.stderr
    assert "evil\\x1b]0;owned\\x07.wav" in done.stderr
