"""Files of results on this machine or in a store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from asrcli.errors import FetchError, InputUnreadableError, StoreError
from asrcli.storage.places import is_stored, uri_of


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
        return [name for name, _ in list_files(place)]


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
