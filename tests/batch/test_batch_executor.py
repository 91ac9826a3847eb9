"""Failures as values, clean endings, order, bounds."""

from __future__ import annotations

import gc
import io
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from asrcli.batch import JOURNAL_NAME, events, progress_listener
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.decision import Decision
from asrcli.batch.events import BatchStarted, FileDone, FileStarted
from asrcli.batch.executor import Executor
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.plan import make_plan
from asrcli.batch.recording import Item
from asrcli.batch.results import LocalResult, ResultLostError
from asrcli.batch.results.growing_result import read_growing
from asrcli.batch.results.processing import Processing, produce
from asrcli.batch.summary import Summary
from asrcli.errors import (
    AsrcliError,
    AudioDecodeError,
    DeviceError,
    EngineCrashError,
    ExitCode,
    FfmpegMissingError,
    LanguageNotSupportedError,
    MissingExtraError,
    ModelNotInstalledError,
)
from asrcli.transcript import Segment, Transcript


class Batch:
    """Runs inputs of a folder with a function from bytes to a transcript."""

    def __init__(self, folder: Path, program: Any) -> None:
        self.folder = folder
        self.program = program
        self.events: list[Any] = []
        self.emitted: list[str] = []
        self.executor: Any = None

    def inputs(self, count: int, size: Callable[..., Any] = lambda number: 10 + number) -> None:
        for number in range(count):
            (self.folder / f"{number}.mp3").write_bytes(b"%d" % number * size(number))

    def run(
        self,
        transcribe: Callable[..., Any],
        *paths: Path | str,
        jobs: int = 2,
        on_event: Callable[..., Any] | None = None,
        emit: Callable[..., None] | None = None,
        stdin: bytes = b"",
        adapt: Callable[[Processing], Processing] = lambda work: work,
        **options: Any,
    ) -> Summary:
        def spell(item: Item, listener: Any) -> Transcript:
            data = item.source.path.read_bytes() if item.source.path else item.source.stream.read()
            transcribe(item, listener)
            return self.program.transcript_of(data, item.source.name, "v1")

        def tell(event: Any) -> None:
            self.events.append(event)
            if on_event is not None:
                on_event(event)

        work = Processing(
            transcribe=spell,
            render=lambda _item, *rest: self.program.render(*rest),
            recipe=CacheKey(model="m", options="v1"),
        )
        plan = make_plan(
            Inputs(paths=[str(path) for path in paths or [self.folder]], **options),
            stdin=io.BytesIO(stdin),
            suffixes=self.program.SUFFIXES,
        )
        self.executor = Executor(
            adapt(work), jobs=jobs, on_event=tell, emit=emit or (lambda _index, text: self.emitted.append(text))
        )
        return self.executor.run(plan)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def text(self, number: int) -> str:
        return self.program.render(
            self.program.transcript_of((self.folder / f"{number}.mp3").read_bytes(), "", "v1"), "txt"
        )

    def outputs(self) -> set[str]:
        return {path.name for path in self.folder.iterdir() if path.suffix not in {".mp3", ".jsonl"}}


@pytest.fixture
def batch(tmp_path: Path, program: Any) -> Batch:
    return Batch(tmp_path, program)


def nothing(item: Item, listener: Any) -> None:
    """Transcribes without delay."""


def failing(errors: dict[str, Any]) -> Callable[..., None]:
    def transcribe(item: Item, listener: Any) -> None:
        error = errors.get(item.source.path.stem)
        if error is not None:
            raise error

    return transcribe


def test_a_failure_of_one_input_is_one_event_and_the_others_are_done(batch: Batch) -> None:
    batch.inputs(6)
    errors = {
        "1": AudioDecodeError("no audio", "try another"),
        "3": EngineCrashError("died"),
        "4": ZeroDivisionError("x"),
    }
    summary = batch.run(failing(errors))
    assert (summary.done, summary.failed, summary.exit_code) == (3, 3, ExitCode.SOME_FAILED)
    failed = {event.name[-5:]: event.error for event in batch.of(events.FileFailed)}
    assert failed["1.mp3"] is errors["1"]
    assert failed["3.mp3"].code == "engine-crash"
    assert failed["4.mp3"].__cause__ is errors["4"]
    assert "ZeroDivisionError" in failed["4.mp3"].message
    assert batch.outputs() == {"0.txt", "2.txt", "5.txt"}
    assert {name[-5:] for name, _ in summary.failures} == set(failed)


def test_a_result_that_is_lost_behind_its_record_is_made_again_and_recorded_once(batch: Batch) -> None:
    batch.inputs(3)
    lost: list[int] = []

    class Lost(LocalResult):
        def commit(self, *, new: bool) -> None:
            raise ResultLostError

    def remote(work: Processing, item: Item, decision: Decision, listener: Any) -> LocalResult:
        result = produce(work, item, decision.recording, decision.make, listener)
        if item.index in lost:
            return result
        lost.append(item.index)
        return Lost(result.facts, {suffix: batch.text(item.index).encode() for suffix in decision.make})

    summary = batch.run(nothing, adapt=lambda work: replace(work, remote=partial(remote, work)))
    assert (summary.done, summary.exit_code) == (3, ExitCode.OK)
    assert batch.outputs() == {"0.txt", "1.txt", "2.txt"}
    assert (batch.folder / JOURNAL_NAME).read_text().count("\n") == 3


def hidden_stream(folder: Path, suffix: str, name: str) -> Path:
    """What a run that was killed left of a stream."""
    path = folder / ".asrcli-0123456789abcdef.partial"
    lines = [{"source": "stdin", "outputs": {suffix: name}}, Segment(0, 0.0, 1.0, "spoken").to_dict()]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_a_stream_that_cannot_be_recovered_costs_no_other_input(batch: Batch) -> None:
    batch.inputs(2)
    left = hidden_stream(batch.folder, "docx", "talk.docx")

    def render(_item: Item, transcript: Transcript, suffix: str) -> Any:
        if suffix == "docx":
            raise MissingExtraError("not installed", "install it")
        return batch.program.render(transcript, suffix)

    assert batch.run(nothing, adapt=lambda work: replace(work, render=render)).exit_code == ExitCode.OK
    (notice,) = batch.of(events.Notice)
    assert left.name in notice.message
    assert "install it" in notice.message
    assert left.exists()
    batch.run(nothing)
    assert "talk.recovered.docx" in batch.outputs()
    assert not left.exists()


def test_a_stream_is_recovered_in_its_folder(batch: Batch) -> None:
    (batch.folder / "inner").mkdir()
    (batch.folder / "inner" / "0.mp3").write_bytes(b"sound")
    hidden_stream(batch.folder / "inner", "txt", "../talk.txt")
    batch.run(nothing)
    assert "spoken" in (batch.folder / "inner" / "talk.recovered.txt").read_text()


def test_a_damaged_segment_costs_no_other_one(tmp_path: Path) -> None:
    path = hidden_stream(tmp_path, "txt", "talk.txt")
    later = json.dumps(Segment(1, 2.0, 3.0, "later").to_dict())
    path.write_bytes(path.read_bytes() + b'{"id": 1, "sta\0\0\n' + later.encode() + b"\n" + later.encode()[:9])
    with path.open("rb") as file:
        outputs, transcript = read_growing(tmp_path, file.fileno())
    assert outputs == {"txt": tmp_path / "talk.recovered.txt"}
    assert [segment.text for segment in transcript.segments] == ["spoken", "later"]
    assert [warning.partition(":")[0] for warning in transcript.warnings] == ["truncated", "damaged"]


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([None, None, None], ExitCode.OK),
        ([None, AudioDecodeError("x"), None], ExitCode.SOME_FAILED),
        ([AudioDecodeError("x"), EngineCrashError("y"), ValueError("z")], ExitCode.ALL_FAILED),
        ([FfmpegMissingError("x")] * 3, ExitCode.MACHINE),
        ([FfmpegMissingError("x"), AudioDecodeError("y"), AudioDecodeError("z")], ExitCode.ALL_FAILED),
        ([FfmpegMissingError("x"), None, None], ExitCode.SOME_FAILED),
    ],
)
def test_exit_codes(batch: Batch, errors: list[Any], code: ExitCode) -> None:
    batch.inputs(3)
    summary = batch.run(failing({str(number): error for number, error in enumerate(errors)}))
    assert summary.exit_code == code
    assert summary.dropped == 0


def test_inputs_that_could_not_be_planned_count_as_failed(batch: Batch) -> None:
    batch.inputs(1)
    summary = batch.run(nothing, batch.folder, batch.folder / "missing.mp3")
    assert (summary.total, summary.done, summary.failed, summary.exit_code) == (2, 1, 1, ExitCode.SOME_FAILED)
    assert batch.run(nothing, batch.folder / "missing.mp3").exit_code == ExitCode.ALL_FAILED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelNotInstalledError("gone"), ExitCode.MODEL),
        (LanguageNotSupportedError("xx"), ExitCode.USAGE),
        (DeviceError("no GPU"), ExitCode.MACHINE),
    ],
)
def test_what_dooms_every_input_ends_the_batch(batch: Batch, error: AsrcliError, code: ExitCode) -> None:
    batch.inputs(50)
    summary = batch.run(failing({str(number): error for number in range(50)}))
    assert summary.error is error
    assert summary.exit_code == code
    assert summary.failed == 1
    assert summary.dropped == 49
    assert batch.events[-1] == events.BatchFinished(summary)


def test_the_longest_are_first(batch: Batch) -> None:
    batch.inputs(5, size=lambda number: [10, 5000, 300, 90_000, 20][number])
    batch.run(nothing, jobs=1)
    assert [event.name[-5:] for event in batch.of(events.FileStarted)] == ["3.mp3", "1.mp3", "2.mp3", "4.mp3", "0.mp3"]


def test_several_inputs_are_in_work_at_once(batch: Batch) -> None:
    batch.inputs(3)
    together = Barrier(3, timeout=20)
    assert batch.run(lambda *_: together.wait(), jobs=3).done == 3


def test_results_for_stdout_come_in_the_order_of_the_inputs(batch: Batch) -> None:
    batch.inputs(20)
    later = {number: Event() for number in range(21)}
    later[20].set()

    def backwards_in_pairs(item: Item, listener: Any) -> None:
        # Each even input waits for the odd one after it, which is so done first.
        if item.index % 2 == 0:
            assert later[item.index + 1].wait(20)
        later[item.index].set()

    paths = [batch.folder / f"{number}.mp3" for number in range(20)]
    summary = batch.run(backwards_in_pairs, *paths, jobs=2, output="-")
    assert summary.done == 20
    assert batch.emitted == [batch.text(number) for number in range(20)]
    assert batch.outputs() == set()
    assert not (batch.folder / ".asrcli-journal.jsonl").exists()


def test_an_input_that_fails_delays_no_other_on_stdout(batch: Batch) -> None:
    batch.inputs(6)
    paths = [batch.folder / f"{number}.mp3" for number in range(6)]
    batch.run(failing({"0": AudioDecodeError("x"), "3": AudioDecodeError("y")}), *paths, output="-")
    assert batch.emitted == [batch.text(number) for number in (1, 2, 4, 5)]


def test_only_so_many_results_wait_for_their_turn_on_stdout(batch: Batch) -> None:
    batch.inputs(40)
    started = []
    many = Event()

    def first_is_slow(item: Item, listener: Any) -> None:
        started.append(item.index)
        if len(started) > 12:
            many.set()
        if item.index == 0:
            assert not many.wait(1.0), "the others ran ahead without bound"

    paths = [batch.folder / f"{number}.mp3" for number in range(40)]
    batch.run(first_is_slow, *paths, jobs=3, output="-")
    assert len(batch.emitted) == 40


def test_stdin_to_stdout_beside_files(batch: Batch) -> None:
    batch.inputs(1)
    summary = batch.run(nothing, "-", batch.folder / "0.mp3", stdin=b"sound")
    assert summary.done == 2
    spelled = batch.program.transcript_of(b"sound", "", "v1")
    assert batch.emitted == [batch.program.render(spelled, "txt")]
    assert batch.outputs() == {"0.txt"}


def test_a_named_pipe_is_read_once_as_a_stream(batch: Batch) -> None:
    pipe = batch.folder / "pipe.wav"
    os.mkfifo(pipe)
    writer = Thread(target=lambda: pipe.write_bytes(b"sound" * 50_000))
    writer.start()
    batch.run(nothing, pipe)
    writer.join()
    assert batch.emitted == [batch.program.render(batch.program.transcript_of(b"sound" * 50_000, "", "v1"), "txt")]


def test_cancel_drops_what_is_in_flight_and_keeps_what_is_done(batch: Batch) -> None:
    batch.inputs(10)
    held = Barrier(3, timeout=20)

    def hold_after_four(item: Item, listener: Any) -> None:
        if item.index >= 4:
            held.wait()
            while not listener.cancelled():
                time.sleep(0.005)

    def cancel_amid() -> None:
        held.wait()
        batch.executor.cancel(ExitCode.TERMINATED)

    canceller = Thread(target=cancel_amid)
    canceller.start()
    paths = [batch.folder / f"{number}.mp3" for number in range(10)]
    for path in paths:
        path.write_bytes(b"x" * 10)  # equal lengths: the given order
    summary = batch.run(hold_after_four, *paths)
    canceller.join()
    assert (summary.done, summary.failed, summary.dropped) == (4, 0, 6)
    assert summary.exit_code == ExitCode.TERMINATED
    assert batch.outputs() == {f"{number}.txt" for number in range(4)}


@pytest.mark.slow
def test_a_worker_that_hangs_delays_no_exit_and_writes_nothing_later(batch: Batch) -> None:
    batch.inputs(1)
    inside, release, left = Event(), Event(), Event()

    def hang(item: Item, listener: Any) -> None:
        inside.set()
        release.wait()
        left.set()

    def cancel() -> None:
        inside.wait()
        batch.executor.cancel()

    canceller = Thread(target=cancel)
    canceller.start()
    summary = batch.run(hang)
    assert not left.is_set()
    assert (summary.done, summary.exit_code) == (0, ExitCode.INTERRUPTED)
    release.set()
    canceller.join()
    assert left.wait(10)
    for thread in _workers():
        thread.join(10)
    assert batch.outputs() == set()


def _workers() -> list[Thread]:
    from threading import enumerate as threads

    return [thread for thread in threads() if thread.name.startswith("worker-")]


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_an_exception_of_the_event_handler_ends_the_batch_and_reaches_the_caller(
    batch: Batch, error: type[Any]
) -> None:
    batch.inputs(200)

    def refuse(index: int, text: str) -> None:
        raise error

    with pytest.raises(error):
        batch.run(nothing, output="-", emit=refuse)
    assert not _workers()


def test_a_closed_pipe_among_the_outputs_is_reported_as_such(batch: Batch) -> None:
    batch.inputs(1)
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        batch.run(nothing, batch.folder / "0.mp3", output=f"/dev/fd/{writing}")
    os.close(writing)


def test_an_input_that_changes_while_it_is_read_fails(batch: Batch) -> None:
    batch.inputs(3)

    def meddle(item: Item, listener: Any) -> None:
        if item.source.path.stem == "1":
            item.source.path.write_bytes(b"it has grown" * 100)
        if item.source.path.stem == "2":
            item.source.path.unlink()

    summary = batch.run(meddle)
    assert (summary.done, summary.failed) == (1, 2)
    assert {event.error.code for event in batch.of(events.FileFailed)} == {"changed"}
    assert batch.outputs() == {"0.txt"}


def test_an_output_that_cannot_be_written_is_noticed_before_the_work(batch: Batch) -> None:
    batch.inputs(2)
    (batch.folder / "target").mkdir()
    (batch.folder / "target" / "file").write_bytes(b"")
    worked = []
    summary = batch.run(
        lambda item, _: worked.append(item),
        output_dir=batch.folder / "target" / "file" / "below",
        journal=batch.folder / "journal",
    )
    assert summary.exit_code == ExitCode.MACHINE
    assert {error.code for _, error in summary.failures} == {"output"}
    assert worked == []


def test_transcripts_are_not_kept(batch: Batch) -> None:
    batch.inputs(120)
    done, alive = [], []

    def count(event: FileStarted | FileDone | BatchStarted) -> None:
        if isinstance(event, events.FileDone):
            done.append(event.name)
            if len(done) % 20 == 0:  # looking costs
                alive.append(sum(type(thing) is Transcript for thing in gc.get_objects()))

    batch.run(nothing, on_event=count)
    assert len(alive) == 6
    assert max(alive[1:]) <= alive[0] + 2


def test_the_story_of_one_input(batch: Batch, program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch.inputs(1)
    monkeypatch.setattr(progress_listener, "_REPORT_EVERY", 3600.0)

    def talk(item: Item, listener: Any) -> None:
        listener.opened(8.0)
        listener.recognised(program.transcript_of(b"", "", "").segments[0])
        listener.heard(1.0)  # so soon after the last report that it is not reported
        listener._next_report -= 3600.0
        listener.heard(4.0)

    summary = batch.run(talk)
    kinds = [event.kind for event in batch.events]
    assert kinds == [
        "batch_started", "file_started", "file_progress", "segment", "file_progress", "file_done", "batch_finished",
    ]  # fmt: skip
    assert [(event.done, event.total) for event in batch.of(events.FileProgress)] == [(0.0, 8.0), (4.0, 8.0)]
    done = batch.of(events.FileDone)[0]
    assert (done.duration, done.segments, done.outputs) == (8.0, 8, {"txt": batch.folder / "0.txt"})
    assert summary.audio_seconds == 8.0
    assert summary.speed == pytest.approx(8.0 / summary.wall_seconds)


def test_a_slow_listener_slows_the_workers_and_loses_nothing(batch: Batch, program: Any) -> None:
    batch.inputs(2)
    segment = program.transcript_of(b"", "", "").segments[0]
    sent = []

    def chatter(item: Item, listener: Any) -> None:
        for _ in range(2000):
            listener.recognised(segment)
            sent.append(1)

    behind = []
    batch.run(chatter, on_event=lambda event: behind.append(len(sent) - len(batch.of(events.SegmentReady))))
    assert len(batch.of(events.SegmentReady)) == 4000
    assert max(behind) <= 300
