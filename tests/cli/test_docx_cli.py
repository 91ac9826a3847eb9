"""`--format docx`: files, pipes, terminals."""

from __future__ import annotations

import io
import os
import pty
import subprocess
from pathlib import Path

import docx
import pytest

from asrcli.errors import ExitCode
from tests.cli.conftest import Program


@pytest.mark.slow
def test_the_command_writes_documents_to_files_and_pipes(asrcli: Program, recordings: Path) -> None:
    done = asrcli("transcribe", "rec/one.wav", "-f", "docx,txt", "--encoding", "utf-16", "--newline", "crlf")
    assert done.returncode == 0, done.stderr
    text = (recordings / "one.txt").read_text("utf-16").strip()
    assert text in docx.Document(str(recordings / "one.docx")).paragraphs[-1].text
    assert (
        "done already"
        in asrcli("transcribe", "rec/one.wav", "-f", "docx,txt", "--encoding", "utf-16", "--newline", "crlf").stderr
    )
    piped = subprocess.run(
        asrcli.command("transcribe", "rec/one.wav", "-f", "docx", "-o", "-"), cwd=asrcli.folder, env=asrcli.env(),
        capture_output=True, timeout=100, check=True,
    )  # fmt: skip
    assert text in docx.Document(io.BytesIO(piped.stdout)).paragraphs[-1].text
    both = asrcli("transcribe", "rec", "-f", "docx", "-o", "-")
    assert both.returncode == ExitCode.USAGE
    assert "one result" in both.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["transcribe", "rec/one.wav", "-o", "-"], ["align", "rec/one.wav", "text.txt"]])
def test_a_document_is_not_written_to_a_terminal(asrcli: Program, recordings: Path, arguments: list[str]) -> None:
    (asrcli.folder / "text.txt").write_text("a b\n")
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            asrcli.command(*arguments, "-f", "docx"), stdout=theirs, stderr=subprocess.PIPE, cwd=asrcli.folder,
            env=asrcli.env(), timeout=100, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == ExitCode.USAGE
    assert b"terminal" in done.stderr
