"""No two inputs ever write one file, and names do not wander from run to run."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asrcli.batch.naming import NAME_MAX, OutputRequest, collision_key, fit, name_outputs

SUFFIXES = frozenset({".mp3", ".wav", ".m4a"})

# Few letters, so that names collide: case, composed and decomposed accents, dots, the marks of our own rungs.
letters = st.sampled_from(["a", "A", "b", ".", "~", "\u00e9", "e\u0301", "ß", "s", "\n", "\udcff"])
stems = st.lists(letters, min_size=1, max_size=4).map("".join)
endings = st.sampled_from([".mp3", ".MP3", ".wav", ".m4a", ".srt", ".txt", "", ".x"])
names = st.builds(str.__add__, stems, endings).filter(lambda name: name not in {".", ".."})
folders = st.sampled_from(["/r", "/r/a", "/R/a", "/q/a"])
paths = st.builds(lambda folder, name: Path(folder) / name, folders, names)


def names_of(paths, *, target=None, formats=("txt", "srt"), neighbours=()):
    def claim(path):
        return OutputRequest(path, target or path.parent, target / path.parent.name if target else None)

    return name_outputs(
        [claim(path) for path in paths],
        formats,
        suffixes=SUFFIXES,
        neighbours=[claim(path) for path in neighbours],
        taken=paths,
    )


@settings(deadline=None, max_examples=300)
@given(st.lists(paths, unique=True, max_size=12), st.sampled_from([None, Path("/out"), Path("/r")]))
def test_no_two_outputs_are_one_file_and_none_is_an_input(paths, target):
    outputs = [path for files in names_of(paths, target=target) for path in files.values()]
    keys = [collision_key(path) for path in outputs]
    assert len(set(keys)) == len(keys) == 2 * len(paths)
    assert not set(keys) & {collision_key(path) for path in paths}


@settings(deadline=None, max_examples=200)
@given(st.lists(paths, unique=True, min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_names_do_not_depend_on_the_order_of_the_inputs(paths, randomness):
    shuffled = randomness.sample(paths, len(paths))
    assert dict(zip(paths, names_of(paths), strict=True)) == dict(zip(shuffled, names_of(shuffled), strict=True))


@settings(deadline=None, max_examples=200)
@given(st.lists(paths, unique=True, min_size=2, max_size=10), st.data())
def test_names_do_not_depend_on_which_of_the_recordings_in_a_folder_are_inputs(paths, data):
    assume(not any(path.suffix in {".srt", ".txt"} for path in paths))
    chosen = data.draw(st.lists(st.sampled_from(paths), unique=True))
    rest = [path for path in paths if path not in chosen]
    together = dict(zip(paths, names_of(paths), strict=True))
    assert names_of(chosen, neighbours=rest) == [together[path] for path in chosen]


@settings(deadline=None, max_examples=200)
@given(st.text(min_size=1, max_size=300).filter(lambda text: "/" not in text and "\0" not in text))
def test_a_name_always_fits_the_file_system(stem):
    try:
        os.fsencode(stem)
    except UnicodeEncodeError:
        assume(False)
    name = fit(stem, ".jsonl")
    assert len(os.fsencode(name)) <= NAME_MAX
    assert name.endswith(".jsonl")


def test_long_names_that_begin_alike_stay_apart():
    one, other = fit("x" * 300 + "1", ".srt"), fit("x" * 300 + "2", ".srt")
    assert one != other
    assert one == fit("x" * 300 + "1", ".srt")


def named(*paths, **options):
    return [str(files["srt"]) for files in names_of([Path(path) for path in paths], formats=["srt"], **options)]


def test_the_usual_name_has_the_format_in_place_of_the_suffix():
    assert named("/r/talk.mp3", "/r/b.v2.wav") == ["/r/talk.srt", "/r/b.v2.srt"]


def test_an_ending_that_is_no_recordings_is_part_of_the_name():
    assert named("/r/talk 2024.05", "/r/noext") == ["/r/talk 2024.05.srt", "/r/noext.srt"]


def test_one_stem_with_two_suffixes_keeps_both():
    assert named("/r/a.mp3", "/r/a.wav") == ["/r/a.mp3.srt", "/r/a.wav.srt"]


def test_a_recording_beside_the_input_counts_though_nobody_asked_for_it():
    assert named("/r/a.mp3", neighbours=[Path("/r/a.wav")]) == ["/r/a.mp3.srt"]


def test_names_that_differ_in_case_alone_stay_apart_on_every_file_system():
    one, other = named("/r/A.mp3", "/r/a.mp3")
    assert one.lower() != other.lower()


def test_equal_names_of_several_folders_go_to_subfolders_of_the_output_folder():
    assert named("/x/a.mp3", "/y/a.mp3", "/y/b.mp3", target=Path("/out")) == [
        "/out/x/a.srt",
        "/out/y/a.srt",
        "/out/b.srt",
    ]


def test_an_input_that_stands_where_an_output_would_is_never_replaced():
    assert named("/r/a.mp3", "/r/a.srt") == ["/r/a.mp3.srt", "/r/a.srt.srt"]
