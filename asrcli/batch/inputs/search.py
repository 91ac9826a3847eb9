"""Which files and addresses a command line means. Each file once."""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from asrcli.batch.inputs.addresses import Address, as_url, downloaded, find_address, public_url
from asrcli.batch.inputs.manifest import InputOptions, ManifestEntry, read_manifest
from asrcli.batch.inputs.paths import PlanError, is_stream, printable, unreadable
from asrcli.batch.inputs.store_walk import StoreWalk
from asrcli.batch.inputs.walk import TRANSCRIPT_SUFFIXES, Filter, Walk
from asrcli.batch.naming import NameTemplate, collision_key, fold
from asrcli.errors import AsrcliError, InputError, InputUnreadableError, UsageError
from asrcli.storage.places import is_stored, place_of, without_secret
from asrcli.storage.text import read_list


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The inputs and outputs that were asked for.

    Attributes:
        paths: files, folders, and "-" for stdin, in the user's order.
        files_from, manifest: a file with more, or "-".
        formats: suffixes of the outputs, without a dot; at least one.
        formats_asked: whether the user asks for all of them now; else stdout gets the first of them.
        output: `-o`: one file for one input, or "-" for stdout.
        output_dir: where the outputs go, folders mirrored; None: beside each input.
        name: what outputs are called, without the format's suffix.
        journal: `--journal`; None: beside the outputs. `shard`: `--shard`, (number from 0, count).
    """

    paths: Sequence[str] = ()
    files_from: str | None = None
    manifest: str | None = None
    recursive: bool = True
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    formats: Sequence[str] = ("txt",)
    formats_asked: bool = True
    output: str | None = None
    output_dir: Path | None = None
    name: NameTemplate = NameTemplate()
    journal: Path | None = None
    shard: tuple[int, int] | None = None
    #: `--fetch-network`
    fetch_networks: Sequence[str] = ()

    def place_of(self, output: Path) -> Path:
        """Where the `output` of a manifest's line is, without the format's suffix."""
        stem = output.with_suffix("") if output.suffix[1:] in self.formats else output
        manifest = self.manifest or ""
        return (self.output_dir or (place_of(manifest) or Path(manifest)).parent) / stem


@dataclass(frozen=True, slots=True)
class Found:
    """An input before its outputs are named."""

    #: path as text, which takes less memory; None: stdin; of an address, its place
    name: str | None
    #: the folder that was walked, or None for what was named itself
    root: Path | None = None
    #: bytes; 0 where unknown
    size: int = 0
    #: whether it is read once: stdin, a pipe
    stream: bool = False
    #: with `Search.keep_status`
    status: os.stat_result | None = None
    address: Address | None = None
    #: the line of a manifest
    entry: ManifestEntry | None = None

    @property
    def options(self) -> InputOptions | None:
        """What its line of a manifest sets."""
        return self.entry.options if self.entry is not None and self.entry.options != InputOptions() else None

    @property
    def path(self) -> Path | None:
        return None if self.name is None else Path(self.name)


@dataclass(slots=True)
class Search:
    """Collects inputs, each file once."""

    inputs: Inputs
    stdin: BinaryIO | None
    suffixes: frozenset[str]
    #: whether to keep the status of each file
    keep_status: bool = False
    found: list[Found] = field(default_factory=list)
    problems: list[PlanError] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _first: dict[object, str] = field(default_factory=dict)
    _entered: set[tuple[int, int]] = field(default_factory=set)

    def run(self) -> None:
        wanted = Filter(suffixes=self.suffixes, include=tuple(self.inputs.include), exclude=tuple(self.inputs.exclude))
        for name in self.inputs.paths:
            self._add(None if name == "-" else name, wanted)
        for name in self._listed():
            self._add(name, wanted)
        for entry in self._manifest():
            if isinstance(entry, PlanError):
                self.problems.append(entry)
            else:
                self._add_entry(entry, wanted)
        self._drop_transcripts()

    def _listed(self) -> list[str]:
        source = self.inputs.files_from
        if source is None:
            return []
        if source == "-" and self.stdin is not None:
            return read_list(self.stdin)
        with _opened("--files-from", source) as stream:
            return read_list(stream)

    def _manifest(self) -> Iterator[ManifestEntry | PlanError]:
        source = self.inputs.manifest
        if source is None:
            return
        if source == "-" and self.stdin is not None:
            yield from read_manifest(self.stdin, "--manifest -", Path())
            return
        with _opened("--manifest", source) as stream:
            yield from read_manifest(stream, printable(source), (place_of(source) or Path(source)).parent)

    def _add_entry(self, entry: ManifestEntry, wanted: Filter) -> None:
        """Add a line of a manifest; of two with one `output`, the second is a problem."""
        url = as_url(entry.path)
        if url is None and os.path.isdir(entry.path):
            error: AsrcliError = InputUnreadableError(f"{printable(entry.path)}: a folder.", "Name its files.")
        elif entry.output and not self._is_first(collision_key(self.inputs.place_of(entry.output)), None):
            error = InputError(f"{entry.output}: the output of two lines of the manifest.", "Name another one.")
        elif url is not None:
            self._add_address(url, wanted, entry)
            return
        elif is_stored(entry.path):
            self._add_stored(entry.path, entry=entry)
            return
        else:
            self._add_file(entry.path, None, entry)
            return
        self.problems.append(PlanError(printable(entry.path), error))

    def _add(self, name: str | None, wanted: Filter) -> None:
        if name is None:
            if self._is_first(self._stdin_identity(), "stdin"):
                self.found.append(Found(None, stream=True))
            return
        path = Path(name)
        try:
            place = place_of(name)
        except UsageError as error:
            self.problems.append(PlanError(printable(without_secret(name)), error))
            return
        if (url := as_url(name)) is not None:
            self._add_address(url, wanted)
        elif place is not None:
            self._search_store(place, wanted, folder=name.endswith("/"))
        elif os.path.isdir(path):
            self._walk(path, wanted)
        elif not wanted.excludes(path.name):
            self._add_file(path, None)

    def _stdin_identity(self) -> object:
        """That of a pipe, which /dev/stdin may name as well: two readers would get half of it each."""
        with contextlib.suppress(AttributeError, OSError):
            status = os.fstat(self.stdin.fileno()) if self.stdin is not None else None
            if status is not None and is_stream(status):
                return status.st_dev << 64 | status.st_ino
        return "stdin"

    def _add_address(self, url: str, wanted: Filter, entry: ManifestEntry | None = None) -> None:
        try:
            address = find_address(url, self.suffixes, self.inputs.fetch_networks)
        except AsrcliError as error:
            self.problems.append(PlanError(public_url(url), error))
            return
        if not wanted.excludes(address.place.name) and self._is_first(_identity(url, entry), address.shown):
            self.found.append(Found(str(address.place), address=address, entry=entry))

    def _walk(self, folder: Path, wanted: Filter) -> None:
        try:
            status = os.stat(folder)
        except OSError as error:
            self.problems.append(unreadable(folder, error))
            return
        if (status.st_dev, status.st_ino) in self._entered:
            self.notices.append(f"{printable(folder)}: part of another folder that was named; transcribed once.")
            return
        walk = Walk(folder, wanted, self.inputs.recursive, self._entered)
        for path in walk.files():
            self._add_file(path, walk.root)
        self._report(walk)

    def _report(self, walk: Walk | StoreWalk) -> None:
        self.problems.extend(walk.problems)
        if count := walk.others.total():
            most = ", ".join(f"{suffix or 'no suffix'} {number}" for suffix, number in walk.others.most_common(5))
            files = "1 file has another suffix" if count == 1 else f"{count} files have other suffixes"
            self.notices.append(f"{printable(walk.root)}: {files} ({most}); --include takes them.")

    def _search_store(self, place: Path, wanted: Filter, *, folder: bool) -> None:
        """Add a recording of a store, or all below a prefix. A name with the suffix of a recording is taken for one
        without a request: a list may have a million.
        """
        named = bool(place.name) and not wanted.excludes(place.name)
        if not folder and named and wanted.wants(place.name):
            self._add_stored(place)
            return
        walk = StoreWalk(place, wanted, self.inputs.recursive)
        for path, size in walk.files():
            self._add_stored(path, place, size)
        self._report(walk)
        if not walk.found and not walk.problems and not folder and named:
            self._add_stored(place)  # it fails if there is no such object
        elif not walk.found and not walk.problems:
            error = InputUnreadableError(f"{printable(place)}: nothing is there.", "Check the name.")
            self.problems.append(PlanError(printable(place), error))

    def _add_stored(
        self, path: str | Path, root: Path | None = None, size: int = 0, entry: ManifestEntry | None = None
    ) -> None:
        name = os.fspath(path)
        if self._is_first(_identity(name, entry), name):
            self.found.append(Found(name, root, size, entry=entry))

    def _add_file(self, path: str | Path, root: Path | None, entry: ManifestEntry | None = None) -> None:
        try:
            status = os.stat(path)
        except (OSError, ValueError) as error:
            self.problems.append(unreadable(Path(path), error if isinstance(error, OSError) else OSError(str(error))))
            return
        if stat.S_ISBLK(status.st_mode):
            name = printable(path)
            error_ = InputUnreadableError(f"{name}: a disk, not a recording.", "Name a file.")
            self.problems.append(PlanError(name, error_))
            return
        # Some network file systems have no inode numbers; there the resolved path identifies a file.
        identity = status.st_dev << 64 | status.st_ino if status.st_ino else os.path.realpath(path)
        name, stream = os.fspath(path), is_stream(status)
        if self._is_first(identity if stream else _identity(identity, entry), name):
            kept = status if self.keep_status else None
            self.found.append(Found(name, root, 0 if stream else status.st_size, stream, kept, entry=entry))

    def _is_first(self, identity: object, name: str | None) -> bool:
        """Whether an input is new; with its `name`, a repetition is a notice."""
        first = self._first.get(identity)
        self._first.setdefault(identity, name or "")
        if first is not None and name is not None:
            again = "named twice" if first == name else f"the same file as {printable(first)}"
            self.notices.append(f"{printable(name)}: {again}; transcribed once.")
        return first is None

    def _drop_transcripts(self) -> None:
        """Leave out what is an earlier result: `asrcli transcribe *` names the recordings and their transcripts."""
        if not any(os.path.splitext(found.name or "")[1].lower() in TRANSCRIPT_SUFFIXES for found in self.found):
            return
        recordings, kept = set(), []
        for found in self.found:
            if found.path is not None and found.path.suffix.lower() not in TRANSCRIPT_SUFFIXES:
                folder, name = os.path.split(os.path.abspath(found.path))
                recordings |= {(folder, fold(name)), (folder, fold(os.path.splitext(name)[0]))}
        for found in self.found:
            if found.path is not None and found.path.suffix.lower() in TRANSCRIPT_SUFFIXES:
                folder, name = os.path.split(os.path.abspath(found.path))
                # `--name {stem}.{language}`: talk.en.srt is a transcript of talk.mp3, too.
                pieces = fold(name).split(".")
                if any((folder, ".".join(pieces[:count])) in recordings for count in range(1, len(pieces))):
                    self.notices.append(f"{printable(found.path)}: named like a transcript of another input; left out.")
                    continue
            kept.append(found)
        self.found = kept


def _identity(recording: object, entry: ManifestEntry | None) -> object:
    """That of an input: several lines of a manifest may have one recording."""
    if entry is None or (entry.name, entry.output, entry.options) == (None, None, InputOptions()):
        return recording
    return recording, entry.key


@contextlib.contextmanager
def _opened(option: str, name: str) -> Iterator[BinaryIO]:
    """A list of inputs. Raises UsageError: it cannot be read; InputError: as `download`."""
    try:
        if (place := place_of(name)) is not None:
            with downloaded(place, lambda: False, lambda _done, _total: None) as (path, _), open(path, "rb") as stream:
                yield stream
            return
        with open(name, "rb") as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"{option} {printable(name)}: {error.strerror}.", "Check the name.") from error
