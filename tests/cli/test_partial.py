"""`--partial`: the growing sentence on a terminal."""

from __future__ import annotations

import os
import pty
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from asrcli.cli.framework.console import Console
from asrcli.cli.report.growing_line import GrowingLine
from asrcli.errors import ExitCode
from tests.cli.conftest import Program

RAW = ("transcribe", "-", "--raw", "s16le", "--partial")
CLEAR = "\r\x1b[K"


@pytest.fixture(scope="session")
def pcm(speech: Path) -> bytes:
    samples, rate = soundfile.read(speech, dtype="int16")
    return samples[:: rate // 16000].tobytes() + bytes(48000)


class Terminal:
    """A terminal in which a program runs."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read)

    def start(self) -> None:
        """Read what the program, which has been started, writes."""
        os.close(self.theirs)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._ours, 4096)
            except OSError:  # the other end was closed
                piece = b""
            if not piece:
                return
            self._written += piece

    @property
    def output(self) -> str:
        return self._written.decode(errors="replace")

    def close(self) -> None:
        """Read all that is left."""
        self._reader.join()
        os.close(self._ours)


def growth(output: str) -> list[str]:
    """The texts of the sentence with "best of" while it grew."""
    grown = re.findall(rf"{re.escape(CLEAR)}\x1b\[2m(.*?)\x1b\[0m", output)
    return [text for text in grown if "best of" in text.lower()]


def lengths(texts: list[str]) -> set[int]:
    return {len(text) for text in texts}


def screen(output: str) -> list[str]:
    """The lines that are left on a terminal."""
    lines = [line.rpartition("\r")[2] if CLEAR in line else line for line in output.replace("\r\n", "\n").split("\n")]
    return [re.sub(r"\x1b\[[0-9;]*[mK]", "", line) for line in lines if line]


@pytest.mark.slow
def test_the_sentence_grows_on_the_terminal_and_is_replaced_by_its_final_text(asrcli: Program, pcm: bytes) -> None:
    terminal = Terminal()
    process = asrcli.start(*RAW, stdout=terminal.theirs, stderr=terminal.theirs)
    terminal.start()
    # A first reading, as fast as it is read. Its text shows that the model is loaded.
    process.stdin.write(pcm)
    process.stdin.flush()
    deadline = time.monotonic() + 100
    while "wisdom.\r\n" not in terminal.output:
        assert time.monotonic() < deadline, terminal.output
        time.sleep(0.1)
    before = len(terminal.output)
    for start in range(0, len(pcm), 3200):
        process.stdin.write(pcm[start : start + 3200])
        process.stdin.flush()
        # Faster than it is spoken, its growth is not shown; slower, until it is: a busy machine needs the time.
        time.sleep(0.1 if len(lengths(growth(terminal.output[before:]))) >= 2 else 0.3)
    process.stdin.close()
    terminal.close()
    output = terminal.output
    assert process.wait(60) == 0, output
    assert len(lengths(growth(output[before:]))) >= 2, output
    final = "\n".join(screen(output))
    assert final.lower().count("best of times") == 2, final
    assert "asrcli:" in final


@pytest.mark.slow
def test_without_a_terminal_nothing_is_shown(asrcli: Program, pcm: bytes) -> None:
    for options in ((), ("--log-json",), ("-o", "talk.txt")):
        done = asrcli(*RAW, *options, stdin=pcm[: 32000 * 6])
        assert done.returncode == 0
        assert "\x1b[K" not in done.stderr + done.stdout


def test_folders_that_are_watched_have_no_growing_sentence(asrcli: Program) -> None:
    done = asrcli("watch", ".", "--partial")
    assert done.returncode == ExitCode.USAGE
    assert "--partial" in done.stderr


@pytest.mark.parametrize("text", ["short", "a long sentence " * 20, "很长的句子" * 40, "\x1b[2Jred\n"])
def test_the_line_fits_and_is_cleared_before_messages(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    line = GrowingLine(Console())
    written: list[str | bytes] = []
    emit: Callable[[int, str | bytes], None] = line.before(lambda _index, part: written.append(part))
    line.show(text)
    shown = capsys.readouterr().err
    assert shown.startswith(CLEAR)
    assert "\n" not in shown
    assert len(shown.removeprefix(CLEAR).encode("gb18030")) <= 40
    emit(0, "final\n")
    assert capsys.readouterr().err == CLEAR
    line.show(text)
    line.say("done")
    assert f"{CLEAR}asrcli: done" in capsys.readouterr().err
    assert written == ["final\n"]
