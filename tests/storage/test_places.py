"""Places: the paths of files in stores."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.batch import journal_of
from asrcli.batch.inputs.paths import printable
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.plan import make_plan
from asrcli.errors import MissingExtraError, UsageError
from asrcli.storage.atomic import check_writable
from asrcli.storage.places import is_plain, is_stored, output_place, place_of, uri_of

KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(is_plain)


@given(st.sampled_from(["s3", "gs", "az"]), KEYS)
def test_a_uri_and_its_place_are_the_same_file(scheme: str, key: str) -> None:
    uri = f"{scheme}://bucket/{key}"
    place = place_of(uri)
    assert place is not None
    assert is_stored(place)
    assert (uri_of(place), printable(place)) == (uri, uri)
    assert uri_of(place / "a.txt") == f"{uri}/a.txt"
    assert place_of(Path(uri)) == place  # which has one slash less
    assert place_of(place) is None


@pytest.mark.parametrize("name", ["a.wav", "/srv/s3:/a.wav", "s3/a.wav", "s3:", "https://host/a.wav", "./s3:/b/a.wav"])
def test_paths_of_this_machine_and_addresses_are_no_places(name: str) -> None:
    assert place_of(name) is None
    assert not is_stored(name)
    assert uri_of(name) == name


@pytest.mark.parametrize("uri", ["s3://b/a//c", "s3://b/./c", "gs://b/x/../c", "sftp://me:secret@host/a"])
def test_uris_that_are_refused(uri: str) -> None:
    with pytest.raises(UsageError):
        place_of(uri)


@pytest.mark.parametrize(
    "uri",
    ["sftp://me:hunter2@host/a.wav", "s3://AKIA:hun/ter2+@bucket/a", "S3://AKIA:hunter2", "gs://me:p@hunter2@b/a"],
)
def test_a_password_is_refused_and_not_shown(uri: str) -> None:
    (problem,) = make_plan(Inputs(paths=[uri])).problems
    for text in (problem.name, problem.error.message, problem.error.hint):
        assert "ter2" not in text
    assert "must not hold a password" in problem.error.message
    assert problem.name.startswith(uri.partition(":/")[0])


@pytest.mark.parametrize("name", ["gcs://b/out", "https://host/out", "abfs:/c", "ftp:", "file:///srv/out"])
def test_results_do_not_go_to_a_folder_that_is_named_like_a_uri(name: str) -> None:
    for path in (name, Path(name)):
        with pytest.raises(UsageError, match="results go to folders"):
            output_place(path)


@pytest.mark.parametrize("name", ["out", "-", "/srv/gcs:/out", "C:/out", "a:b/out", "/dev/stdout"])
def test_results_go_to_folders(name: str) -> None:
    assert output_place(name) == Path(name)


@pytest.mark.skipif(find_spec("gcsfs") is not None, reason="needs an environment without the extra gcs")
def test_a_store_whose_package_is_missing() -> None:
    with pytest.raises(MissingExtraError, match="gcs") as error:
        make_plan(Inputs(paths=["gs://bucket/a.wav"]))
    assert "pip install" in error.value.hint


def test_a_folder_of_a_store_has_its_journal_on_this_machine() -> None:
    folders = [place_of(f"s3://bucket/{name}") for name in ("a", "b")]
    journals = [journal_of(folder) for folder in folders]
    assert journals[0] != journals[1]
    assert not any(map(is_stored, journals))
    assert journal_of(Path("text")) == Path("text/.asrcli-journal.jsonl")


def test_a_place_is_not_taken_for_a_folder_of_this_machine() -> None:
    check_writable(place_of("s3://bucket/a.txt"))
    assert not Path("/s3:").exists()
