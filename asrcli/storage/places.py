"""Paths of files in object stores and on SFTP servers.

Within the program such a file has a path below `/s3:`, `/gs:`, `/az:` or `/sftp:`, its place, where no file system has
files: names, plans and journals treat it like any other.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from asrcli.errors import FetchError, InputUnreadableError, StoreError, UsageError

#: of `Path`, which may have joined the two slashes
_URI = re.compile(r"(s3|gs|az|sftp):/{1,2}(?=[^/])", re.IGNORECASE)
_PLACE = re.compile(r"/(s3|gs|az|sftp):/+")


def place_of(name: str | Path) -> Path | None:
    """The place of a file that a URI names; None: it is the path of a file on this machine. Raises UsageError: a
    password in the URI, or a path that is not the only one of its place.
    """
    match = _URI.match(text := os.fspath(name))
    if match is None:
        return None
    scheme, rest = match[1].lower(), text[match.end() :]
    if scheme == "sftp" and ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise UsageError("An sftp:// address must not hold a password.", "Use a key or an agent of ssh.")
    if not is_plain(rest.rstrip("/")):
        raise UsageError(f"{text}: parts of its path are empty, '.' or '..'.", "Name it without them.")
    return Path(f"/{scheme}:", rest)


def is_plain(path: str) -> bool:
    """Whether no part of a path is empty, '.' or '..', which file systems treat in another way than object stores."""
    return not {"", ".", ".."}.intersection(path.split("/"))


def is_stored(path: str | Path) -> bool:
    """Whether a path is a place."""
    return _PLACE.match(os.fspath(path)) is not None


def uri_of(path: str | Path) -> str:
    """The URI of a place; any other path as it is."""
    return _PLACE.sub(r"\1://", os.fspath(path), count=1)


def exists(path: Path) -> bool:
    """Whether there is a file, on this machine also a link. Raises StoreError: the store does not answer."""
    return size_of(path) is not None if is_stored(path) else os.path.lexists(path)


def size_of(path: Path) -> int | None:
    """Bytes of a result; None: there is no such file. Raises StoreError: the store does not answer; OSError."""
    if not is_stored(path):
        return os.stat(path).st_size
    from asrcli.storage.objects import state_of

    with _as_store_error():
        state = state_of(path)
    return None if state is None else state.size


def names_in(folder: str | Path) -> list[str]:
    """The names in a folder of results, of a place those of files only. Raises StoreError: the store does
    not answer; OSError.
    """
    place = Path(folder)
    if not is_stored(place):
        return os.listdir(folder or ".")
    from asrcli.storage.objects import list_files

    with _as_store_error():
        return [name for name, _ in list_files(place, recursive=False)]


def read_stored(place: Path) -> Iterator[bytes]:
    """The bytes of a result in a store. Raises StoreError: it does not answer; FileNotFoundError: there is no such
    file.
    """
    from asrcli.storage.objects import read_pieces

    if (size := size_of(place)) is None:
        raise FileNotFoundError(uri_of(place))
    with _as_store_error():
        yield from read_pieces(place, size)


@contextlib.contextmanager
def _as_store_error() -> Iterator[None]:
    """Map the errors of recordings to that of results."""
    try:
        yield
    except (FetchError, InputUnreadableError) as error:
        raise StoreError(error.message, error.hint) from error
