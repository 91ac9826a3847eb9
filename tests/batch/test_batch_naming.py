"""No two inputs ever write one file, and names do not wander from run to run."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asrcli.batch.naming import (
    DETECTED,
    NAME_MAX,
    STDIN,
    NameTemplate,
    awaits_language,
    collision_key,
    fit,
    fold,
    free_names,
    language_in,
    real_place,
    with_language,
)
from asrcli.batch.output_names import OutputRequest, _PresentNames, name_outputs

SUFFIXES = frozenset({".mp3", ".wav", ".m4a"})

# Few letters, so that names collide: case, composed and decomposed accents, dots, the marks of our own rungs.
letters = st.sampled_from(["a", "A", "b", ".", "~", "\u00e9", "e\u0301", "ß", "s", "\n", "\udcff"])
stems = st.lists(letters, min_size=1, max_size=4).map("".join)
endings = st.sampled_from([".mp3", ".MP3", ".wav", ".m4a", ".srt", ".txt", "", ".x"])
names = st.builds(str.__add__, stems, endings).filter(lambda name: name not in {".", ".."})
folders = st.sampled_from(["/r", "/r/a", "/R/a", "/q/a"])
paths = st.builds(lambda folder, name: Path(folder) / name, folders, names)


def files_of(claims: Sequence[OutputRequest], formats: Sequence[str], **options: Any) -> list[dict[str, Path]]:
    return [name.files(formats) for name in name_outputs(claims, formats, **options)]


def names_of(
    paths: list[Path],
    *,
    target: Path | None = None,
    formats: Sequence[str] = ("txt", "srt"),
    neighbours: Sequence[Path] = (),
) -> list[dict[str, Path]]:
    def claim(path: Path) -> OutputRequest:
        return OutputRequest(path, target or path.parent, target / path.parent.name if target else None)

    return files_of(
        [claim(path) for path in paths],
        formats,
        suffixes=SUFFIXES,
        neighbours=[claim(neighbour) for neighbour in neighbours],
        taken=paths,
    )


@settings(max_examples=300)
@given(st.lists(paths, unique=True, max_size=12), st.sampled_from([None, Path("/out"), Path("/r")]))
def test_no_two_outputs_are_one_file_and_none_is_an_input(paths: list[Path], target: Path | None) -> None:
    outputs = [path for files in names_of(paths, target=target) for path in files.values()]
    keys = [collision_key(path) for path in outputs]
    assert len(set(keys)) == len(keys) == 2 * len(paths)
    assert not set(keys) & {collision_key(path) for path in paths}


@settings(max_examples=300)
@given(st.lists(paths, unique=True, max_size=12), st.lists(paths, max_size=4), st.sampled_from([None, Path("/out")]))
def test_comparing_only_what_may_collide_gives_the_names_of_comparing_all(
    paths: list[Path], neighbours: list[Path], target: Path | None
) -> None:
    neighbours = [path for path in neighbours if path not in paths]
    some = names_of(paths, target=target, neighbours=neighbours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_PresentNames, "include", lambda *_: True)
        assert some == names_of(paths, target=target, neighbours=neighbours)


@settings(max_examples=200)
@given(st.lists(paths, unique=True, min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_names_do_not_depend_on_the_order_of_the_inputs(paths: list[Path], randomness: Any) -> None:
    shuffled = randomness.sample(paths, len(paths))
    assert dict(zip(paths, names_of(paths), strict=True)) == dict(zip(shuffled, names_of(shuffled), strict=True))


@settings(max_examples=200)
@given(st.lists(paths, unique=True, min_size=2, max_size=10), st.data())
def test_names_do_not_depend_on_which_of_the_recordings_in_a_folder_are_inputs(
    paths: list[Path], data: st.DataObject
) -> None:
    assume(not any(path.suffix in {".srt", ".txt"} for path in paths))
    chosen = data.draw(st.lists(st.sampled_from(paths), unique=True))
    rest = [path for path in paths if path not in chosen]
    together = dict(zip(paths, names_of(paths), strict=True))
    assert names_of(chosen, neighbours=rest) == [together[path] for path in chosen]


@settings(max_examples=200)
@given(st.text(min_size=1, max_size=300).filter(lambda text: "/" not in text and "\0" not in text))
def test_a_name_always_fits_the_file_system(stem: str) -> None:
    try:
        os.fsencode(stem)
    except UnicodeEncodeError:
        assume(False)
    name = fit(stem, ".jsonl")
    assert len(os.fsencode(name)) <= NAME_MAX
    assert name.endswith(".jsonl")


def test_long_names_that_begin_alike_stay_apart() -> None:
    one, other = fit("x" * 300 + "1", ".srt"), fit("x" * 300 + "2", ".srt")
    assert one != other
    assert one == fit("x" * 300 + "1", ".srt")


def named(*paths: str, **options: Any) -> list[str]:
    return [str(files["srt"]) for files in names_of([Path(path) for path in paths], formats=["srt"], **options)]


def test_the_usual_name_has_the_format_in_place_of_the_suffix() -> None:
    assert named("/r/talk.mp3", "/r/b.v2.wav") == ["/r/talk.srt", "/r/b.v2.srt"]


def test_an_ending_that_is_no_recordings_is_part_of_the_name() -> None:
    assert named("/r/talk 2024.05", "/r/noext") == ["/r/talk 2024.05.srt", "/r/noext.srt"]


def test_one_stem_with_two_suffixes_keeps_both() -> None:
    assert named("/r/a.mp3", "/r/a.wav") == ["/r/a.mp3.srt", "/r/a.wav.srt"]


def test_a_recording_beside_the_input_counts_though_it_is_no_input() -> None:
    assert named("/r/a.mp3", neighbours=[Path("/r/a.wav")]) == ["/r/a.mp3.srt"]


def test_names_that_differ_in_case_alone_stay_apart_on_every_file_system() -> None:
    one, other = named("/r/A.mp3", "/r/a.mp3")
    assert one.lower() != other.lower()


def test_equal_names_of_several_folders_go_to_subfolders_of_the_output_folder() -> None:
    assert named("/x/a.mp3", "/y/a.mp3", "/y/b.mp3", target=Path("/out")) == [
        "/out/x/a.srt",
        "/out/y/a.srt",
        "/out/b.srt",
    ]


def test_an_input_with_the_name_of_an_output_is_never_replaced() -> None:
    assert named("/r/a.mp3", "/r/a.srt") == ["/r/a.mp3.srt", "/r/a.srt.srt"]


@pytest.mark.parametrize(
    ("stem", "whole"),
    [("x" * 251, True), ("x" * 252, False), ("é" * 125, True), ("é" * 126, False), ("xé" * 90, False)],
)
def test_a_name_is_shortened_no_more_than_needed(stem: str, whole: bool) -> None:
    name = fit(stem, ".srt")
    if whole:
        assert name == f"{stem}.srt"
    else:
        head, mark = re.fullmatch(r"(.*)(~[0-9a-f]{12}\.srt)", name).groups()
        assert stem.startswith(head)
        assert len(os.fsencode(stem[: len(head) + 1] + mark)) > NAME_MAX >= len(os.fsencode(name))


def test_names_are_folded_as_file_systems_fold_them() -> None:
    assert fold("\u00c9") == fold("e\u0301") == "e\u0301"
    assert fold("Straße") == "strasse"
    assert fold("\u1e9b\u0323") == fold("\u017f\u0323\u0307")
    assert collision_key("/r/x/../A") == "/r/a"


def test_free_names_share_the_first_number_that_is_free_for_all(tmp_path: Path) -> None:
    outputs = {"txt": tmp_path / "stdin.txt", "srt": tmp_path / "stdin.srt"}

    def numbered(number: str) -> dict[str, Path]:
        return {suffix: tmp_path / f"stdin{number}.{suffix}" for suffix in outputs}

    assert free_names(outputs) == outputs
    (tmp_path / "stdin.srt").touch()
    assert free_names(outputs) == numbered("-2")
    (tmp_path / "stdin-2.txt").symlink_to("nowhere")
    (tmp_path / "stdin-4.txt").touch()
    assert free_names(outputs) == numbered("-3")
    (tmp_path / "stdin-3.txt").touch()
    assert free_names(outputs) == numbered("-5")
    long = {"srt": tmp_path / fit("x" * 251, ".srt")}
    long["srt"].touch()
    (shortened,) = free_names(long).values()
    assert re.fullmatch(r"x+~[0-9a-f]{12}\.srt", shortened.name)
    assert len(shortened.name) == NAME_MAX


def test_a_name_with_its_suffix_is_kept_where_another_input_can_still_take_its_own() -> None:
    """`a.mp3` has to keep its suffix because of `a.wav`; `a.mp3.wav`, which would be `a.mp3` without one, then too."""
    found = named("/r/a.mp3", "/r/a.wav", "/r/a.mp3.wav")
    assert sorted(found) == ["/r/a.mp3.srt", "/r/a.mp3.wav.srt", "/r/a.wav.srt"]


def test_the_hash_of_a_path_is_the_same_in_every_version() -> None:
    assert named("/r/A.mp3", "/r/a.mp3") == ["/r/A.mp3~7a69c88c.srt", "/r/a.mp3~e7cd5051.srt"]


def test_the_names_of_last_resort_carry_a_hash() -> None:
    def hashed(*paths: str) -> list[re.Match[str]]:
        return [re.fullmatch(r"/r/[aA]\.mp3~[0-9a-f]{8}\.srt", name) for name in named(*paths)]

    assert all(hashed("/r/A.mp3", "/r/a.mp3"))
    assert len(set(named("/r/A.mp3", "/r/a.mp3"))) == 2


def test_the_order_of_the_names_that_an_input_may_have() -> None:
    """Each name that is taken by another input leads to the next."""
    found = []
    taken = [Path("/x/a.mp3")]
    for _ in range(6):
        (files,) = files_of(
            [OutputRequest(Path("/x/a.mp3"), Path("/out"), Path("/out/x"))], ["srt"], suffixes=SUFFIXES, taken=taken
        )
        found.append(str(files["srt"]))
        taken.append(files["srt"])
    assert found[:4] == ["/out/a.srt", "/out/a.mp3.srt", "/out/x/a.srt", "/out/x/a.mp3.srt"]
    assert re.fullmatch(r"/out/a\.mp3~[0-9a-f]{8}\.srt", found[4])
    assert re.fullmatch(r"/out/a\.mp3~[0-9a-f]{32}\.srt", found[5])


def test_a_recorded_name_stays_with_its_recording(tmp_path: Path) -> None:
    def names_with(made: dict[str, str], *paths: str, formats: tuple[str, ...] = ("txt",)) -> list[str]:
        claims = [OutputRequest(tmp_path / path, tmp_path) for path in paths]
        places = {real_place(tmp_path / output): real_place(tmp_path / source) for output, source in made.items()}
        found = files_of(claims, formats, suffixes=SUFFIXES, made_from=lambda path: places.get(real_place(path)))
        return [files["txt"].name for files in found]

    made = {"a.txt": "a.mp3"}
    # The one whose name is recorded keeps it, wherever it comes in the row; the other gives way.
    assert names_with(made, "a.mp3", "a.wav") == ["a.txt", "a.wav.txt"]
    assert names_with(made, "a.wav", "a.mp3") == ["a.wav.txt", "a.txt"]
    # A longer name that was given once stays while its file is there, although the short one is free again.
    made = {"a.mp3.txt": "a.mp3"}
    assert names_with(made, "a.mp3") == ["a.txt"]
    (tmp_path / "a.mp3.txt").touch()
    assert names_with(made, "a.mp3") == ["a.mp3.txt"]
    assert names_with(made, "a.mp3", formats=("srt", "txt")) == ["a.mp3.txt"]
    assert names_with({"a.mp3.txt": "a.wav"}, "a.mp3") == ["a.txt"]


def test_a_recorded_name_is_kept_that_is_not_the_first_choice(tmp_path: Path) -> None:
    places = {real_place(tmp_path / "a.wav.txt"): real_place(tmp_path / "a.wav")}
    claims = [OutputRequest(tmp_path / name, tmp_path) for name in ("A.wav", "a.wav", "a.mp3")]
    found = files_of(claims, ["txt"], suffixes=SUFFIXES, made_from=places.get)
    first, second, third = (files["txt"].name for files in found)
    assert (second, third) == ("a.wav.txt", "a.mp3.txt")
    assert re.fullmatch(r"A\.wav~[0-9a-f]{8}\.txt", first)


def test_a_name_that_another_input_gave_up_in_an_earlier_run_stays_contested(tmp_path: Path) -> None:
    """A name that a file of the user's blocks is not exchanged for a short one in the next run."""
    places = {real_place(tmp_path / "a.wav.txt"): real_place(tmp_path / "a.wav")}
    (tmp_path / "a.wav.txt").touch()
    claims = [OutputRequest(tmp_path / name, tmp_path) for name in ("a.mp3", "a.wav", "b.mp3")]
    first, again = (
        [files["txt"].name for files in files_of(claims, ["txt"], suffixes=SUFFIXES, made_from=made)]
        for made in (lambda _path: None, places.get)
    )
    assert first == again == ["a.mp3.txt", "a.wav.txt", "b.txt"]
    # A short name that was given stays.
    places[real_place(tmp_path / "a.txt")] = real_place(tmp_path / "a.mp3")
    named = files_of(claims, ["txt"], suffixes=SUFFIXES, made_from=places.get)
    assert [files["txt"].name for files in named] == ["a.txt", "a.wav.txt", "b.txt"]


def test_a_file_lies_where_its_folder_really_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "a").symlink_to("b")
    assert real_place(tmp_path / "link" / "a") == real_place(tmp_path) / "real" / "a"


def test_a_template_names_the_outputs(tmp_path: Path) -> None:
    template = NameTemplate("{stem}.{language}_{model}-{suffix}", {"language": "en", "model": "a/b:c"})
    claims = [OutputRequest(tmp_path / name, tmp_path) for name in ("talk.MP3", "talk.wav", "other.mp3")]
    found = files_of(claims, ["srt"], suffixes=SUFFIXES, template=template)
    assert [files["srt"].name for files in found] == [
        "talk.en_a_b_c-mp3.srt", "talk.en_a_b_c-wav.srt", "other.en_a_b_c-mp3.srt",
    ]  # fmt: skip


def test_names_of_a_template_that_collide_keep_their_suffixes(tmp_path: Path) -> None:
    claims = [OutputRequest(tmp_path / name, tmp_path) for name in ("talk.mp3", "talk.wav")]
    template = NameTemplate("{stem}.{language}", {"language": "en"})
    found = files_of(claims, ["srt"], suffixes=SUFFIXES, template=template)
    assert [files["srt"].name for files in found] == ["talk.mp3.en.srt", "talk.wav.en.srt"]


def test_the_date_is_that_of_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.touch()
    os.utime(path, (86400 * 365.5, 86400 * 365.5))
    assert NameTemplate("{date} {stem}").fill("a", path) == "1971-01-01 a"
    assert NameTemplate("{date} {stem}").fill("a", tmp_path / "none.mp3") == "unknown a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{language}", "it needs {stem}, or all recordings would have one name"),
        ("", "it needs {stem}, or all recordings would have one name"),
        (".{stem}", "a name that begins with a dot is hidden"),
        ("{stem}{x}", "'{x}' is not a field; choose from {stem}, {suffix}, {language}, {model}, {date}"),
        ("{}{stem}", "'{}' is not a field; choose from {stem}, {suffix}, {language}, {model}, {date}"),
        ("{stem!r}", "'{stem}' is not a field; choose from {stem}, {suffix}, {language}, {model}, {date}"),
        ("{stem:>20}", "'{stem}' is not a field; choose from {stem}, {suffix}, {language}, {model}, {date}"),
        ("{stem}/a", "'/a' has a character that file names may not have"),
        ("a:{stem}", "'a:' has a character that file names may not have"),
    ],
)
def test_refused_templates_have_their_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        NameTemplate(text).check()


@pytest.mark.parametrize(
    "text", ["../{stem}", "{stem", "{stem}}", "{0}{stem}", "{stem.__class__}", "{stem[0]}", "{stem}\n", "{stem}\\a"]
)
def test_bad_templates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        NameTemplate(text).check()


@pytest.mark.parametrize("text", ["{stem}", "{stem}.{language}", "{date} {stem}-{suffix} {model}", "a{stem}"])
def test_good_templates_are_accepted(text: str) -> None:
    NameTemplate(text).check()


def test_an_empty_field_does_not_hide_an_output() -> None:
    template = NameTemplate("{suffix}.{stem}")
    assert [template.fill("talk", Path(name)) for name in ("talk.mp3", "talk")] == ["mp3.talk", "_.talk"]


def test_the_date_of_a_stream_is_today() -> None:
    template = NameTemplate("{stem}-{date}")
    assert template.fill("stdin", STDIN) == f"stdin-{time.strftime('%Y-%m-%d')}"
    assert template.fill("talk", Path("missing/talk.mp3")) == "talk-unknown"


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.en.srt", "en"),
        ("a.yue.srt", "yue"),
        ("a.srt", None),
        ("a.e.srt", None),
        ("b.en.srt", None),
        ("a.en.txt", None),
    ],
)
def test_the_language_in_a_name(name: str, language: str | None) -> None:
    assert language_in(name, f"a.{DETECTED}.srt") == language
    assert language_in("en-" + name, f"{DETECTED}-{name}") == "en"
    assert language_in(name, "a.srt") is None


def test_outputs_await_and_get_the_language() -> None:
    outputs = {"txt": Path(f"/x/a.{DETECTED}.txt"), "srt": Path(f"/x/a.{DETECTED}.srt")}
    assert awaits_language(outputs)
    assert awaits_language({"txt": Path("/x/a.txt"), "srt": Path(f"/x/a.{DETECTED}.srt")})
    assert not awaits_language({"txt": Path(f"/{DETECTED}/a.txt")})
    assert not awaits_language({"txt": Path("/x/a.{language}.txt")})
    assert not awaits_language({})
    assert with_language(outputs, "yue") == {"txt": Path("/x/a.yue.txt"), "srt": Path("/x/a.yue.srt")}
    assert with_language(outputs, None)["txt"] == Path("/x/a.und.txt")


@given(st.text(max_size=20), st.text(max_size=20))
def test_values_of_a_template_never_leave_the_folder(language: str, model: str) -> None:
    template = NameTemplate("{stem}.{language}.{model}", {"language": language, "model": model})
    (files,) = files_of([OutputRequest(Path("/x/a.mp3"), Path("/out"))], ["srt"], suffixes=SUFFIXES, template=template)
    assert files["srt"].parent == Path("/out")
    assert files["srt"].name.startswith("a.")
