"""Finding inputs: folders walked in natural order, lists of files, globs."""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from asrcli.errors import AsrcliError, InputUnreadableError
from asrcli.formats import FORMATS

#: what results end in; a walk takes none of them for a recording, whatever the globs say
TRANSCRIPT_SUFFIXES = frozenset(f".{form.extension.lower()}" for form in FORMATS.values())

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

    def excludes(self, relative: str) -> bool:
        """Whether a file, or a folder with all that is in it, is left out."""
        return _matches(relative, self.exclude)


def _matches(relative: str, globs: Sequence[str]) -> bool:
    path = relative.casefold()
    name = os.path.basename(path)
    return any(fnmatchcase(path if "/" in glob else name, glob.casefold()) for glob in globs)


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key by which `part2` comes before `part10`; names that differ only in case keep one order everywhere."""
    pieces = _DIGITS.split(name.casefold())
    return [int(piece) if number % 2 else piece for number, piece in enumerate(pieces)], name


@dataclass(slots=True)
class Walk:
    """One walk below `root`: iterate `files`, then read what went wrong on the way.

    Hidden files and folders are passed over. Each folder is entered once; links to folders are followed last, so that
    what can be reached without them is found under its own name.
    """

    root: Path
    wanted: Filter
    recursive: bool = True
    #: (device, inode) of the folders that were entered; several walks may share one set
    entered: set[tuple[int, int]] = field(default_factory=set)
    problems: list[PlanError] = field(default_factory=list)

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


@dataclass(slots=True)
class _Listing:
    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)


def unreadable(path: Path, error: OSError) -> PlanError:
    """What to tell of a path that the system refuses."""
    name = printable(path)
    if isinstance(error, FileNotFoundError):
        why, hint = f"{name}: no such file or folder.", "Check the name; quote it if it holds spaces."
    elif isinstance(error, PermissionError):
        why, hint = f"{name}: no permission to read it.", "Change its permissions, or leave it out with --exclude."
    else:
        why, hint = f"{name}: cannot be read ({error.strerror or error}).", "Check the disk or the network share."
    return PlanError(name, InputUnreadableError(why, hint))


def printable(path: str | Path) -> str:
    """A path for messages and transcripts: bytes that are no UTF-8 become a replacement character."""
    return os.fsencode(path).decode("utf-8", "replace")


def read_list(stream: BinaryIO) -> list[Path]:
    """Read `--files-from`: one path a line, or NUL-terminated as `find -print0` writes them.

    Every name is possible in the NUL form; in the line form empty lines are passed over. A `-` is a file of that name.
    """
    data = stream.read().removeprefix(b"\xef\xbb\xbf")
    names = data.split(b"\0") if b"\0" in data else [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [Path(os.fsdecode(name)) for name in names if name]


def is_stream(status: os.stat_result) -> bool:
    """Whether a path is a pipe or a device: readable once, with no bytes to hash beforehand."""
    return stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode) or stat.S_ISSOCK(status.st_mode)
