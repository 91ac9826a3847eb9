"""The recordings below a folder, in natural order."""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
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


def natural_key(name: str) -> str:
    """Sort key by which `part2` comes before `part10`; names that differ only in case keep one order everywhere."""
    # A number as its length, then its digits; NUL, which is in no name, goes before every other character.
    return f"{_DIGITS.sub(_number_key, name.casefold())}\0\0{name}"


def _number_key(match: re.Match[str]) -> str:
    digits = match[1].lstrip("0") or "0"
    return f"\0{chr(len(digits))}{digits}"


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

    def files(self) -> Iterator[str]:
        """Yield the inputs: a folder's files first, then its folders, each in natural order."""
        waiting = [self.root]
        links: deque[Path] = deque()
        while waiting or links:
            folder = waiting.pop() if waiting else links.popleft()
            found = self._list(folder)
            prefix = "" if folder == Path() else os.path.join(folder, "")
            yield from (prefix + name for name in found.files)
            if self.recursive:
                waiting.extend(map(folder.joinpath, reversed(found.folders)))
                links.extend(map(folder.joinpath, found.links))

    def _list(self, folder: Path) -> _Listing:
        listing = _Listing()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in self.entered:
                return listing
            self.entered.add((status.st_dev, status.st_ino))
            below = folder.relative_to(self.root).as_posix()
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        relative = entry.name if below == "." else f"{below}/{entry.name}"
                        self._sort_in(entry, relative, folder, listing)
        except OSError as error:
            self.problems.append(unreadable(folder, error))
        for names in (listing.files, listing.folders, listing.links):
            names.sort(key=natural_key)
        return listing

    def _sort_in(self, entry: os.DirEntry[str], relative: str, folder: Path, listing: _Listing) -> None:
        if _holds(entry.is_dir):
            if not self.wanted.excludes(relative):
                (listing.links if entry.is_symlink() else listing.folders).append(entry.name)
        # A link that leads nowhere becomes an input that fails, so that the loss is noticed; pipes are no recordings.
        elif self.wanted.wants(relative) and (_holds(entry.is_file) or not os.path.exists(entry.path)):
            listing.files.append(entry.name)
        elif self.wanted.leaves_open(relative) and _holds(entry.is_file):
            if _is_recording(folder / entry.name):
                listing.files.append(entry.name)
            else:
                self.others[Path(entry.name).suffix.lower()] += 1


def _holds(test: Callable[[], bool]) -> bool:
    """A test of a folder's entry; False where its link is a circle."""
    try:
        return test()
    except OSError:
        return False


@dataclass(slots=True)
class _Listing:
    """The names in a folder, not their paths: there may be a million."""

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
