"""Names for the outputs of all inputs of a batch, by the rule of `naming`."""

from __future__ import annotations

import os
import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from asrcli.batch.naming import NameTemplate, collision_key, fit, fold, real_place, short_hash
from asrcli.storage.file_access import exists, names_in

#: in a name with a hash
_HASHED = re.compile("~[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """An input and the folder that its outputs go to."""

    path: str | Path
    folder: Path
    #: where they go if several folders meet in `folder` (`--output-dir`) and the names there collide
    alternative: Path | None = None
    #: what they are called in place of the recording's stem
    name: str | None = None
    #: behind the stem, where they are of a part of the recording; and what distinguishes them from other parts
    part: str = ""
    key: str = ""


class OutputName(NamedTuple):
    """What the outputs of an input are called, without the formats' suffixes."""

    folder: str
    name: str

    def files(self, formats: Sequence[str]) -> dict[str, Path]:
        """Format -> path."""
        return dict(zip(formats, map(Path, self.paths(formats)), strict=True))

    def paths(self, formats: Iterable[str]) -> list[str]:
        """A path for each format."""
        return [os.path.join(self.folder, fit(self.name, f".{suffix}")) for suffix in formats]


def name_outputs(
    claims: Sequence[OutputRequest],
    formats: Sequence[str],
    *,
    suffixes: Collection[str],
    neighbours: Sequence[OutputRequest] = (),
    taken: Collection[str | Path] = (),
    made_from: Callable[[Path], Path | None] = lambda _output: None,
    template: NameTemplate | None = None,
) -> list[OutputName]:
    """Name the outputs of each claim. No path is there twice, however file systems compare names. `formats` are
    suffixes without a dot; `suffixes` those of recordings (".mp3"): any other ending is part of the name; `neighbours`
    are recordings beside the inputs that may become inputs; no output replaces a file of `taken`; `made_from` returns
    the recording from which an output was last made: it keeps that name if neighbours appear or disappear; `template`
    None: the stem.
    """
    new = partial(
        _NameCandidates, formats=formats, suffixes=suffixes, made_from=made_from, template=template or NameTemplate()
    )

    def claim(number: int) -> OutputRequest:
        return claims[number] if number < len(claims) else neighbours[number - len(claims)]

    # Most inputs get the first of their names. Only those are compared whose first name another one has, or may get,
    # and those with an output under a later name. There may be a million, so names are kept as hashes.
    names: list[OutputName] = []
    first, present = array("q"), _PresentNames()
    seen: set[int] = set()
    contested: set[int] = set()
    for number in range(len(claims) + len(neighbours)):
        candidates = new(claim(number))
        own = [hash(key) for key in candidates.keys]
        contested.update(own if present.include(candidates) else seen.intersection(own))
        seen.update(own)
        first.extend(own)
        if number < len(claims):
            names.append(candidates.output_name)
    contested.update(seen.intersection(map(hash, map(collision_key, taken))))
    seen.clear()
    compared: dict[int, _NameCandidates] = {}
    while found := _holders(first, len(formats), contested) - compared.keys():
        for number in found:
            compared[number] = new(claim(number), recall=True)
            contested.update(map(hash, compared[number].all_keys()))
    forbidden = {key for key in map(collision_key, taken) if hash(key) in contested} if compared else set()
    rivals = [compared[number] for number in sorted(compared)]
    given_up = {key for candidates in rivals for key in candidates.given_up()}
    while moving := _losers(rivals, forbidden, given_up):
        for candidates in moving:
            candidates.next()
    for number, candidates in compared.items():
        if number < len(claims):
            names[number] = candidates.output_name
    return names


def _holders(first: Sequence[int], width: int, contested: Collection[int]) -> set[int]:
    """The inputs of which one of `width` first names is contested."""
    return {place // width for place, key in enumerate(first) if key in contested} if contested else set()


def _losers(
    everyone: Sequence[_NameCandidates], forbidden: Collection[str], given_up: Collection[str]
) -> list[_NameCandidates]:
    """Those that must give way in some collision. A name that one of them gave up in an earlier run stays contested:
    else the next run would give it to another, also to one whose name in the earlier run is blocked.
    """
    holders: dict[str, list[int]] = defaultdict(list)
    for number, candidates in enumerate(everyone):
        for key in candidates.keys:
            holders[key].append(number)
    losers: set[int] = set()
    for key, members in holders.items():
        if key in forbidden:
            losers.update(members)
        elif len(members) > 1 or key in given_up:
            owner = next((member for member in members if everyone[member].owns_name), None)
            # The shortest names give way first: `a.mp3.wav` keeps its name when `a.mp3` has to keep its suffix.
            lowest = min(everyone[member].position for member in members)
            losers.update(
                member
                for member in members
                if (member != owner if owner is not None else everyone[member].position == lowest)
            )
    return [everyone[number] for number in sorted(losers) if not everyone[number].at_last]


class _NameCandidates:
    """The names that an input may have, from the preferred one to one that no other input can have: stem and whole
    name in each folder, then the name with a short and a long hash in the first.
    """

    def __init__(
        self,
        claim: OutputRequest,
        formats: Sequence[str],
        suffixes: Collection[str],
        made_from: Callable[[Path], Path | None],
        template: NameTemplate,
        *,
        recall: bool = False,
    ) -> None:
        """`recall`: begin with the name that an earlier run has given."""
        self._claim, self._formats, self._made_from, self._template = claim, formats, made_from, template
        self._path = os.fspath(claim.path)
        name = os.path.basename(self._path)
        dot = name.rfind(".")
        suffix = name[dot:] if dot > 0 and name[dot:].lower() in suffixes else ""
        self._stem = claim.name or "-".join(filter(None, [name.removesuffix(suffix), claim.part]))
        self._full = self._stem + suffix
        self.folders = [os.fspath(folder) for folder in (claim.folder, claim.alternative) if folder is not None]
        self._last = 2 * len(self.folders) + 1
        self.position = 0
        if recall:
            later = range(self._last, 0, -1)
            self.position = next((position for position in later if self._has_made(position, if_there=True)), 0)

    @property
    def at_last(self) -> bool:
        return self.position == self._last

    @property
    def keys(self) -> list[str]:
        return self.keys_of(self.position)

    def given_up(self) -> Iterator[str]:
        """The names before the one of an earlier run. Asked before `next`."""
        for position in range(self.position):
            yield from self.keys_of(position)

    def all_keys(self) -> Iterator[str]:
        for position in range(self._last + 1):
            yield from self.keys_of(position)

    @property
    def owns_name(self) -> bool:
        """Whether an output of the present name was made from this input. Asked in a collision only."""
        return self._has_made(self.position)

    def next(self) -> None:
        self.position += 1

    @property
    def output_name(self) -> OutputName:
        return self._name(self.position)

    def _name(self, position: int) -> OutputName:
        folder, longer = divmod(position, 2)
        if folder < len(self.folders):
            name = self._full if longer else self._stem
        else:
            folder, key = 0, os.path.abspath(self._path) + self._claim.key
            name = f"{self._full}~{short_hash(key, 32 if longer else 8)}"
        return OutputName(self.folders[folder], self._template.fill(name, self._path))

    def _has_made(self, position: int, *, if_there: bool = False) -> bool:
        paths = self._name(position).files(self._formats).values()
        source = real_place(Path(self._path))
        return any(self._made_from(path) == source for path in paths if not if_there or exists(path))

    def keys_of(self, position: int) -> list[str]:
        folder, name = self._name(position)
        return [_file_key(folder, fit(name, f".{suffix}")) for suffix in self._formats]


def _file_key(folder: str, name: str) -> str:
    """`collision_key` of a file in a folder."""
    return f"{_folder_key(folder)}/{fold(name)}"


@lru_cache(maxsize=1024)
def _folder_key(folder: str) -> str:
    return collision_key(folder).rstrip("/")


class _PresentNames:
    """What is in the folders of the outputs, as hashes of its keys."""

    def __init__(self) -> None:
        self._folders: dict[str, tuple[frozenset[int], bool]] = {}

    def include(self, candidates: _NameCandidates) -> bool:
        """Whether a file may have one of the later names of an input."""
        for number, folder in enumerate(candidates.folders):
            names, hashed = self._in(folder)
            if hashed:
                return True
            if names:
                later = [2 * number, 2 * number + 1] if number else [1]
                if any(hash(key) in names for position in later for key in candidates.keys_of(position)):
                    return True
        return False

    def _in(self, folder: str) -> tuple[frozenset[int], bool]:
        """The names in a folder, and whether one of them may have a hash."""
        if folder not in self._folders:
            try:
                names = names_in(folder)
            except OSError:
                names = []
            keys = frozenset(hash(_file_key(folder, name)) for name in names)
            self._folders[folder] = keys, any(map(_HASHED.search, names))
        return self._folders[folder]
