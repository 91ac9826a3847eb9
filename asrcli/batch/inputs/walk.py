"""The recordings below a folder, in natural order."""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from asrcli.batch.inputs.paths import PlanError, unreadable
from asrcli.formats import FORMATS

#: endings of results, which a walk takes for no recordings, whatever the globs say
TRANSCRIPT_SUFFIXES = frozenset(f".{form.extension.lower()}" for form in FORMATS.values())
_DIGITS = re.compile(r"([0-9]+)")


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
