"""Files in object stores and on SFTP servers, through fsspec. Each library finds the credentials by itself."""

from __future__ import annotations

import contextlib
import os
import posixpath
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from asrcli.errors import (
    CancelledError,
    DiskFullError,
    FetchSizeError,
    InputChangedError,
    InputUnreadableError,
)
from asrcli.storage.http import Progress
from asrcli.storage.objects.access import attempt, refusal, split_place
from asrcli.storage.places import uri_of

#: bytes that are read at once, and of a recording at most
_PIECE, _LARGEST = 8 << 20, 64 << 30
#: seconds after which a file whose time of change has whole seconds has not changed again within that second
_SETTLED = 5.0


# Reading


@dataclass(frozen=True, slots=True)
class ObjectState:
    """What distinguishes two states of a file without reading it."""

    size: int
    #: hash of its URI, size and entity tag, or time of change
    version: str
    #: false: it may change without another version
    settled: bool = field(compare=False)


def state_of(place: Path) -> ObjectState | None:
    """The present state of a file; None: there is none. Raises FetchError or InputUnreadableError: as `download`."""
    try:
        found = attempt(place, lambda store, path: store.info(path))
    except FileNotFoundError:
        return None
    return _state(place, found) if found["type"] == "file" else None


def _state(place: Path, found: dict[str, Any]) -> ObjectState:
    from hashlib import blake2b

    size, tag = int(found["size"] or 0), str(found.get("ETag") or found.get("etag") or "").strip('"')
    settled = bool(tag)
    if not tag and (changed := found.get("mtime")) is not None:
        tag = str(changed.timestamp())
        settled = time.time() - changed.timestamp() > _SETTLED
    version = blake2b(repr((uri_of(place), size, tag)).encode("utf-8", "surrogateescape"), digest_size=32)
    return ObjectState(size, version.hexdigest(), settled)


def existing_state(place: Path) -> ObjectState:
    """The present state of a recording. Raises InputUnreadableError: there is none; FetchError: as `download`."""
    if (state := state_of(place)) is None:
        raise InputUnreadableError(f"{uri_of(place)}: no such object or file.", "Check the name.")
    return state


def read_pieces(place: Path, size: int) -> Iterator[bytes]:
    """The bytes of a file of so many bytes. Raises FetchError or InputUnreadableError: as `download`."""
    for start in range(0, size, _PIECE):
        end = min(start + _PIECE, size)

        def piece(store: Any, path: str, start: int = start, end: int = end) -> bytes:
            data = _read(store, path, start, end)
            if len(data) != end - start:
                raise EOFError(f"{len(data)} of {end - start} bytes were received")
            return data

        try:
            yield attempt(place, piece)
        except FileNotFoundError as error:
            raise InputChangedError(f"{uri_of(place)} was deleted while it was read.") from error


def _read(store: Any, path: str, start: int, end: int) -> bytes:
    if store.__class__.__module__.startswith("sshfs"):  # its `cat_file` reads the whole file
        with store.open(path, "rb") as file:
            file.seek(start)
            data = b""
            while len(data) < end - start and (block := file.read(end - start - len(data))):
                data += block
            return data
    return bytes(store.cat_file(path, start=start, end=end))


def download(
    place: Path, file: BinaryIO, cancelled: Callable[[], bool], progress: Progress = lambda _done, _total: None
) -> ObjectState:
    """Write a recording to a local file, in pieces; its state. Raises InputUnreadableError: it does not exist, or
    access is denied; FetchError: the store does not answer; InputChangedError: it has changed meanwhile;
    DiskFullError: the local disk has no room for it; CancelledError: `cancelled` returned true.
    """
    state, done = existing_state(place), 0
    if state.size > _LARGEST:
        raise FetchSizeError(f"{uri_of(place)} is larger than {_LARGEST >> 30} GiB.")
    if state.size > shutil.disk_usage(os.path.dirname(file.name)).free:
        hint = "Free some space where temporary files are, or name another folder with TMPDIR."
        raise DiskFullError(f"No room for {uri_of(place)} ({state.size} bytes) on the disk.", hint)
    for piece in read_pieces(place, state.size):
        if cancelled():
            raise CancelledError("The batch is ending.")
        file.write(piece)
        progress(done := done + len(piece), state.size)
    if state_of(place) != state:
        raise InputChangedError(f"{uri_of(place)} changed while it was read.", "Run it again once it is complete.")
    return state


def list_files(folder: Path, enters: Callable[[str], bool] | None = None) -> Iterator[tuple[str, int]]:
    """The files in a folder or prefix, as they are listed: names below it, and sizes in bytes; with `enters`, also
    those in the folders below it for whose names it is true. A link to such a folder, which is not followed, is a name
    that ends with a slash. Nothing, if there is no such folder. Raises FetchError or InputUnreadableError: as
    `download`; for a folder below it, at the end.
    """
    scheme, _, top = split_place(folder)
    start = top.rstrip("/") + "/"
    pages = _pages_of_s3(folder, start, recursive=enters is not None) if scheme == "s3" else _pages(folder, enters)
    for page in pages:
        for entry in page:
            name = entry["name"]
            relative = name[len(start) :] if name.startswith(start) else name.removeprefix(start.lstrip("/"))
            if entry["type"] == "link" and enters is not None:
                yield f"{relative}/", 0
            elif entry["type"] == "file" and relative and not relative.endswith("/"):
                yield relative, int(entry["size"] or 0)


def _pages(folder: Path, enters: Callable[[str], bool] | None) -> Iterator[list[dict[str, Any]]]:
    """A page for each folder. A listing may also have the folder itself, and that of a file has the file."""
    waiting, refused = [""], None
    while waiting:
        relative = waiting.pop()
        place = folder / relative
        own = split_place(place)[2].strip("/")
        try:
            found = attempt(place, lambda store, path: store.ls(path, detail=True))
        except FileNotFoundError:
            continue
        except InputUnreadableError as error:
            refused = refused or error
            continue
        entries = [_followed(place, entry) for entry in found if entry["name"].strip("/") != own]
        yield entries
        if enters is not None:
            folders = [posixpath.basename(one["name"].rstrip("/")) for one in entries if one["type"] == "directory"]
            waiting.extend(filter(enters, [posixpath.join(relative, name) for name in folders]))
    if refused is not None:
        raise refused


def _followed(folder: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a folder; a link is the file that it leads to, also one that cannot be read, so that it fails."""
    if entry["type"] != "link":
        return entry
    target = folder / posixpath.basename(entry["name"])
    try:
        found = attempt(target, lambda store, path: store.info(path))
    except (FileNotFoundError, InputUnreadableError):
        found = {"type": "file", "size": 0}
    return {**entry, "type": "link" if found["type"] == "directory" else found["type"], "size": found["size"]}


def _pages_of_s3(folder: Path, start: str, *, recursive: bool) -> Iterator[list[dict[str, Any]]]:
    """Pages of objects: a prefix may have millions."""
    bucket, _, prefix = start.partition("/")
    options = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "" if recursive else "/"}
    while True:
        try:
            page = attempt(folder, lambda store, _path: store.call_s3("list_objects_v2", store.req_kw, **options))
        except FileNotFoundError as error:
            raise InputUnreadableError(f"{uri_of(folder)}: no such bucket.", "Check the name.") from error
        files = page.get("Contents", [])
        yield [{"name": f"{bucket}/{one['Key']}", "size": one["Size"], "type": "file"} for one in files]
        if not page.get("IsTruncated"):
            return
        options["ContinuationToken"] = page["NextContinuationToken"]


# Writing


def put(place: Path, data: bytes) -> None:
    """Write a file: a reader sees the old or the new one, never half of it. Objects are written in one step; on an SFTP
    server a temporary file is renamed. Raises StoreError: it cannot be written.
    """

    def write(store: Any, path: str) -> None:
        if not path.startswith("/"):
            store.pipe_file(path, data)
            return
        temporary = posixpath.join(posixpath.dirname(path), f".asrcli-{secrets.token_hex(8)}.tmp")
        try:
            store.pipe_file(temporary, data)
            store.mv(temporary, path)
        except BaseException:
            with contextlib.suppress(Exception):  # the first error is the one to report
                store.rm_file(temporary)
            raise

    try:
        attempt(place, write, write=True)
    except FileNotFoundError as error:
        raise refusal(place, "no such bucket or folder", "Check the name.", write=True) from error
