"""Listings of stores that have no server to test with."""

from __future__ import annotations

from typing import Any

import pytest

from asrcli.storage.objects import list_files
from asrcli.storage.places import place_of

pytestmark = pytest.mark.slow


def test_a_listing_that_has_the_folder_or_the_file_itself() -> None:
    """As those of gcsfs and adlfs: a file without a suffix was then passed over, as a file below itself."""
    fsspec = pytest.importorskip("fsspec", reason="needs an extra of a store")

    class Listed(fsspec.AbstractFileSystem):  # type: ignore[misc, name-defined]
        def ls(self, path: str, detail: bool = True, **_: Any) -> list[dict[str, Any]]:
            if path == "bucket/talk":
                return [{"name": path, "type": "file", "size": 5}]
            names = {"bucket/calls": ["bucket/calls", "bucket/calls/inner"], "bucket/calls/inner": []}
            files = [{"name": f"{path}/a.wav", "type": "file", "size": 7}]
            return [{"name": name, "type": "directory", "size": 0} for name in names[path]] + files

    fsspec.register_implementation("gs", Listed, clobber=True)
    calls, talk = place_of("gs://bucket/calls"), place_of("gs://bucket/talk")
    assert calls is not None
    assert talk is not None
    assert list(list_files(talk)) == list(list_files(talk, lambda _name: True)) == []
    assert list(list_files(calls)) == [("a.wav", 7)]
    assert list(list_files(calls, lambda _name: True)) == [("a.wav", 7), ("inner/a.wav", 7)]
    assert list(list_files(calls, lambda name: name != "inner")) == [("a.wav", 7)]
