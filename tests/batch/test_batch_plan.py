"""From what the command line reports to inputs and outputs, on real folders."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from asrcli.audio.live_input import EndableStream
from asrcli.batch import JOURNAL_NAME
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.plan import Plan, make_plan
from asrcli.batch.schedule import Schedule
from asrcli.errors import InputUnreadableError, UsageError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str | bytes | Path, content: bytes = b"x") -> None:
    for name in names:
        path = Path(os.fsdecode(name)) if isinstance(name, bytes) else Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def plan_of(*paths: str | Path, stdin: bytes = b"", **options: Any) -> Plan:
    return make_plan(Inputs(paths=[str(path) for path in paths], **options), stdin=io.BytesIO(stdin))


def sources(plan: Plan) -> list[str]:
    return [str(item.source.path) if item.source.path else "-" for item in plan.items]


def outputs(plan: Plan, suffix: str = "txt") -> list[str]:
    return [str(item.outputs[suffix]) for item in plan.items]


def test_a_folder_is_walked_in_natural_order_files_before_folders(here: Path) -> None:
    touch("d/part10.mp3", "d/part2.wav", "d/Part1.flac", "d/b/x.m4a", "d/a/y.ogg", "d/notes.pdf", "d/cover.jpg")
    plan = plan_of("d")
    assert sources(plan) == ["d/Part1.flac", "d/part2.wav", "d/part10.mp3", "d/a/y.ogg", "d/b/x.m4a"]
    assert [item.index for item in plan.items] == [0, 1, 2, 3, 4]


def test_no_recursive(here: Path) -> None:
    touch("d/a.mp3", "d/sub/b.mp3")
    assert sources(plan_of("d", recursive=False)) == ["d/a.mp3"]


def test_hidden_files_our_outputs_and_temporary_files_are_no_inputs(here: Path) -> None:
    touch("d/a.mp3", "d/.b.mp3", "d/.git/c.mp3", "d/a.txt", "d/a.TextGrid", f"d/{JOURNAL_NAME}", "d/.asrcli-12.tmp")
    assert sources(plan_of("d")) == ["d/a.mp3"]
    assert sources(plan_of("d", include=["*"])) == ["d/a.mp3"]


@pytest.mark.parametrize(
    ("globs", "wanted"),
    [
        ({"include": ["*.MP3"]}, ["d/a.mp3", "d/sub/c.mp3"]),
        ({"include": ["*.xyz"]}, ["d/odd.xyz"]),
        ({"exclude": ["*.wav"]}, ["d/a.mp3", "d/sub/c.mp3"]),
        ({"exclude": ["sub"]}, ["d/a.mp3", "d/b.wav"]),
        ({"exclude": ["sub/c*"]}, ["d/a.mp3", "d/b.wav"]),
        ({"include": ["*.mp3", "*.wav"], "exclude": ["a*"]}, ["d/b.wav", "d/sub/c.mp3"]),
    ],
)
def test_globs(here: Path, globs: dict[str, Any], wanted: list[str]) -> None:
    touch("d/a.mp3", "d/b.wav", "d/sub/c.mp3", "d/odd.xyz")
    assert sources(plan_of("d", **globs)) == wanted


def test_exclude_holds_for_files_that_are_named_too_and_include_does_not(here: Path) -> None:
    touch("a.mp3", "b.wav")
    assert sources(plan_of("a.mp3", "b.wav", exclude=["b.*"], include=["*.flac"])) == ["a.mp3"]


def test_a_file_that_is_named_is_an_input_whatever_its_suffix(here: Path) -> None:
    touch("a.xyz")
    assert outputs(plan_of("a.xyz")) == ["a.xyz.txt"]


def test_loops_of_links_end(here: Path) -> None:
    touch("d/sub/a.mp3")
    Path("d/sub/up").symlink_to(here / "d")
    Path("d/self").symlink_to("self")
    Path("d/other").symlink_to("sub")
    Path("a-link").symlink_to("d")
    plan = plan_of("d")
    assert sources(plan) == ["d/sub/a.mp3"]
    assert plan.notices == ()
    assert sources(plan_of("a-link/other")) == ["a-link/other/a.mp3"]


@pytest.mark.parametrize("names", [("-", "-"), ("-", "/dev/fd/{}"), ("/dev/fd/{}", "-"), ("a", "a"), ("a", "./a")])
def test_what_is_named_twice_is_read_once(here: Path, names: tuple[str, str]) -> None:
    """Two readers of one pipe would get half of the sound each."""
    touch("a")
    ours, theirs = os.pipe()
    try:
        inputs = Inputs(paths=[name.format(ours) for name in names])
        plan = make_plan(inputs, stdin=cast("BinaryIO", EndableStream(ours)))
    finally:
        os.close(ours)
        os.close(theirs)
    assert len(plan.items) == len(plan.notices) == 1


def test_a_folder_named_twice_is_one_notice_and_not_one_for_each_file(here: Path) -> None:
    touch("d/a.mp3", "d/sub/b.mp3", "d/sub/c.mp3")
    plan = plan_of("d", "d/sub", "d")
    assert sources(plan) == ["d/a.mp3", "d/sub/b.mp3", "d/sub/c.mp3"]
    assert [notice.split(":")[0] for notice in plan.notices] == ["d/sub", "d"]
    assert sources(plan_of("d/sub", "d")) == ["d/sub/b.mp3", "d/sub/c.mp3", "d/a.mp3"]


def test_one_file_under_several_names_is_taken_once_and_said_so(here: Path) -> None:
    touch("d/a.mp3")
    Path("d/b.mp3").symlink_to("a.mp3")
    os.link("d/a.mp3", "d/c.mp3")
    plan = plan_of("d", "d/a.mp3", here / "d" / "a.mp3")
    assert sources(plan) == ["d/a.mp3"]
    assert [notice.split(":")[0] for notice in plan.notices] == ["d/b.mp3", "d/c.mp3", "d/a.mp3", f"{here}/d/a.mp3"]


def test_what_cannot_be_read_fails_alone(here: Path) -> None:
    touch("a.mp3")
    Path("d").mkdir()
    Path("d/gone.mp3").symlink_to("nowhere.mp3")
    plan = plan_of("missing.mp3", "a.mp3", "d", "x" * 300 + ".mp3")
    assert sources(plan) == ["a.mp3"]
    assert [problem.name for problem in plan.problems] == ["missing.mp3", "d/gone.mp3", "x" * 300 + ".mp3"]
    assert all(isinstance(problem.error, InputUnreadableError) for problem in plan.problems)
    assert all(problem.error.hint for problem in plan.problems)
    assert len(plan) == 4


def test_a_folder_that_may_not_be_read_fails_alone(unprivileged: Path) -> None:
    touch(unprivileged / "a.mp3", unprivileged / "shut" / "b.mp3")
    (unprivileged / "shut").chmod(0)
    plan = plan_of(unprivileged)
    assert sources(plan) == [str(unprivileged / "a.mp3")]
    assert [problem.name for problem in plan.problems] == [str(unprivileged / "shut")]
    assert "permission" in plan.problems[0].error.message


@pytest.mark.parametrize(
    "listing",
    [
        b"a.mp3\nsub dir/b.mp3\n",
        b"a.mp3\r\nsub dir/b.mp3",
        b"\xef\xbb\xbfa.mp3\n\nsub dir/b.mp3\n",
        b"a.mp3\0sub dir/b.mp3\0",
    ],
    ids=["lines", "windows", "bom", "nul"],
)
@pytest.mark.parametrize("from_stdin", [True, False])
def test_files_from(here: Path, listing: bytes, from_stdin: bool) -> None:
    touch("a.mp3", "sub dir/b.mp3")
    Path("list").write_bytes(listing)
    plan = plan_of(files_from="-" if from_stdin else "list", stdin=listing)
    assert sources(plan) == ["a.mp3", "sub dir/b.mp3"]


def test_files_from_takes_names_that_hold_newlines_and_odd_bytes_and_folders(here: Path) -> None:
    touch(b"new\nline.mp3", b"\xff\xfe.mp3", "d/c.mp3")
    listing = b"new\nline.mp3\0\xff\xfe.mp3\0d\0"
    plan = plan_of(files_from="-", stdin=listing)
    assert [os.fsencode(item.source.path) for item in plan.items] == [b"new\nline.mp3", b"\xff\xfe.mp3", b"d/c.mp3"]
    assert plan.items[1].source.name == "\ufffd\ufffd.mp3", "messages and transcripts are valid UTF-8"
    assert [os.fsencode(item.outputs["txt"]) for item in plan.items] == [b"new\nline.txt", b"\xff\xfe.txt", b"d/c.txt"]


def test_stdin_goes_to_stdout_or_where_it_is_sent(here: Path) -> None:
    plan = plan_of("-", stdin=b"RIFF")
    assert plan.items[0].stdout == "txt"
    assert plan.items[0].outputs == {}
    assert plan.items[0].source.stream.read() == b"RIFF"
    assert outputs(plan_of("-", output_dir=Path("out"))) == ["out/stdin.txt"]
    assert outputs(plan_of("-", output="result.txt")) == ["result.txt"]


def test_a_named_pipe_is_a_stream(here: Path) -> None:
    os.mkfifo("pipe.wav")
    item = plan_of("pipe.wav").items[0]
    assert item.stream
    assert item.stdout == "txt"
    assert item.journal is None


def test_output_dir_mirrors_the_folder_that_was_given(here: Path) -> None:
    touch("in/deep/a.mp3", "in/deep/er/b.mp3", "c.mp3")
    plan = plan_of("in", "c.mp3", output_dir=Path("out"), formats=["txt", "srt"])
    assert outputs(plan, "srt") == ["out/deep/a.srt", "out/deep/er/b.srt", "out/c.srt"]
    assert {item.journal for item in plan.items} == {Path("out") / JOURNAL_NAME}


def test_two_folders_that_hold_one_name_meet_in_the_output_folder_under_their_own(here: Path) -> None:
    touch("one/sub/a.mp3", "two/sub/a.mp3")
    assert outputs(plan_of("one", "two", output_dir=Path("out"))) == ["out/one/sub/a.txt", "out/two/sub/a.txt"]


def test_beside_the_inputs_each_folder_has_its_journal(here: Path) -> None:
    touch("d/a.mp3", "d/sub/b.mp3")
    assert [item.journal for item in plan_of("d").items] == [Path("d") / JOURNAL_NAME, Path("d/sub") / JOURNAL_NAME]
    assert {item.journal for item in plan_of("d", journal=Path("j")).items} == {Path("j")}


def test_shell_globs_over_a_folder_with_results_do_not_take_those_for_inputs(here: Path) -> None:
    touch("a.mp3", "a.txt", "a.srt", "b.wav", "b.wav.json", "notes.txt")
    plan = plan_of("a.mp3", "a.srt", "a.txt", "b.wav", "b.wav.json", "notes.txt")
    assert sources(plan) == ["a.mp3", "b.wav", "notes.txt"]
    assert len(plan.notices) == 3
    assert outputs(plan) == ["a.txt", "b.txt", "notes.txt.txt"]


def test_two_file_systems_worth_of_case(here: Path) -> None:
    touch("d/A.mp3", "d/a.mp3")
    names = {name.lower() for name in outputs(plan_of("d"))}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paths": []}, "nothing to transcribe"),
        ({"paths": ["empty"]}, "nothing to transcribe"),
        ({"paths": ["-"], "files_from": "-"}, "Stdin"),
        ({"paths": ["a.mp3", "b.mp3"], "output": "x.txt"}, "one file"),
        ({"paths": ["a.mp3"], "output": "x", "formats": ["txt", "srt"]}, "one format"),
        ({"paths": ["-"], "formats": ["txt", "srt"]}, "one format"),
        ({"paths": ["a.mp3"], "output": "x", "output_dir": Path("y")}, "exclude"),
        ({"paths": ["a.mp3"], "output": "./sub/../a.mp3"}, "input itself"),
        ({"paths": ["a.mp3"], "output": "link"}, "input itself"),
        ({"paths": ["a.mp3"], "output": "empty"}, "folder"),
        ({"files_from": "missing"}, "files-from"),
    ],
)
def test_requests_that_make_no_sense(here: Path, options: dict[str, Any], message: str) -> None:
    touch("a.mp3", "b.mp3")
    Path("empty").mkdir()
    Path("sub").mkdir()
    Path("link").symlink_to("a.mp3")
    with pytest.raises(UsageError, match=message) as caught:
        make_plan(Inputs(**options), stdin=io.BytesIO())
    assert caught.value.hint


def test_names_as_long_as_the_file_system_allows_get_outputs_that_can_be_written(here: Path) -> None:
    name = "é" * 125 + ".mp3"  # 254 bytes
    touch(name)
    plan = plan_of(name, formats=["jsonl"])
    Path(outputs(plan, "jsonl")[0]).write_text("it fits")
    assert outputs(plan, "jsonl")[0].endswith(".jsonl")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_list_in_any_unicode_encoding(here: Path, encoding: str) -> None:
    touch("Gespräch.mp3", "采访.wav")
    mark = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}.get(encoding, "")
    (here / "list.txt").write_bytes((mark + "Gespräch.mp3\r\n采访.wav\r\n").encode(encoding))
    plan = make_plan(Inputs(files_from="list.txt"))
    assert sources(plan) == ["Gespräch.mp3", "采访.wav"]


@pytest.mark.parametrize("suffix", [".ts", ".TS", ".dat", ".trp"])
def test_a_walk_takes_a_file_with_an_ambiguous_suffix_if_its_content_is_a_recording(here: Path, suffix: str) -> None:
    touch(f"d/program{suffix}", content=b"export const x = 1;\n" * 200)
    touch(f"d/late{suffix}", content=(b"\x47" + bytes(187)) * 20)
    touch(f"d/picture{suffix}", content=b"\x00\x00\x01\xba" + bytes(2000))
    plan = plan_of("d")
    assert sources(plan) == [f"d/late{suffix}", f"d/picture{suffix}"]
    assert plan.notices == (f"d: 1 file has another suffix ({suffix.lower()} 1); --include takes them.",)


def test_a_notice_counts_the_files_of_other_suffixes(here: Path) -> None:
    touch("d/a.mp3", "d/b.xyz", "d/sub/c.XYZ", "d/sub/README", "d/e.srt", "d/.hidden", "d/left/out.abc")
    plan = plan_of("d", exclude=["left"])
    assert sources(plan) == ["d/a.mp3"]
    assert plan.notices == ("d: 3 files have other suffixes (.xyz 2, no suffix 1); --include takes them.",)
    assert plan_of("d", include=["*.mp3"]).notices == ()


def test_inputs_without_an_output_go_first_then_the_longest(here: Path) -> None:
    for number, name in enumerate(("short", "long", "done", "new")):
        touch(f"in/{name}.wav", content=b"x" * (1, 9, 99, 5)[number])
    touch("out/done.txt")
    schedule = Schedule(plan_of("in", output_dir=Path("out")).items, ahead=1)
    order = []
    while (taken := schedule.next(lambda: False)) is not None:
        order.append(taken[0].source.path.stem)
    assert order == ["long", "new", "short", "done"]
    assert schedule.estimate == pytest.approx(114 / 64_000)
    assert schedule.streams == schedule.shown == []


def test_an_output_dir_that_is_a_file_is_refused(here: Path) -> None:
    touch("a.wav", "out")
    with pytest.raises(UsageError, match="--output-dir out is not a folder"):
        plan_of("a.wav", output_dir=Path("out"))
