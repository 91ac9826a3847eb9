"""An input on disk or in a pipe: its state, its hash, and how it is opened."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from asrcli.audio.live_input import EndableStream
from asrcli.audio.types import Source
from asrcli.batch.cache_key import CacheKey, fingerprint
from asrcli.batch.inputs.addresses import Address
from asrcli.batch.inputs.manifest import InputOptions
from asrcli.batch.inputs.paths import unreadable
from asrcli.batch.stop_signal import StopSignal
from asrcli.errors import InputChangedError
from asrcli.storage.file_access import read_stored
from asrcli.storage.places import is_stored

#: bytes of a second of sound, roughly: enough to start the longest first
_BYTES_A_SECOND = {
    ".wav": 64_000, ".flac": 60_000, ".sph": 16_000, ".amr": 1_500, ".opus": 6_000, ".ogg": 12_000,
    ".mp4": 200_000, ".mkv": 400_000, ".mov": 400_000, ".avi": 200_000, ".webm": 100_000,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """One input and where its results go."""

    #: position in the plan, from 0
    index: int
    source: Source
    #: format -> file; empty where the result goes to stdout
    outputs: dict[str, Path]
    #: the format for stdout, or None where the results go to files
    stdout: str | None = None
    #: where this item's results are recorded; None for what cannot be recognised in a later run
    journal: Path | None = None
    #: whether the user named the output (`-o FILE`), which then replaces what is there
    named: bool = False
    #: whether it is read once and has no bytes to hash beforehand: stdin, a pipe
    stream: bool = False
    #: bytes; 0 where unknown
    size: int = 0
    #: where its bytes are fetched from; `source` has no path before
    address: Address | None = None
    #: what a manifest sets for it
    options: InputOptions | None = None

    def recipe_of(self, run: CacheKey) -> CacheKey:
        """What its results are made with, in a run with this recipe."""
        return replace(run, options=f"{run.options}/{fingerprint(self.options)}") if self.options else run

    @property
    def estimate(self) -> float:
        """A guess at its length in seconds."""
        return estimated_length(self.size, self.source.path or "", self.options)

    @property
    def outline(self) -> Outline:
        return Outline(self.estimate, self.stream, self.stdout is not None, list(map(os.fspath, self.outputs.values())))


class Outline(NamedTuple):
    """What decides when an input is due, see `Item`; made in a quarter of the time, as there may be a million."""

    estimate: float
    stream: bool
    shown: bool
    outputs: Sequence[str]


def estimated_length(size: int, path: str | Path, options: InputOptions | None) -> float:
    """A guess at the length of a recording in seconds, from its size and suffix."""
    if options is not None and options.start is not None and options.end is not None:
        return options.end - options.start
    return size / _BYTES_A_SECOND.get(os.path.splitext(path)[1].lower(), 16_000)


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What distinguishes two states of a file without reading it.

    Size and mtime alone do not: cameras reuse names, and copying tools set mtime. Nothing sets ctime.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStamp:
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @property
    def changed_ns(self) -> int:
        return max(self.mtime_ns, self.ctime_ns)


@dataclass(frozen=True, slots=True)
class Recording:
    """The bytes of an input at one moment."""

    path: Path
    stamp: FileStamp
    digest: str
    #: when hashing began, nanoseconds of the system's clock
    hashed_ns: int
    #: of an address, see `Address.version`; of a recording in a store, that of `ObjectState`
    version: str = ""


def hash_file(path: Path) -> str:
    """BLAKE2b (256 bits) of a file's bytes, in hexadecimal. Raises OSError: it cannot be read; StoreError: the store
    does not answer.
    """
    total = hashlib.blake2b(digest_size=32)
    if is_stored(path):
        for piece in read_stored(path):
            total.update(piece)
    else:
        with open(path, "rb", buffering=0) as stream:
            hashlib.file_digest(stream, lambda: total)
    return total.hexdigest()


def stored_recording(place: Path) -> Recording:
    """A recording in a store, whose version takes the place of its hash: only the machine of the engine reads it.
    Raises InputError: as `existing_state`.
    """
    from asrcli.storage.objects import existing_state

    state = existing_state(place)
    digest = state.version if state.settled else f"{state.version}-{secrets.token_hex(8)}"
    return Recording(place, FileStamp(state.size, 0, 0, 0), digest, time.time_ns(), state.version)


@contextlib.contextmanager
def opened(item: Item, stop: StopSignal, *, live: bool) -> Iterator[Item]:
    """Streams are registered so that they can be ended; a named pipe is opened here, once."""
    path, stream = item.source.path, item.source.stream
    if not item.stream:
        yield item
        return
    with contextlib.ExitStack() as stack:
        if path is not None:
            try:
                # Without O_NONBLOCK, opening would wait for a writer, and nothing could interrupt it.
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                raise unreadable(path, error).error from error
            stream = cast("BinaryIO", stack.enter_context(EndableStream(descriptor, owned=True)))
        if isinstance(stream, EndableStream):
            stop.add_stream(stream)
        yield replace(item, source=Source(item.source.name, None, stream, live=live))


def stamp_of(item: Item) -> FileStamp | None:
    """The state of a file; None for a stream. Raises InputChangedError: it vanished."""
    if item.stream or item.source.path is None:
        return None
    try:
        return FileStamp.of(os.stat(item.source.path))
    except OSError as error:
        raise InputChangedError(
            f"{item.source.name} vanished while it was read.", "Check the disk it was on."
        ) from error


def check_unchanged(item: Item, recording: Recording | None, before: FileStamp | None) -> None:
    """Make sure that a file is still the one that was hashed and read.

    A change of ctime or inode alone (permissions, a hard link, a copy with the same times) is settled by its hash.

    Raises InputChangedError: it is not, or it vanished.
    """
    after = stamp_of(item)
    if after is None or before is None:
        return
    stamps = {before, after} | ({recording.stamp} if recording is not None else set())
    if len(stamps) == 1:
        return
    if len({(stamp.size, stamp.mtime_ns) for stamp in stamps}) == 1 and item.source.path is not None:
        if recording is None and before.inode == after.inode:
            return
        with contextlib.suppress(OSError):
            if recording is not None and hash_file(item.source.path) == recording.digest:
                return
    raise InputChangedError(f"{item.source.name} changed while it was read.", "Run it again once it is complete.")
