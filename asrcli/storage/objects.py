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
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, TypeVar

from asrcli.distribution import pip_install
from asrcli.errors import (
    AsrcliError,
    CancelledError,
    DiskFullError,
    FetchError,
    FetchSizeError,
    InputChangedError,
    InputUnreadableError,
    MissingExtraError,
    StoreError,
    machine_error,
)
from asrcli.storage.http import DOWNLOADS, Progress
from asrcli.storage.places import uri_of

_Result = TypeVar("_Result")

#: scheme -> the extra with its library
_EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure", "sftp": "sftp"}
#: bytes that are read at once, and of a recording at most
_PIECE, _LARGEST = 8 << 20, 64 << 30
#: seconds after which a file whose time of change has whole seconds has not changed again within that second
_SETTLED = 5.0
#: errors of the libraries, by name, after which the same request fails again
_LASTING = frozenset({
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound",
    "DefaultCredentialsError", "RefreshError", "ClientAuthenticationError", "HostKeyNotVerifiable",
    "SFTPPermissionDenied",
})  # fmt: skip
_ACCESS = "Check the credentials: the variables or the configuration files of the store's own tools."
_AGAIN = "Check the network and the store, then run the same command again."
_connecting = Lock()


# Access


def _split(place: Path) -> tuple[str, str, str]:
    """Scheme, host (of sftp) and the path for fsspec."""
    scheme, _, rest = uri_of(place).partition("://")
    host, _, path = rest.partition("/")
    return (scheme, host, f"/{path}") if scheme == "sftp" else (scheme, "", rest)


def _filesystem(scheme: str, host: str) -> Any:
    with _connecting:
        return _connected(scheme, host)


@lru_cache(maxsize=64)
def _connected(scheme: str, host: str) -> Any:
    """One file system for all threads. Raises MissingExtraError: its library is not installed."""
    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme == "sftp":
        user, _, address = host.rpartition("@")
        name, _, port = address.partition(":")
        # Of asyncssh; sshfs by itself accepts every host key.
        options = {"host": name, "known_hosts": ()}
        options |= ({"username": user} if user else {}) | ({"port": int(port)} if port else {})
    try:
        import fsspec

        return fsspec.filesystem(scheme, skip_instance_cache=True, **options)
    except ImportError as error:
        message = f"{scheme}:// needs a package that is not installed."
        raise MissingExtraError(message, pip_install(_EXTRAS[scheme])) from error


def _attempt(place: Path, work: Callable[[Any, str], _Result], *, write: bool = False) -> _Result:
    """What `work` makes of the file system and the path; repeated after errors that may pass. Raises
    FileNotFoundError; InputUnreadableError or FetchError, with `write` StoreError: no access, or it does not answer.
    """
    scheme, host, path = _split(place)
    failures = 0
    while True:
        try:
            return work(_filesystem(scheme, host), path)
        except (FileNotFoundError, AsrcliError):
            raise
        except PermissionError as error:
            raise _refusal(place, "access denied", _ACCESS, write=write) from error
        except Exception as error:
            if (exhausted := machine_error(error)) is not None:
                raise exhausted from error
            failures += 1
            lasting = isinstance(error, (ValueError, TypeError)) or type(error).__name__ in _LASTING
            if lasting or failures > DOWNLOADS.retries:
                reason = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
                raise _refusal(place, reason, _ACCESS if lasting else _AGAIN, write=write) from error
        if scheme == "sftp":
            _connected.cache_clear()  # its connection may be the reason
        time.sleep(DOWNLOADS.wait(failures))


def _refusal(place: Path, reason: str, hint: str, *, write: bool) -> AsrcliError:
    uri = uri_of(place)
    if write:
        return StoreError(f"{uri}: cannot be written: {reason}.", hint)
    kind = InputUnreadableError if hint == _ACCESS else FetchError
    return kind(f"{uri}: cannot be read: {reason}.", hint)


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
        found = _attempt(place, lambda store, path: store.info(path))
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
            yield _attempt(place, piece)
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
    scheme, _, top = _split(folder)
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
        own = _split(place)[2].strip("/")
        try:
            found = _attempt(place, lambda store, path: store.ls(path, detail=True))
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
        found = _attempt(target, lambda store, path: store.info(path))
    except (FileNotFoundError, InputUnreadableError):
        found = {"type": "file", "size": 0}
    return {**entry, "type": "link" if found["type"] == "directory" else found["type"], "size": found["size"]}


def _pages_of_s3(folder: Path, start: str, *, recursive: bool) -> Iterator[list[dict[str, Any]]]:
    """Pages of objects: a prefix may have millions."""
    bucket, _, prefix = start.partition("/")
    options = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "" if recursive else "/"}
    while True:
        try:
            page = _attempt(folder, lambda store, _path: store.call_s3("list_objects_v2", store.req_kw, **options))
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
        _attempt(place, write, write=True)
    except FileNotFoundError as error:
        raise _refusal(place, "no such bucket or folder", "Check the name.", write=True) from error
