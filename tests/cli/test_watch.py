"""`asrcli watch`: recordings that arrive, kill -9, the command on finished recordings."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from asrcli.errors import ExitCode
from tests.cli.conftest import Program

Start = Callable[..., "Watch"]
WriteTones = Callable[..., None]

COMMAND = ("watch", "rec", "--settle", "0.3", "--log-json", "-f", "txt,json")


class Watch:
    """A watch that runs, and its events so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            if line.startswith(b"{"):
                self.events.append(json.loads(line))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it; its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join()
        self.process.stderr.close()
        return code


@pytest.fixture
def start(asrcli: Program) -> Iterator[Start]:
    """Starts a watch; what still runs at the end of the test is killed."""
    running = []

    def start(*arguments: str | Path) -> Watch:
        process = asrcli.start(*COMMAND, *arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        running.append(Watch(process))
        return running[-1]

    yield start
    for watch in running:
        watch.end(signal.SIGKILL)


def wait_for(condition: Callable[[], object], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


def test_recordings_are_transcribed_as_they_arrive(recordings: Path, start: Start, write_tones: WriteTones) -> None:
    watch = start()
    wait_for((recordings / "inner" / "two.json").exists)
    (recordings / "new").mkdir()
    write_tones(recordings / "new" / "three.wav", [5])
    wait_for(lambda: len(watch.of("file_done")) == 3)
    assert watch.end() == ExitCode.OK
    done = {event["name"] for event in watch.of("file_done")}
    assert done == {"rec/one.wav", "rec/inner/two.wav", "rec/new/three.wav"}
    assert (recordings / "one.txt").read_text() == "fa re mi\n"
    assert watch.of("error") + watch.of("file_failed") == []
    # Nothing was left: the log does not call it interrupted.
    assert watch.of("batch_finished")[-1]["summary"]["exit_code"] == ExitCode.OK


@pytest.mark.slow
def test_a_recording_that_cannot_be_read_fails_the_exit_code_until_it_is_replaced(
    recordings: Path, start: Start, write_tones: WriteTones
) -> None:
    (recordings / "bad.wav").write_bytes(b"no audio in here")
    watch = start()
    wait_for(lambda: watch.of("file_failed") and len(watch.of("file_done")) == 2)
    assert watch.end(signal.SIGINT) == ExitCode.SOME_FAILED
    assert [event["name"] for event in watch.of("file_failed")] == ["rec/bad.wav"]
    write_tones(recordings / "bad.wav", [5])
    watch = start()
    wait_for(lambda: watch.of("file_done"))
    assert watch.end() == ExitCode.OK


SCRIPT = """
import json, os, sys
with open(sys.argv[1], "a") as log:
    log.write(json.dumps(sys.argv[2:]) + "\\n")
sys.exit(os.path.exists(sys.argv[1] + ".fail"))
"""


@pytest.fixture
def on_done(asrcli: Program) -> tuple[str, ...]:
    """The option with a command that adds its arguments to the file `log`, and fails while `log.fail` exists."""
    (asrcli.folder / "script.py").write_text(SCRIPT.replace("\\\\", "\\"))
    return "--on-done", f"{sys.executable} script.py log"


def calls(asrcli: Program) -> list[list[str]]:
    log = asrcli.folder / "log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_on_done_gets_the_paths_whatever_their_characters(
    asrcli: Program,
    recordings: Path,
    start: Start,
    on_done: tuple[str, ...],
    write_tones: WriteTones,
) -> None:
    hostile = "-rf; touch hacked $(touch hacked) 'a' \"b\"\nx"
    write_tones(recordings / f"{hostile}.wav", [5])
    watch = start(*on_done)
    wait_for(lambda: len(calls(asrcli)) == 3)
    watch.end()
    assert [str(recordings / f"{hostile}{suffix}") for suffix in (".wav", ".txt", ".json")] in calls(asrcli)
    assert not (asrcli.folder / "hacked").exists()


@pytest.mark.slow
def test_on_done_is_run_by_the_next_watch_where_it_failed_or_was_killed(
    asrcli: Program,
    recordings: Path,
    start: Start,
    on_done: tuple[str, ...],
    write_tones: WriteTones,
) -> None:
    (asrcli.folder / "log.fail").touch()
    watch = start(*on_done)
    wait_for(lambda: len(watch.of("file_failed")) == 2)
    assert watch.end() == ExitCode.SOME_FAILED
    assert {event["error"]["code"] for event in watch.of("file_failed")} == {"on-done"}
    (asrcli.folder / "log.fail").unlink()
    watch = start(*on_done)
    wait_for(lambda: len(calls(asrcli)) == 4 and len(watch.of("file_skipped")) == 2)
    watch.end(signal.SIGKILL)
    write_tones(recordings / "new.wav", [5])  # the next watch has nothing else to run
    watch = start(*on_done)
    wait_for(lambda: watch.of("file_done"))
    assert watch.end() == ExitCode.OK
    assert len(calls(asrcli)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rec/one.wav"], "not a folder"),
        (["-"], "not a folder"),
        (["rec", "no-such-folder"], "The folder no-such-folder does not exist"),
        ([], "nothing to watch"),
        (["rec", "-o", "x.txt"], "writes a file for each recording"),
        (["rec", "--on-done", ""], "command is empty"),
        (["rec", "--on-done", "no-such-program-here"], "not a program"),
        (["rec", "--on-done", "echo 'a"], "No closing quotation"),
        (["rec", "--settle", "0"], "out of range"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    asrcli: Program, recordings: Path, arguments: list[str], message: str
) -> None:
    done = asrcli("watch", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert message in done.stderr


@pytest.mark.slow
def test_nothing_is_lost_over_arrivals_and_kills(recordings: Path, start: Start, write_tones: WriteTones) -> None:
    """The small form of `python -m benchmarks watch`."""
    for number in range(24):
        if number % 6 == 0:
            watch = start()
        write_tones(recordings / f"r{number}.wav", [number % 8])
        time.sleep(0.15)
        if number % 6 == 5:
            watch.end(signal.SIGKILL)
    watch = start()
    wait_for(lambda: len(list(recordings.rglob("*.json"))) == 26)
    watch.end()
    assert len(list(recordings.rglob("*.txt"))) == 26
    assert all(path.read_text().strip() for path in recordings.rglob("*.txt"))
