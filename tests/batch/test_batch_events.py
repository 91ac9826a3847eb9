"""The JSON form that `--log-json` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asrcli.batch.events import (
    BatchFinished,
    BatchStarted,
    FileDone,
    FileFailed,
    FileProgress,
    FileSkipped,
    FileStarted,
    Notice,
    SegmentReady,
)
from asrcli.batch.summary import MAX_FAILURES, SummaryBuilder
from asrcli.errors import AudioDecodeError, ExitCode
from asrcli.transcript import Segment


def reported(event: Any) -> dict[str, Any]:
    return json.loads(json.dumps(event.to_dict()))


def test_every_event_has_its_form() -> None:
    tally = SummaryBuilder(3)
    tally.done(90.0)
    tally.skipped()
    tally.failed("c.wav", AudioDecodeError("no audio", "try another"))
    error = {"code": "undecodable", "message": "no audio", "hint": "try another"}
    file = {"schema": "asrcli/event/1", "index": 1, "name": "b.mp3"}
    segment = Segment(id=0, start=0.0, end=1.5, text="hello", speaker="Speaker 1")
    assert reported(BatchStarted(3, 120.00049, 2)) == {
        "schema": "asrcli/event/1", "event": "batch_started", "files": 3, "estimate": 120.0, "jobs": 2,
    }  # fmt: skip
    assert reported(FileStarted(1, "b.mp3", "new", 60.0)) == {
        **file, "event": "file_started", "reason": "new", "estimate": 60.0,
    }  # fmt: skip
    progress = FileProgress(1, "b.mp3", 1.25, None)
    assert reported(progress) == {**file, "event": "file_progress", "done": 1.25, "total": None}
    assert reported(SegmentReady(1, "b.mp3", segment)) == {**file, "event": "segment", "segment": segment.to_dict()}
    assert reported(FileDone(1, "b.mp3", {"txt": Path("b.txt")}, 90.0, 1.5, "en", 7, ("truncated",))) == {
        **file, "event": "file_done", "outputs": {"txt": "b.txt"}, "duration": 90.0, "wall": 1.5, "language": "en",
        "segments": 7, "warnings": ["truncated"], "gaps": 0, "blocked": [],
    }  # fmt: skip
    assert reported(FileSkipped(1, "b.mp3", "done", "done already", 90.0)) == {
        **file, "event": "file_skipped", "reason": "done", "explanation": "done already", "duration": 90.0,
        "warnings": [],
    }  # fmt: skip
    assert reported(FileFailed(1, "b.mp3", AudioDecodeError("no audio", "try another"))) == {
        **file, "event": "file_failed", "error": error,
    }  # fmt: skip
    assert reported(Notice("by the way")) == {"schema": "asrcli/event/1", "event": "notice", "message": "by the way"}
    assert reported(BatchFinished(tally.summary(3.0, None, None))) == {
        "schema": "asrcli/event/1",
        "event": "batch_finished",
        "summary": {
            "total": 3, "done": 1, "skipped": 1, "failed": 1, "without_result": 0, "dropped": 0, "gaps": 0,
            "with_warnings": 0, "audio_seconds": 90.0, "wall_seconds": 3.0, "speed": 30.0, "exit_code": 1,
            "error": None,
            "failures": [{"name": "c.wav", "error": error}],
        },
    }  # fmt: skip


def test_a_summary_lists_so_many_failures_and_counts_all() -> None:
    tally = SummaryBuilder(1000)
    for number in range(1000):
        tally.failed(str(number), AudioDecodeError("x"))
    summary = tally.summary(1.0, None, None)
    assert (summary.failed, len(summary.failures)) == (1000, MAX_FAILURES)
    assert summary.exit_code == ExitCode.ALL_FAILED


def test_nothing_at_all_is_a_usage_error() -> None:
    assert SummaryBuilder(0).summary(0.0, None, None).exit_code == ExitCode.OK, "an empty shard"
