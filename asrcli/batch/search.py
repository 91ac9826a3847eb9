"""Which files a command line means: folders walked in natural order, lists of files, globs. Each file once."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import stat
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from asrcli.batch.naming import NameTemplate, fold
from asrcli.errors import AsrcliError, InputUnreadableError, UsageError
from asrcli.formats import FORMATS
from asrcli.storage.text import read_list

#: endings of results, which a walk takes for no recordings, whatever the globs say
TRANSCRIPT_SUFFIXES = frozenset(f".{form.extension.lower()}" for form in FORMATS.values())

#: a path that is an address; `Path` drops one of the slashes
_URL = re.compile(r"(?:https?|ftp|s3|rtmp|rtsp):/", re.IGNORECASE)
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class PlanError:
    """An input that cannot even be planned: it is missing, or a folder that cannot be read."""

    name: str
    error: AsrcliError


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which files of a folder are inputs.

    Globs ignore case. One without a slash is matched with the name of a file or folder, one with a slash with the path
    below the folder that is walked; `*` also matches slashes.
    """

    #: endings of recordings, lower case; used where no include glob is given
    suffixes: Collection[str]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def wants(self, relative: str) -> bool:
        """Whether a file found in a walk is an input."""
        suffix = os.path.splitext(relative)[1].lower()
        if suffix in TRANSCRIPT_SUFFIXES or self.excludes(relative):
            return False
        return _matches(relative, self.include) if self.include else suffix in self.suffixes

    def leaves_open(self, relative: str) -> bool:
        """Whether only the suffix excludes a file: no glob decides, and it is no result."""
        suffix = os.path.splitext(relative)[1].lower()
        return not (self.include or suffix in TRANSCRIPT_SUFFIXES or self.excludes(relative) or self.wants(relative))

    def excludes(self, relative: str) -> bool:
        """Whether a file, or a folder with all that is in it, is left out."""
        return _matches(relative, self.exclude)


def _matches(relative: str, globs: Sequence[str]) -> bool:
    path = relative.casefold()
    name = os.path.basename(path)
    return any(fnmatchcase(path if "/" in glob else name, glob.casefold()) for glob in globs)


def _is_recording(path: Path) -> bool:
    """Whether a file with an ambiguous suffix starts like a recording; True if it cannot be read, so that it fails."""
    from asrcli.audio.containers.sniff import has_signature
    from asrcli.audio.containers.suffixes import AMBIGUOUS_SUFFIXES

    if path.suffix.lower() not in AMBIGUOUS_SUFFIXES:
        return False
    try:
        with open(path, "rb") as stream:
            return has_signature(stream.read(4096))
    except OSError:
        return True


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key by which `part2` comes before `part10`; names that differ only in case keep one order everywhere."""
    pieces = _DIGITS.split(name.casefold())
    return [int(piece) if number % 2 else piece for number, piece in enumerate(pieces)], name


@dataclass(slots=True)
class Walk:
    """One walk below `root`: iterate `files`, then read what went wrong and what was passed over.

    Hidden files and folders are passed over. Each folder is entered once; links to folders are followed last, so that
    what can be reached without them is found under its own name.
    """

    root: Path
    wanted: Filter
    recursive: bool = True
    #: (device, inode) of the folders that were entered; several walks may share one set
    entered: set[tuple[int, int]] = field(default_factory=set)
    problems: list[PlanError] = field(default_factory=list)
    #: how many files were passed over for their suffix, by suffix in lower case
    others: Counter[str] = field(default_factory=Counter)

    def files(self) -> Iterator[Path]:
        """Yield the inputs: a folder's files first, then its folders, each in natural order."""
        waiting = [self.root]
        links: deque[Path] = deque()
        while waiting or links:
            folder = waiting.pop() if waiting else links.popleft()
            found = self._list(folder)
            yield from found.files
            if self.recursive:
                waiting.extend(reversed(found.folders))
                links.extend(found.links)

    def _list(self, folder: Path) -> _Listing:
        listing = _Listing()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in self.entered:
                return listing
            self.entered.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                names = sorted((entry.name for entry in entries), key=natural_key)
        except OSError as error:
            self.problems.append(unreadable(folder, error))
            return listing
        for name in names:
            if not name.startswith("."):
                self._sort_in(folder / name, listing)
        return listing

    def _sort_in(self, path: Path, listing: _Listing) -> None:
        relative = path.relative_to(self.root).as_posix()
        if os.path.isdir(path):
            if not self.wanted.excludes(relative):
                (listing.links if os.path.islink(path) else listing.folders).append(path)
        # A link that leads nowhere becomes an input that fails, so that the loss is noticed; pipes are no recordings.
        elif self.wanted.wants(relative) and (os.path.isfile(path) or not os.path.exists(path)):
            listing.files.append(path)
        elif self.wanted.leaves_open(relative) and os.path.isfile(path):
            if _is_recording(path):
                listing.files.append(path)
            else:
                self.others[path.suffix.lower()] += 1


@dataclass(slots=True)
class _Listing:
    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)


def unreadable(path: Path, error: OSError) -> PlanError:
    """The problem with a path that the system refuses."""
    name = printable(path)
    if _URL.match(name):
        name = re.sub(":/+", "://", name, count=1)  # a Path has joined the two slashes
        why = f"{name}: URLs are not downloaded."
        hint = f"Download it first, or pipe it: curl -L {shlex.quote(name)} | asrcli transcribe -"
    elif isinstance(error, FileNotFoundError):
        why, hint = f"{name}: no such file or folder.", "Check the name; quote it if it contains spaces."
    elif isinstance(error, PermissionError):
        why, hint = f"{name}: no permission to read it.", "Change its permissions, or leave it out with --exclude."
    else:
        why, hint = f"{name}: cannot be read ({error.strerror or error}).", "Check the disk or the network share."
    return PlanError(name, InputUnreadableError(why, hint))


def printable(path: str | Path) -> str:
    """A path for messages and transcripts: bytes that are no UTF-8 become a replacement character."""
    return os.fsencode(path).decode("utf-8", "replace")


def is_stream(status: os.stat_result) -> bool:
    """Whether a path is a pipe or a device: readable once, with no bytes to hash beforehand."""
    return stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode) or stat.S_ISSOCK(status.st_mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The inputs and outputs that were asked for.

    Attributes:
        paths: files, folders, and "-" for stdin, in the user's order; `files_from`: a file with more, or "-".
        formats: suffixes of the outputs, without a dot; at least one.
        formats_asked: whether the user asks for all of them now; else stdout gets the first of them.
        output: `-o`: one file for one input, or "-" for stdout.
        output_dir: where the outputs go, folders mirrored; None: beside each input.
        name: what outputs are called, without the format's suffix.
        journal: `--journal`; None: beside the outputs. `shard`: `--shard`, (number from 0, count).
    """

    paths: Sequence[str] = ()
    files_from: str | None = None
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


@dataclass(frozen=True, slots=True)
class Found:
    """An input before its outputs are named."""

    #: None: stdin
    path: Path | None
    #: the folder that was walked, or None for what was named itself
    root: Path | None = None
    status: os.stat_result | None = None

    @property
    def stream(self) -> bool:
        return self.path is None or (self.status is not None and is_stream(self.status))


@dataclass(slots=True)
class Search:
    """Collects inputs, each file once."""

    inputs: Inputs
    stdin: BinaryIO | None
    suffixes: frozenset[str]
    found: list[Found] = field(default_factory=list)
    problems: list[PlanError] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _first: dict[object, str] = field(default_factory=dict)
    _entered: set[tuple[int, int]] = field(default_factory=set)

    def run(self) -> None:
        wanted = Filter(suffixes=self.suffixes, include=tuple(self.inputs.include), exclude=tuple(self.inputs.exclude))
        for name in self.inputs.paths:
            self._add(None if name == "-" else Path(name), wanted)
        for path in self._listed():
            self._add(path, wanted)
        self._drop_transcripts()

    def _listed(self) -> list[Path]:
        source = self.inputs.files_from
        if source is None:
            return []
        if source == "-" and self.stdin is not None:
            return read_list(self.stdin)
        try:
            with open(source, "rb") as stream:
                return read_list(stream)
        except OSError as error:
            raise UsageError(f"--files-from {printable(source)}: {error.strerror}.", "Check the name.") from error

    def _add(self, path: Path | None, wanted: Filter) -> None:
        if path is None:
            if self._is_first(self._stdin_identity(), "stdin"):
                self.found.append(Found(None))
            return
        if os.path.isdir(path):
            self._walk(path, wanted)
        elif not wanted.excludes(path.name):
            self._add_file(path, None)

    def _stdin_identity(self) -> object:
        """That of a pipe, which /dev/stdin may name as well: two readers would get half of it each."""
        with contextlib.suppress(AttributeError, OSError):
            status = os.fstat(self.stdin.fileno()) if self.stdin is not None else None
            if status is not None and is_stream(status):
                return status.st_dev, status.st_ino
        return "stdin"

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
        self.problems.extend(walk.problems)
        if count := walk.others.total():
            most = ", ".join(f"{suffix or 'no suffix'} {number}" for suffix, number in walk.others.most_common(5))
            files = "1 file has another suffix" if count == 1 else f"{count} files have other suffixes"
            self.notices.append(f"{printable(folder)}: {files} ({most}); --include takes them.")

    def _add_file(self, path: Path, root: Path | None) -> None:
        try:
            status = os.stat(path)
        except (OSError, ValueError) as error:
            self.problems.append(unreadable(path, error if isinstance(error, OSError) else OSError(str(error))))
            return
        if stat.S_ISBLK(status.st_mode):
            name = printable(path)
            error_ = InputUnreadableError(f"{name}: a disk, not a recording.", "Name a file.")
            self.problems.append(PlanError(name, error_))
            return
        # Some network file systems have no inode numbers; there the resolved path identifies a file.
        identity = (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)
        if self._is_first(identity, printable(path)):
            self.found.append(Found(path, root, status))

    def _is_first(self, identity: object, name: str) -> bool:
        first = self._first.get(identity)
        self._first.setdefault(identity, name)
        if first is not None:
            again = "named twice" if first == name else f"the same file as {first}"
            self.notices.append(f"{name}: {again}; transcribed once.")
        return first is None

    def _drop_transcripts(self) -> None:
        """Leave out what is an earlier result: `asrcli transcribe *` names the recordings and their transcripts."""
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
