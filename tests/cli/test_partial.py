"""`--partial`: the growing sentence on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
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


def speak(process: subprocess.Popen[bytes], pcm: bytes) -> None:
    """Write samples as fast as they are spoken, then end the stream."""
    started = time.monotonic()
    for number in range(0, len(pcm), 3200):
        process.stdin.write(pcm[number : number + 3200])
        process.stdin.flush()
        time.sleep(max(0.0, started + number / 32000 - time.monotonic()))
    process.stdin.close()


def read_all(descriptor: int) -> str:
    found = b""
    while True:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:  # the other end of a terminal was closed
            return found.decode()
        if not piece:
            return found.decode()
        found += piece


def screen(output: str) -> list[str]:
    """The lines that are left on a terminal."""
    lines = [line.rpartition("\r")[2] if CLEAR in line else line for line in output.replace("\r\n", "\n").split("\n")]
    return [re.sub(r"\x1b\[[0-9;]*[mK]", "", line) for line in lines if line]


@pytest.mark.slow
def test_the_sentence_grows_on_the_terminal_and_is_replaced_by_its_final_text(asrcli: Program, pcm: bytes) -> None:
    ours, theirs = pty.openpty()
    process = asrcli.start(*RAW, stdout=theirs, stderr=theirs)
    os.close(theirs)
    # The model is loaded meanwhile.
    speaker = threading.Thread(target=speak, args=[process, bytes(32000 * 4) + pcm])
    speaker.start()
    output = read_all(ours)
    speaker.join()
    assert process.wait(60) == 0, output
    os.close(ours)
    grown = [re.sub(r"\x1b\[[0-9;]*m", "", part).partition("\n")[0] for part in output.split(CLEAR)[1:]]
    spoken = [part for part in grown if "best of" in part.lower()]
    assert len({len(part) for part in spoken}) >= 2, grown
    final = "\n".join(screen(output))
    assert final.lower().count("best of times") == 1, final
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
