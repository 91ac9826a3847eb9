"""`--dry-run` reports what a run would do, and the run then does it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asrcli.audio.types import AudioInfo, Source
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.decision import Existing
from asrcli.batch.dry_run import dry_run
from asrcli.batch.events import FileDone, FileFailed, FileSkipped
from asrcli.batch.executor import Executor
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.plan import Plan, make_plan
from asrcli.batch.results.processing import Processing
from asrcli.errors import AudioDecodeError

RECIPE = CacheKey(model="m", options="v1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("done", "edited", "new", "missing", "changed"):
        Path(f"{name}.mp3").write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def run(program: Any) -> Callable[..., list[Any]]:
    def run(plan: Plan) -> list[Any]:
        reported: list[Any] = []
        work = Processing(
            transcribe=lambda item, _: program.transcript_of(item.source.path.read_bytes(), item.source.name, "v1"),
            render=lambda _item, *rest: program.render(*rest),
            recipe=RECIPE,
        )
        Executor(work, on_event=reported.append).run(plan)
        return reported

    return run


def plan_of(program: Any, *paths: str) -> Plan:
    return make_plan(Inputs(paths=paths, formats=["txt", "json"]), stdin=io.BytesIO(b"x"), suffixes=program.SUFFIXES)


def probe(source: Source) -> AudioInfo:
    if source.path.read_bytes() == b"broken":
        raise AudioDecodeError(f"{source.name} is no audio")
    return AudioInfo(duration=float(len(source.path.read_bytes())), sample_rate=16000, channels=1, format="x")


def test_the_rows_say_what_the_run_does(folder: Path, program: Any, run: Callable[..., list[Any]]) -> None:
    Path("new.mp3").rename("later")
    run(plan_of(program, "."))
    Path("later").rename("new.mp3")
    Path("edited.txt").write_text("by hand")
    Path("missing.json").unlink()
    Path("changed.mp3").write_bytes(b"something else")
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}

    rows = {row.name: row for row in dry_run(plan_of(program, ".", "nowhere.mp3"), RECIPE, probe=probe)}
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before, "a dry run writes nothing"
    assert {name: (row.action, row.reason) for name, row in rows.items()} == {
        "done.mp3": ("skip", "done"),
        "edited.mp3": ("skip", "edited"),
        "new.mp3": ("transcribe", "new"),
        "missing.mp3": ("transcribe", "missing"),
        "changed.mp3": ("transcribe", "changed"),
        "nowhere.mp3": ("fail", None),
    }
    assert rows["missing.mp3"].outputs == ("missing.json",)
    assert rows["missing.mp3"].duration == 8.0, "the journal has it from the first run"
    assert rows["new.mp3"].duration == 3.0, "probed"
    assert all(row.explanation for row in rows.values())
    assert json.loads(json.dumps([row.to_dict() for row in rows.values()]))

    reported = run(plan_of(program, ".", "nowhere.mp3"))
    kinds = {FileDone: "transcribe", FileSkipped: "skip", FileFailed: "fail"}
    did = {event.name: kinds[type(event)] for event in reported if type(event) in kinds}
    assert did == {name: row.action for name, row in rows.items()}


def test_overwrite_and_skip_existing(folder: Path, program: Any, run: Callable[..., list[Any]]) -> None:
    run(plan_of(program, "done.mp3"))
    for existing, action in ((Existing.OVERWRITE, "transcribe"), (Existing.SKIP, "skip")):
        (row,) = dry_run(plan_of(program, "done.mp3"), RECIPE, existing=existing, probe=probe)
        assert row.action == action


def test_what_cannot_be_probed_fails_and_a_stream_is_not_touched(folder: Path, program: Any) -> None:
    Path("bad.mp3").write_bytes(b"broken")
    plan = make_plan(Inputs(paths=["bad.mp3", "-"]), stdin=io.BytesIO(b"sound"), suffixes=program.SUFFIXES)
    bad, stream = dry_run(plan, RECIPE, probe=probe)
    assert (bad.action, bad.error.code) == ("fail", "undecodable")
    assert (stream.action, stream.duration, stream.outputs) == ("transcribe", None, ())
    assert plan.items[1].source.stream.read() == b"sound"
