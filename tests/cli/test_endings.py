"""Signals, closed pipes and terminals."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import Any

import pytest
import soundfile

from asrcli.errors import ExitCode
from tests.cli.conftest import Program


@pytest.fixture
def batch(asrcli: Program, speech: Path, wheel_audio: Path) -> Path:
    """A short recording, and one of half an hour: it takes longer than a signal, on any machine."""
    folder = asrcli.folder / "rec"
    folder.mkdir()
    shutil.copy(speech, folder / "short.wav")
    samples, rate = soundfile.read(wheel_audio / "two_cities.wav", dtype="int16")
    with soundfile.SoundFile(folder / "long.wav", "w", rate // 3, 1) as long:
        for _ in range(40):
            long.write(samples[::3])
    return folder


def wait_for_event(process: subprocess.Popen[bytes], kind: str, name: str = "") -> dict[str, Any]:
    """Read the JSON events of a running program until one comes."""
    for line in process.stderr:
        event = json.loads(line)
        if event["event"] == kind and name in event.get("name", ""):
            return event
    raise AssertionError(f"the program ended without {kind}")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_signal_drops_what_is_in_flight_and_keeps_what_is_done(
    asrcli: Program, batch: Path, number: signal.Signals, code: ExitCode
) -> None:
    process = asrcli.start("transcribe", "rec", "-f", "txt,json", "--log-json", start_new_session=True)
    wait_for_event(process, "file_done", "short.wav")
    wait_for_event(process, "segment", "long.wav")
    os.killpg(process.pid, number)  # as a terminal does: the engine and ffmpeg get it too
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert {path.name for path in batch.iterdir() if not path.name.startswith(".asrcli-journal")} == {
        "long.wav",
        "short.wav",
        "short.txt",
        "short.json",
    }
    assert "best of times" in (batch / "short.txt").read_text(encoding="utf-8")
    assert b"Traceback" not in said
    finished = json.loads(said.splitlines()[-1])
    assert finished["event"] == "batch_finished"
    assert (finished["summary"]["done"], finished["summary"]["dropped"]) == (1, 1)
    assert not alive_in(process.pid)
    again = asrcli("transcribe", "rec/short.wav", "-f", "txt,json")
    assert "1 skipped" in again.stderr


def alive_in(group: int) -> bool:
    """Processes of a group that are left."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def test_a_signal_outside_a_batch(asrcli: Program, tmp_path: Path) -> None:
    # `config show` waits at a config file that is a pipe no one writes to.
    pipe = tmp_path / "config.fifo"
    os.mkfifo(pipe)
    signals = {"SIGINT": ExitCode.INTERRUPTED, "SIGTERM": ExitCode.TERMINATED, "SIGHUP": ExitCode.TERMINATED}
    for name, code in signals.items():
        number = getattr(signal, name)
        process = asrcli.start("config", "show", "--config", pipe, "--debug")
        with open(pipe, "wb"):  # noqa: PTH123 -- opens once the program reads it, so it is waiting now
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        assert process.returncode == code, said
        assert b"Traceback" not in said


@pytest.mark.parametrize("arguments", [["schema"], ["transcribe", "--help"], ["completion", "zsh"]])
def test_a_closed_pipe_ends_quietly(asrcli: Program, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        process = asrcli.start(*arguments, stdout=closed)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")


def test_a_closed_pipe_in_a_batch_ends_quietly(asrcli: Program, speech: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        process = asrcli.start("transcribe", speech, "-o", "-", "--quiet", stdout=closed)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")


def in_terminal(
    asrcli: Program, *arguments: str | Path, env: dict[str, str] | None = None, stdout: Any = None, columns: int = 100
) -> tuple[int, str]:
    """Run with stderr (and stdout, unless given) on a terminal; return the exit code and what was shown."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        asrcli.command(*arguments),
        cwd=asrcli.folder,
        env=asrcli.env(**({"TERM": "xterm-256color"} | (env or {}))),
        stdin=subprocess.DEVNULL,
        stdout=stdout or theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        select.select([ours], [], [], 60)
        try:
            data = os.read(ours, 65536)
        except OSError:  # the program has ended, and with it the terminal's other side
            break
        if not data:
            break
        shown += data
    os.close(ours)
    return process.wait(timeout=60), shown.decode()


def test_a_terminal_shows_segments_as_they_come_and_a_summary(asrcli: Program, speech: Path) -> None:
    code, shown = in_terminal(asrcli, "transcribe", speech, "-d", "out")
    assert code == 0
    plain = re.sub(r"\033\[[0-9;?]*[a-zA-Z]", "", shown)
    assert "It was the best of times" in plain
    assert "1 of 1 file done" in plain
    assert "using the embedded English model" in plain.replace("\r\n", " ")
    assert "\033[" in shown
    assert shown.rindex("\033[?25h") > shown.rindex("\033[?25l")  # the cursor is back


@pytest.mark.usefixtures("recordings")
def test_a_terminal_shows_a_batchs_progress(asrcli: Program) -> None:
    code, shown = in_terminal(asrcli, "transcribe", "rec", "-d", "out")
    plain = re.sub(r"\033\[[0-9;?]*[a-zA-Z]", "", shown)
    assert code == 0
    assert "2 of 2 files done" in plain
    assert "/2 files" in plain
    assert "fa re mi" not in plain  # segments of several files would be a jumble
    assert (asrcli.folder / "out" / "one.txt").read_text(encoding="utf-8") == "fa re mi\n"


@pytest.mark.slow
def test_no_color_takes_the_colours_and_leaves_the_rest(asrcli: Program, speech: Path) -> None:
    code, shown = in_terminal(asrcli, "transcribe", speech, "nothing.wav", "-d", "out", env={"NO_COLOR": "1"})
    assert code == ExitCode.SOME_FAILED
    colours = [m for m in re.findall(r"\033\[([0-9;]*)m", shown) if any(int(n or 0) >= 30 for n in m.split(";"))]
    assert colours == []
    code, shown = in_terminal(asrcli, "transcribe", "nothing.wav")
    assert "\033[31merror:" in shown
    code, shown = in_terminal(asrcli, "transcribe", "nothing.wav", env={"NO_COLOR": "1"})
    assert "\033[3" not in shown
    assert "error:" in shown


def test_a_dumb_terminal_gets_lines(asrcli: Program, speech: Path) -> None:
    code, shown = in_terminal(asrcli, "transcribe", speech, "-d", "out", env={"TERM": "dumb"})
    assert code == 0
    assert "best of times" in (asrcli.folder / "out" / "cities.txt").read_text(encoding="utf-8")
    assert "\033" not in shown


def test_no_escape_sequences_where_there_is_no_terminal(asrcli: Program, speech: Path) -> None:
    done = asrcli("transcribe", speech, "nothing.wav", "-o", "-", env={"FORCE_COLOR": "1", "TERM": "xterm-256color"})
    assert "\033" not in done.stdout + done.stderr
    assert "best of times" in done.stdout


def test_results_are_utf_8_in_every_locale(asrcli: Program) -> None:
    done = subprocess.run(
        [*asrcli.command("config", "show", "transcribe", "--files-from", "Gespräch")],
        env=asrcli.env(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="latin-1"),
        capture_output=True,
        check=True,
    )
    assert "Gespräch".encode() in done.stdout


@pytest.mark.parametrize("closed", ["2>&-", "1>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_do_no_harm(asrcli: Program, speech: Path, closed: str) -> None:
    command = [
        "bash",
        "-c",
        f'exec "$@" {closed}',
        "bash",
        *asrcli.command("transcribe", speech, "-f", "json", "-d", "out"),
    ]
    done = subprocess.run(command, cwd=asrcli.folder, env=asrcli.env(), capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout == b""
    assert "best of times" in json.loads((asrcli.folder / "out" / "cities.json").read_text(encoding="utf-8"))["text"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["schema"],
        ["transcribe", "--help"],
        pytest.param(["transcribe", "cities.wav", "-o", "-"], marks=pytest.mark.slow),
    ],
)
def test_a_result_for_a_closed_stdout_fails(asrcli: Program, speech: Path, arguments: list[str]) -> None:
    words = [str(speech) if word == "cities.wav" else word for word in arguments]
    command = ["bash", "-c", 'exec "$@" >&-', "bash", *asrcli.command(*words)]
    done = subprocess.run(command, cwd=asrcli.folder, env=asrcli.env(), capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.MACHINE
    assert "stdout is closed" in done.stderr
    assert "files done" not in done.stderr


def test_a_file_that_cannot_be_written_is_no_internal_error(asrcli: Program) -> None:
    (asrcli.folder / "file").touch()
    done = asrcli("config", "init", "--config", "file/config.yaml")
    assert done.returncode == ExitCode.MACHINE
    assert "file" in done.stderr
    assert "internal" not in done.stderr


def test_a_current_folder_that_is_gone(asrcli: Program, speech: Path) -> None:
    lost = asrcli.folder / "lost"
    lost.mkdir()
    script = f"cd lost; rmdir ../lost; exec {shlex.join(asrcli.command('transcribe', speech, '-d', 'out'))}"
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=asrcli.folder,
        env=asrcli.env(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == ExitCode.MACHINE, done.stderr
    assert "the current folder has been removed" in done.stderr
