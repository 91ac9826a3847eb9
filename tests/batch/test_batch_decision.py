"""What a later run does, told by the reasons it gives; with real files and a real journal."""

from __future__ import annotations

import os

import pytest

from asrcli.batch.cache_key import CacheKey
from asrcli.batch.decision import Existing
from asrcli.batch.events import FileDone, FileSkipped, FileStarted, Notice
from asrcli.batch.executor import Executor
from asrcli.batch.plan import make_plan
from asrcli.batch.search import Inputs
from asrcli.batch.worker import Processing


@pytest.fixture
def run(tmp_path, program, monkeypatch):
    """Run a batch in this process; returns its summary and, by input, the reason for what was done."""
    monkeypatch.chdir(tmp_path)

    def run(*paths, existing=Existing.JOURNAL, model="m", options="v1", cues="c1", formats=("txt", "srt"), **where):
        events = []
        work = Processing(
            transcribe=lambda item, _: program.transcript_of(item.source.path.read_bytes(), "name", options + model),
            render=lambda transcript, suffix: program.render(transcript, suffix) + (cues if suffix == "srt" else ""),
            recipe=CacheKey(model=model, options=options, formats={"srt": cues}),
            existing=existing,
        )
        plan = make_plan(
            Inputs(paths=[str(path) for path in paths], formats=formats, **where), suffixes=program.SUFFIXES
        )
        summary = Executor(work, on_event=events.append).run(plan)
        reasons = {event.name: event.reason for event in events if isinstance(event, (FileStarted, FileSkipped))}
        run.made = {event.name: set(event.outputs) for event in events if isinstance(event, FileDone)}
        run.notices = [event.message for event in events if isinstance(event, Notice)]
        return summary, reasons

    return run


def test_a_second_run_has_nothing_to_do(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "b.mp3").write_bytes(b"2")
    summary, reasons = run(".")
    assert (summary.done, summary.exit_code) == (2, 0)
    assert reasons == {"a.mp3": "new", "b.mp3": "new"}
    summary, reasons = run(".")
    assert (summary.done, summary.skipped, summary.exit_code) == (0, 2, 0)
    assert reasons == {"a.mp3": "done", "b.mp3": "done"}


def test_what_has_changed_is_redone_and_only_that(run, tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.mp3").write_bytes(name.encode())
    run(".")
    before = (tmp_path / "a.txt").read_text()
    (tmp_path / "a.mp3").write_bytes(b"new sound")
    (tmp_path / "b.txt").unlink()
    assert run(".")[1] == {"a.mp3": "changed", "b.mp3": "missing", "c.mp3": "done"}
    assert run.made == {"a.mp3": {"txt", "srt"}, "b.mp3": {"txt"}}
    assert (tmp_path / "a.txt").read_text() != before
    assert set(run(".")[1].values()) == {"done"}


def test_another_model_or_other_options_redo_everything(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".")
    assert run(".", model="n")[1] == {"a.mp3": "model"}
    assert run(".", model="n", options="v2")[1] == {"a.mp3": "options"}
    assert run(".", model="n", options="v2")[1] == {"a.mp3": "done"}


def test_options_of_one_format_redo_that_format(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".")
    assert run(".", cues="c2")[1] == {"a.mp3": "options"}
    assert run.made == {"a.mp3": {"srt"}}
    assert (tmp_path / "a.srt").read_text().endswith("c2")


def test_another_format_is_made_beside_those_that_are_there(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".", formats=["txt"])
    run(".", formats=["txt", "srt"])
    assert run.made == {"a.mp3": {"srt"}}


def test_going_back_to_options_used_before_redoes(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".", options="v1")
    first = (tmp_path / "a.txt").read_text()
    run(".", options="v2")
    assert run(".", options="v1")[1] == {"a.mp3": "options"}
    assert (tmp_path / "a.txt").read_text() == first


def test_touching_or_copying_over_the_same_bytes_redoes_nothing(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".")
    os.utime(tmp_path / "a.mp3")
    assert run(".")[1] == {"a.mp3": "done"}


def test_files_that_are_not_ours_stay(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "a.txt").write_text("written by hand")
    assert run(".", formats=["txt"])[1] == {"a.mp3": "exists"}
    assert run(".", formats=["txt", "srt"])[1] == {"a.mp3": "new"}
    assert run.made == {"a.mp3": {"srt"}}
    assert "stays" in run.notices[0]
    assert (tmp_path / "a.txt").read_text() == "written by hand"


def test_corrected_subtitles_survive_the_nightly_run(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".")
    (tmp_path / "a.srt").write_text("corrected")
    assert run(".")[1] == {"a.mp3": "edited"}
    assert run(".", options="v2")[1] == {"a.mp3": "options"}
    assert run.made == {"a.mp3": {"txt"}}
    assert (tmp_path / "a.srt").read_text() == "corrected"
    assert run(".", existing=Existing.OVERWRITE)[1] == {"a.mp3": "overwrite"}
    assert (tmp_path / "a.srt").read_text() != "corrected"
    assert run(".")[1] == {"a.mp3": "done"}


def test_a_name_taken_by_another_recordings_output_is_left_to_it(run, tmp_path):
    for folder, sound in (("x", b"1"), ("y", b"2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp3").write_bytes(sound)
    run("x/a.mp3", output_dir=tmp_path / "out")
    assert run("y/a.mp3", output_dir=tmp_path / "out")[1] == {"y/a.mp3": "other"}
    (tmp_path / "x" / "a.mp3").rename(tmp_path / "x" / "moved")
    (tmp_path / "z").mkdir()
    (tmp_path / "x" / "moved").rename(tmp_path / "z" / "a.mp3")
    assert run("z/a.mp3", output_dir=tmp_path / "out")[1] == {"z/a.mp3": "done"}


def test_skip_existing_asks_nobody(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "a.txt").write_text("whatever")
    assert run(".", existing=Existing.SKIP)[1] == {"a.mp3": "new"}
    assert run.made == {"a.mp3": {"srt"}}
    (tmp_path / "a.mp3").write_bytes(b"changed")
    assert run(".", existing=Existing.SKIP, options="v2")[1] == {"a.mp3": "kept"}


def test_an_output_that_the_user_names_is_replaced_and_leaves_no_journal(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "out.txt").write_text("old")
    assert run("a.mp3", formats=["txt"], output="out.txt")[1] == {"a.mp3": "new"}
    assert (tmp_path / "out.txt").read_text() != "old"
    assert run("a.mp3", formats=["txt"], output="out.txt", existing=Existing.SKIP)[1] == {"a.mp3": "kept"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp3", "out.txt"]


def test_a_link_from_an_output_to_its_recording_cannot_destroy_the_recording(run, tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "a.txt").symlink_to("a.mp3")
    summary, _ = run("a.mp3", existing=Existing.OVERWRITE)
    assert summary.failures[0][1].code == "output"
    assert (tmp_path / "a.mp3").read_bytes() == b"1"


def test_the_same_folder_by_another_way_is_the_same_folder(run, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp3").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")
    run("link")
    assert run("real")[1] == {"real/a.mp3": "done"}
    (tmp_path / "link").unlink()
    (tmp_path / "real").rename(tmp_path / "moved")
    assert run("moved")[1] == {"moved/a.mp3": "done"}
