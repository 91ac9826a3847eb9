"""What a later run does, reported by the reasons it gives; with real files and a real journal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from asrcli.audio.types import Source
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.decision import SKIPPED_WITHOUT_RESULT, Decision, Existing, SkipRule, decide, named_before
from asrcli.batch.events import FileDone, FileSkipped, FileStarted, Notice
from asrcli.batch.executor import Executor
from asrcli.batch.inputs.addresses import Address
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.journal import Journal
from asrcli.batch.journal.records import OutputRecord
from asrcli.batch.naming import DETECTED
from asrcli.batch.plan import make_plan
from asrcli.batch.recording import Item
from asrcli.batch.results.processing import Processing
from asrcli.batch.summary import Summary
from asrcli.errors import ExitCode, InputError, InputUnreadableError, OptionNotSupportedError, OutputError
from asrcli.storage import objects
from asrcli.storage.atomic import digest
from asrcli.storage.objects import ObjectState
from asrcli.storage.places import place_of


@pytest.fixture
def run(tmp_path: Path, program: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a batch in this process; returns its summary and, by input, the reason for what was done."""
    monkeypatch.chdir(tmp_path)

    def read(source: Source) -> bytes:
        return source.path.read_bytes() if source.path else source.stream.read()

    def once(
        *paths: str,
        existing: Existing = Existing.JOURNAL,
        model: str = "m",
        options: str = "v1",
        cues: str = "c1",
        formats: Sequence[str] = ("txt", "srt"),
        **where: Any,
    ) -> tuple[Summary, dict[str, str]]:
        events: list[Any] = []
        work = Processing(
            transcribe=lambda item, _: program.transcript_of(read(item.source), "name", options + model),
            render=lambda _item, transcript, suffix: (
                program.render(transcript, suffix) + (cues if suffix == "srt" else "")
            ),
            recipe=CacheKey(model=model, options=options, formats={"srt": cues}),
            existing=existing,
        )
        plan = make_plan(
            Inputs(paths=[str(path) for path in paths], formats=formats, **where), suffixes=program.SUFFIXES
        )
        summary = Executor(work, on_event=events.append).run(plan)
        reasons = {event.name: event.reason for event in events if isinstance(event, (FileStarted, FileSkipped))}
        done.warnings = [text for event in events if isinstance(event, FileDone) for text in event.warnings]
        done.made = {event.name: set(event.outputs) for event in events if isinstance(event, FileDone)}
        done.notices = [event.message for event in events if isinstance(event, Notice)]
        return summary, reasons

    done: Any = once
    return done


def test_a_second_run_has_nothing_to_do(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "b.mp3").write_bytes(b"2")
    summary, reasons = run(".")
    assert (summary.done, summary.exit_code) == (2, 0)
    assert reasons == {"a.mp3": "new", "b.mp3": "new"}
    summary, reasons = run(".")
    assert (summary.done, summary.skipped, summary.exit_code) == (0, 2, 0)
    assert reasons == {"a.mp3": "done", "b.mp3": "done"}


def test_what_has_changed_is_redone_and_only_that(run: Any, tmp_path: Path) -> None:
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


def test_another_model_or_other_options_redo_everything(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".")
    assert run(".", model="n")[1] == {"a.mp3": "model"}
    assert run(".", model="n", options="v2")[1] == {"a.mp3": "options"}
    assert run(".", model="n", options="v2")[1] == {"a.mp3": "done"}


def test_options_of_one_format_redo_that_format(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".")
    assert run(".", cues="c2")[1] == {"a.mp3": "options"}
    assert run.made == {"a.mp3": {"srt"}}
    assert (tmp_path / "a.srt").read_text().endswith("c2")


def test_another_format_is_made_beside_those_that_are_there(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".", formats=["txt"])
    run(".", formats=["txt", "srt"])
    assert run.made == {"a.mp3": {"srt"}}


def test_going_back_to_options_used_before_redoes(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".", options="v1")
    first = (tmp_path / "a.txt").read_text()
    run(".", options="v2")
    assert run(".", options="v1")[1] == {"a.mp3": "options"}
    assert (tmp_path / "a.txt").read_text() == first


def test_touching_or_copying_over_the_same_bytes_redoes_nothing(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".")
    os.utime(tmp_path / "a.mp3")
    assert run(".")[1] == {"a.mp3": "done"}


def test_files_that_are_not_ours_stay(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "a.txt").write_text("written by hand")
    summary, reasons = run(".", formats=["txt"])
    assert reasons == {"a.mp3": "exists"}
    assert (summary.skipped, summary.without_result, summary.exit_code) == (1, 1, ExitCode.SOME_FAILED)
    summary, reasons = run(".", formats=["txt", "srt"])
    assert reasons == {"a.mp3": "new"}
    assert run.made == {"a.mp3": {"srt"}}
    assert (summary.done, summary.without_result, summary.exit_code) == (1, 1, ExitCode.SOME_FAILED)
    assert "txt: not written" in run.warnings[0]
    assert (tmp_path / "a.txt").read_text() == "written by hand"


def test_corrected_subtitles_survive_the_nightly_run(run: Any, tmp_path: Path) -> None:
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


def test_a_name_taken_by_another_recordings_output_is_left_to_it(run: Any, tmp_path: Path) -> None:
    for folder, sound in (("x", b"1"), ("y", b"2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp3").write_bytes(sound)
    run("x/a.mp3", output_dir=tmp_path / "out")
    assert run("y/a.mp3", output_dir=tmp_path / "out")[1] == {"y/a.mp3": "other"}
    (tmp_path / "x" / "a.mp3").rename(tmp_path / "x" / "moved")
    (tmp_path / "z").mkdir()
    (tmp_path / "x" / "moved").rename(tmp_path / "z" / "a.mp3")
    assert run("z/a.mp3", output_dir=tmp_path / "out")[1] == {"z/a.mp3": "done"}


def test_skip_existing_keeps_any_existing_output(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "a.txt").write_text("whatever")
    assert run(".", existing=Existing.SKIP)[1] == {"a.mp3": "new"}
    assert run.made == {"a.mp3": {"srt"}}
    (tmp_path / "a.mp3").write_bytes(b"changed")
    assert run(".", existing=Existing.SKIP, options="v2")[1] == {"a.mp3": "kept"}


def test_an_output_that_the_user_names_is_replaced_and_leaves_no_journal(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "out.txt").write_text("old")
    assert run("a.mp3", formats=["txt"], output="out.txt")[1] == {"a.mp3": "new"}
    assert (tmp_path / "out.txt").read_text() != "old"
    assert run("a.mp3", formats=["txt"], output="out.txt", existing=Existing.SKIP)[1] == {"a.mp3": "kept"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp3", "out.txt"]


def test_a_link_from_an_output_to_its_recording_cannot_destroy_the_recording(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "a.txt").symlink_to("a.mp3")
    summary, _ = run("a.mp3", existing=Existing.OVERWRITE)
    assert summary.failures[0][1].code == "output"
    assert (tmp_path / "a.mp3").read_bytes() == b"1"


def test_the_same_folder_by_another_way_is_the_same_folder(run: Any, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp3").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")
    run("link")
    assert run("real")[1] == {"real/a.mp3": "done"}
    (tmp_path / "link").unlink()
    (tmp_path / "real").rename(tmp_path / "moved")
    assert run("moved")[1] == {"moved/a.mp3": "done"}


def test_an_edited_output_of_another_recording_is_not_a_result(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".", formats=["txt"], output_dir=tmp_path / "out")
    (tmp_path / "out" / "a.txt").write_text("corrected")
    (tmp_path / "a.mp3").rename(tmp_path / "old.mp3")
    (tmp_path / "a.wav").write_bytes(b"2")
    summary, reasons = run("a.wav", formats=["txt"], output_dir=tmp_path / "out")
    assert reasons == {"a.wav": "other"}
    assert summary.exit_code == ExitCode.SOME_FAILED


def test_another_recording_under_the_same_name_is_transcribed(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "REC001.mp3"
    path.write_bytes(b"one")
    os.utime(path, (10**9, 10**9))
    run(".")
    before = (tmp_path / "REC001.txt").read_text()
    (tmp_path / "card").write_bytes(b"two")
    os.utime(tmp_path / "card", (10**9, 10**9))
    (tmp_path / "card").replace(path)
    assert run(".")[1] == {"REC001.mp3": "changed"}
    assert (tmp_path / "REC001.txt").read_text() != before


def test_names_stay_when_a_neighbour_appears_and_when_it_disappears(run: Any, tmp_path: Path) -> None:
    (tmp_path / "talk.ogg").write_bytes(b"1")
    assert run(".", formats=["txt"])[1] == {"talk.ogg": "new"}
    (tmp_path / "talk.mp3").write_bytes(b"2")
    assert run(".", formats=["txt"])[1] == {"talk.ogg": "done", "talk.mp3": "new"}
    assert {path.name for path in tmp_path.glob("*.txt")} == {"talk.txt", "talk.mp3.txt"}
    (tmp_path / "talk.wav").write_bytes(b"3")
    assert run("talk.wav", formats=["txt"])[1] == {"talk.wav": "new"}
    assert {path.name for path in tmp_path.glob("*.txt")} == {"talk.txt", "talk.mp3.txt", "talk.wav.txt"}
    (tmp_path / "talk.ogg").unlink()
    (tmp_path / "talk.wav").unlink()
    assert run(".", formats=["txt"])[1] == {"talk.mp3": "done"}


@pytest.mark.parametrize("existing", [Existing.JOURNAL, Existing.SKIP])
def test_a_stream_is_never_skipped_and_replaces_nothing(run: Any, tmp_path: Path, existing: Existing) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "pipe.txt").write_text("yesterday's")
    for number in (2, 3):
        os.mkfifo(tmp_path / "pipe.wav")
        writer = Thread(target=(tmp_path / "pipe.wav").write_bytes, args=(b"%d" % number,))
        writer.start()
        summary, reasons = run("pipe.wav", formats=["txt"], output_dir=folder, existing=existing)
        writer.join()
        (tmp_path / "pipe.wav").unlink()
        assert (reasons, summary.done) == ({"pipe.wav": "new"}, 1)
    texts = {path.name: path.read_text() for path in folder.glob("*.txt")}
    assert set(texts) == {"pipe.txt", "pipe-2.txt", "pipe-3.txt"}
    assert texts["pipe.txt"] == "yesterday's"
    assert texts["pipe-2.txt"] != texts["pipe-3.txt"]


RECIPE = CacheKey(model="m", options="o")


def item_of(tmp_path: Path, name: str = "a.mp3", **fields: Any) -> Item:
    outputs = {suffix: tmp_path / f"a.{suffix}" for suffix in ("txt", "srt")}
    return Item(0, Source(name, tmp_path / name), outputs, **fields)


@pytest.mark.parametrize("existing", list(Existing))
def test_what_goes_to_stdout_is_always_new(tmp_path: Path, existing: Existing) -> None:
    assert decide(item_of(tmp_path, stdout="txt"), None, RECIPE, existing) == Decision("new", {})


def test_without_a_journal_whatever_exists_is_kept_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    item = item_of(tmp_path)
    assert decide(item, None, RECIPE, Existing.JOURNAL) == Decision("new", item.outputs)
    (tmp_path / "a.srt").touch()
    text = {"txt": tmp_path / "a.txt"}
    assert decide(item, None, RECIPE, Existing.JOURNAL) == Decision("new", text, blocked=("srt",))
    assert decide(item, None, RECIPE, Existing.SKIP) == Decision("new", text)
    assert decide(item, None, RECIPE, Existing.OVERWRITE) == Decision("overwrite", item.outputs)
    named = item_of(tmp_path, named=True)
    assert decide(named, None, RECIPE, Existing.JOURNAL) == Decision("new", item.outputs)
    (tmp_path / "a.txt").touch()
    assert decide(item, None, RECIPE, Existing.JOURNAL) == Decision("exists", {}, blocked=("txt", "srt"))
    assert decide(item, None, RECIPE, Existing.SKIP) == Decision("kept", {})
    assert [decide(item, None, RECIPE, existing).skip for existing in Existing] == [True, False, True]


def test_a_stream_replaces_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    item = item_of(tmp_path, stream=True)
    numbered = {suffix: tmp_path / f"a-2.{suffix}" for suffix in ("txt", "srt")}
    for existing in (Existing.JOURNAL, Existing.SKIP):
        assert decide(item, None, RECIPE, existing) == Decision("new", numbered, fresh=True)
    assert decide(item, None, RECIPE, Existing.OVERWRITE) == Decision("new", item.outputs)


def test_a_stream_whose_named_output_exists_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "a.srt").touch()
    decision = decide(item_of(tmp_path, stream=True, named=True), None, RECIPE, Existing.SKIP)
    assert decision.skip
    assert decision.reason in SKIPPED_WITHOUT_RESULT


def test_a_link_to_the_recording_and_a_missing_recording_are_errors(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", read_only=True)
    with pytest.raises(InputError, match=r"a\.mp3"):
        decide(item_of(tmp_path), journal, RECIPE, Existing.JOURNAL)
    (tmp_path / "a.mp3").write_bytes(b"1")
    (tmp_path / "a.srt").symlink_to("a.mp3")
    with pytest.raises(OutputError, match="is a link to the recording itself") as caught:
        decide(item_of(tmp_path), None, RECIPE, Existing.OVERWRITE)
    assert caught.value.hint == "Remove that link, or use --output-dir."


def test_a_recorded_length_is_known_for_the_same_bytes_alone(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".")
    (journal_file,) = tmp_path.glob(".*")
    item = item_of(tmp_path)
    journal = Journal(journal_file, read_only=True)
    known = decide(item, journal, RECIPE, Existing.JOURNAL)
    assert (known.reason, known.edited, known.blocked, known.fresh) == ("options", (), (), False)
    assert known.duration == journal.written(item.outputs["txt"])[-1].duration
    assert known.recording.path == item.source.path
    (tmp_path / "a.txt").write_text("corrected")
    assert decide(item, journal, RECIPE, Existing.JOURNAL).edited == ("txt",)
    (tmp_path / "a.mp3").write_bytes(b"other")
    changed = decide(item, journal, RECIPE, Existing.JOURNAL)
    assert (changed.duration, changed.reason) == (None, "changed")
    journal.close()


def test_warnings_are_those_of_a_result_that_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    item, journal = item_of(tmp_path), Journal(tmp_path / "journal.jsonl")
    recording = decide(item, journal, RECIPE, Existing.JOURNAL).recording
    assert recording is not None
    made = [OutputRecord(suffix, path, 4, digest(b"text")) for suffix, path in item.outputs.items()]
    for path in item.outputs.values():
        path.write_bytes(b"text")
    journal.record(recording, RECIPE, 1.0, made, warnings=["noisy"])
    assert decide(item, journal, RECIPE, Existing.JOURNAL).warnings == ("noisy",)
    changed = decide(item, journal, CacheKey(model="m", options="other"), Existing.JOURNAL)
    assert (changed.reason, changed.duration, changed.warnings) == ("options", 1.0, ())
    journal.close()


def test_an_address_that_was_not_fetched_is_as_it_was_when_a_result_was_made(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".")
    (journal_file,) = tmp_path.glob(".*")
    (tmp_path / "a.mp3").unlink()
    journal = Journal(journal_file, read_only=True)
    place = tmp_path / "a.mp3"
    item = replace(item_of(tmp_path, address=Address("https://host/a.mp3", place)), source=Source("a.mp3"))
    (written,) = {record.content for record in journal.written(item.outputs["txt"])}
    known = decide(item, journal, RECIPE, Existing.JOURNAL)
    assert known.recording is not None
    assert (known.reason, known.recording.path, known.recording.digest) == ("options", place, written)
    other = replace(item, address=Address("https://host/b.mp3", tmp_path / "b.mp3"))
    assert decide(other, journal, RECIPE, Existing.JOURNAL).recording is None
    journal.close()


def test_the_version_of_an_address_is_that_of_its_last_result(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (tmp_path / "fetched").write_bytes(b"1")
    journal = Journal(tmp_path / "journal.jsonl")
    unfetched = replace(item_of(tmp_path, address=Address("https://host/a.mp3", place)), source=Source("a.mp3"))
    for version in ("one", "two", "three"):
        fetched = replace(
            unfetched,
            source=Source("a.mp3", tmp_path / "fetched"),
            address=Address("https://host/a.mp3", place, version),
        )
        recording = decide(fetched, journal, RECIPE, Existing.JOURNAL).recording
        assert recording is not None
        assert recording.version == version
        for suffix, path in fetched.outputs.items():
            path.write_text(version)
            made = OutputRecord(suffix, path, len(version), digest(version.encode()))
            journal.record(replace(recording, digest=version), RECIPE, 1.0, [made])
    known = decide(unfetched, journal, RECIPE, Existing.JOURNAL).recording
    assert known is not None
    assert (known.path, known.digest, known.version) == (place, "three", "three")
    journal.close()


def test_subtitles_of_an_earlier_run_are_no_reason_to_skip(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"1")
    run(".")
    (journal_file,) = tmp_path.glob(".*")
    item, rules = item_of(tmp_path), [SkipRule("subtitles")]
    item.outputs["srt"].write_text("00:01.000 --> 00:02.000\nHello\n")
    journal = Journal(journal_file, read_only=True)
    assert decide(item, journal, RECIPE, Existing.JOURNAL, rules).reason == "options"
    journal.close()
    assert decide(item, None, RECIPE, Existing.JOURNAL, rules) == Decision("subtitles", {})


def test_an_input_named_after_its_language_has_the_name_of_an_earlier_run(tmp_path: Path) -> None:
    awaiting = replace(item_of(tmp_path), outputs={"txt": tmp_path / f"a.{DETECTED}.txt"})
    journal = Journal(tmp_path / "journal", read_only=True)
    assert named_before(awaiting, None, Existing.SKIP) == awaiting
    assert named_before(awaiting, journal, Existing.SKIP) == awaiting
    (tmp_path / "a.en.txt").touch()
    assert named_before(awaiting, journal, Existing.SKIP).outputs == {"txt": tmp_path / "a.en.txt"}
    assert named_before(awaiting, journal, Existing.JOURNAL) == awaiting
    journal.close()


def test_a_recording_in_a_store_is_known_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of("s3://bucket/a.wav")
    item = Item(0, Source("s3://bucket/a.wav", place), {"txt": tmp_path / "a.txt"})
    recipe = CacheKey(model="m", options="o")
    state: ObjectState | None = None
    monkeypatch.setattr(objects, "state_of", lambda asked: state if asked == place else None)
    journal = Journal(tmp_path / "journal.jsonl")

    def reason() -> str:
        return decide(item, journal, recipe, Existing.JOURNAL).reason

    def write() -> None:
        decision = decide(item, journal, recipe, Existing.JOURNAL)
        (tmp_path / "a.txt").write_bytes(b"text")
        made = OutputRecord("txt", tmp_path / "a.txt", 4, digest(b"text"))
        journal.record(decision.recording, recipe, 1.0, [made])

    with pytest.raises(InputUnreadableError, match=r"s3://bucket/a.wav: no such object"):
        reason()
    state = ObjectState(5, "one", settled=True)
    assert reason() == "new"
    write()
    assert reason() == "done"
    state = ObjectState(5, "two", settled=True)
    assert reason() == "changed"
    state = ObjectState(5, "three", settled=False)
    write()
    assert reason() == "changed", "it may have changed without another version"
    with pytest.raises(OptionNotSupportedError) as caught:
        decide(item, journal, recipe, Existing.JOURNAL, [SkipRule("subtitles")])
    assert str(caught.value) == "--skip-if looks into files of this machine. Leave it out, or use --exclude."
    journal.close()
