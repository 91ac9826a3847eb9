"""Which recordings are handed out by a watch, and when."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from asrcli.batch.events import Event, FileDone, FileFailed, FileSkipped, Notice
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.recording import Item
from asrcli.batch.watch.arrivals import ArrivalMonitor, check_folders
from asrcli.errors import (
    AsrcliError,
    AudioDecodeError,
    DiskFullError,
    InputChangedError,
    RemoteUnavailableError,
    UsageError,
    WarningsError,
)

SUFFIXES = {".mp3", ".wav"}


class Watch:
    """A monitor with a clock that a test sets."""

    def __init__(self, *folders: Path, settle: float = 10.0, **inputs: Any) -> None:
        self.now = 0.0
        self.events: list[Event] = []
        self.out: dict[str, Item] = {}
        paths = [str(folder) for folder in folders]
        self.monitor = ArrivalMonitor(Inputs(paths=paths, **inputs), SUFFIXES, settle=settle, clock=lambda: self.now)

    def after(self, seconds: float) -> list[str]:
        """The names of what is handed out after so many seconds."""
        self.now += seconds
        items = self.monitor.scan(self.events.append)
        self.out.update({item.source.path.name: item for item in items})
        return sorted(item.source.path.name for item in items)

    def arrive(self, path: Path) -> None:
        """A recording is written and, once it is complete, handed out."""
        path.write_bytes(b"1")
        self.after(0)
        assert path.name in self.after(10)

    def done(self, name: str) -> None:
        self.monitor.observe(FileDone(self.out[name].index, name, {}, 1.0, 1.0))

    def failed(self, name: str, error: AsrcliError | None = None) -> None:
        self.monitor.observe(FileFailed(self.out[name].index, name, error or AudioDecodeError("damaged")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "inbox"
    path.mkdir()
    return path


def test_a_recording_is_complete_when_it_has_not_changed_for_a_while(folder: Path) -> None:
    watch = Watch(folder)
    (folder / "a.wav").write_bytes(b"1")
    assert watch.after(0) == []
    assert watch.after(9) == []
    (folder / "a.wav").write_bytes(b"12")
    assert watch.after(9) == []
    assert watch.after(9) == []
    assert watch.after(1) == ["a.wav"]
    assert watch.after(100) == []


def test_a_change_of_the_time_alone_counts(folder: Path) -> None:
    watch = Watch(folder)
    (folder / "a.wav").write_bytes(b"1")
    watch.after(0)
    os.utime(folder / "a.wav", (1, 1))
    assert watch.after(10) == []
    assert watch.after(10) == ["a.wav"]


def test_a_done_recording_that_changes_is_handed_out_again(folder: Path) -> None:
    watch = Watch(folder)
    watch.arrive(folder / "a.wav")
    watch.done("a.wav")
    assert watch.after(100) == []
    (folder / "a.wav").write_bytes(b"2")
    assert watch.after(10) == []
    assert watch.after(10) == ["a.wav"]


def test_a_recording_that_changes_while_it_is_transcribed_is_not_handed_out_twice_at_once(folder: Path) -> None:
    watch = Watch(folder)
    watch.arrive(folder / "a.wav")
    (folder / "a.wav").write_bytes(b"12")
    assert watch.after(10) == []
    assert watch.after(10) == []
    watch.failed("a.wav", InputChangedError("changed"))
    assert watch.after(9) == []
    assert watch.after(1) == ["a.wav"]


def test_failures_are_tried_again_at_growing_intervals(folder: Path) -> None:
    watch = Watch(folder)
    (folder / "a.wav").write_bytes(b"1")
    watch.after(0)
    for wait in (10.0, 60.0, 240.0, 960.0, 3840.0, 15360.0, 61440.0, 86400.0, 86400.0):
        assert watch.after(wait - 1) == []
        assert watch.after(1) == ["a.wav"]
        watch.failed("a.wav")
        assert watch.monitor.failing == 1
    watch.after(86400.0)
    watch.done("a.wav")
    assert watch.monitor.failing == 0


@pytest.mark.parametrize("error", [DiskFullError("full"), RemoteUnavailableError("down"), InputChangedError("changed")])
def test_what_is_not_the_fault_of_a_recording_does_not_delay_it(folder: Path, error: AsrcliError) -> None:
    watch = Watch(folder)
    watch.arrive(folder / "a.wav")
    watch.failed("a.wav", error)
    assert watch.monitor.failing == 0
    assert watch.after(10) == ["a.wav"]


def test_a_result_with_warnings_that_fail_it_is_not_made_again(folder: Path) -> None:
    watch = Watch(folder)
    watch.arrive(folder / "a.wav")
    watch.failed("a.wav", WarningsError("gap"))
    assert watch.after(10**9) == []
    assert watch.monitor.failing == 1


def test_a_failed_recording_that_vanishes_and_returns_is_tried_at_once(folder: Path) -> None:
    watch = Watch(folder)
    path = folder / "a.wav"
    watch.arrive(path)
    watch.failed("a.wav")
    path.rename(folder.parent / "a.wav")
    watch.after(10)
    (folder.parent / "a.wav").rename(path)
    watch.after(10)
    assert watch.after(10) == ["a.wav"]


def test_a_folder_that_vanishes_is_reported_once_and_found_again(folder: Path) -> None:
    watch = Watch(folder)
    (folder / "a.wav").write_bytes(b"1")
    watch.after(0)
    folder.rename(folder.with_name("away"))
    for _ in range(5):
        assert watch.after(10) == []
    assert [type(event) for event in watch.events] == [FileFailed]
    folder.with_name("away").rename(folder)
    watch.after(10)
    assert watch.after(10) == ["a.wav"]
    folder.rename(folder.with_name("away"))
    watch.after(1)
    watch.after(1)
    assert len(watch.events) == 2


def test_outputs_of_folders_that_meet_in_one_do_not_collide(folder: Path, tmp_path: Path) -> None:
    (folder / "x").mkdir()
    (folder / "y").mkdir()
    watch = Watch(folder / "x", folder / "y", output_dir=tmp_path / "out")
    watch.arrive(folder / "x" / "a.wav")
    (folder / "y" / "a.wav").write_bytes(b"1")
    watch.after(0)
    first = watch.out["a.wav"].outputs["txt"]
    assert watch.after(10) == ["a.wav"]
    assert watch.out["a.wav"].outputs["txt"] != first


def test_unfinished_recordings_are_handed_out_again_after_a_reset(folder: Path) -> None:
    watch = Watch(folder)
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(b"1")
    watch.after(0)
    watch.after(10)
    watch.done("a.wav")
    watch.monitor.reset()
    assert watch.after(0) == ["b.wav"]


def test_results_and_unknown_files_are_passed_over_and_reported_once(folder: Path) -> None:
    watch = Watch(folder)
    for name in ("a.txt", "a.srt", ".hidden.wav", "notes.pdf"):
        (folder / name).write_bytes(b"1")
    assert watch.after(0) == []
    assert watch.after(10) == []
    assert [event.message for event in watch.events if isinstance(event, Notice)] == [
        f"{folder}: 1 file has another suffix (.pdf 1); --include takes them."
    ]


@pytest.mark.parametrize("seed", range(10))
def test_every_content_that_settles_is_handed_out(folder: Path, seed: int) -> None:
    """Files grow, vanish, return and fail at random; in the end every one has been done in its last state."""
    chance = random.Random(seed)
    watch, finished = Watch(folder), {}
    names = [f"{number}.wav" for number in range(5)]

    def step(*, quiet: bool) -> None:
        for name in names:
            path = folder / name
            if not quiet and chance.random() < 0.3:
                if path.exists() and chance.random() < 0.3:
                    path.unlink()
                else:
                    with path.open("ab") as stream:
                        stream.write(b"x")
        for name in watch.after(chance.uniform(0, 30) if not quiet else 200):
            size = (folder / name).stat().st_size
            if not quiet and chance.random() < 0.4:
                watch.failed(name)
            else:
                watch.done(name)
                finished[name] = size

    for _ in range(60):
        step(quiet=False)
    for _ in range(60):
        step(quiet=True)
    assert {name: size for name, size in finished.items() if (folder / name).exists()} == {
        path.name: path.stat().st_size for path in folder.iterdir()
    }


@pytest.mark.parametrize("name", ["-", "file"])
def test_only_folders_are_watched(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="not a folder"):
        check_folders(Inputs(paths=[name if name == "-" else str(tmp_path / name)]))
    with pytest.raises(UsageError, match="nothing to watch"):
        check_folders(Inputs(paths=[]))
    with pytest.raises(UsageError, match="does not exist"):
        check_folders(Inputs(paths=[str(tmp_path), str(tmp_path / "misspelt")]))


def test_skipped_recordings_count_as_done(folder: Path) -> None:
    watch = Watch(folder)
    watch.arrive(folder / "a.wav")
    watch.monitor.observe(FileSkipped(watch.out["a.wav"].index, "a.wav", "done", "done already"))
    assert watch.after(10**6) == []
