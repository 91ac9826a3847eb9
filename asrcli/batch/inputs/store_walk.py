"""The recordings below a folder or prefix of a store, by the rules and in the order of `walk`."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from asrcli.batch.inputs.paths import PlanError, printable
from asrcli.batch.inputs.walk import Filter, natural_key
from asrcli.errors import AsrcliError, InputUnreadableError
from asrcli.storage.places import is_plain


@dataclass(slots=True)
class StoreWalk:
    """One walk: call `files`, then read what went wrong and what was passed over."""

    root: Path
    wanted: Filter
    recursive: bool = True
    #: whether there is anything below the root
    found: bool = False
    problems: list[PlanError] = field(default_factory=list)
    #: how many files were passed over for their suffix, by suffix in lower case
    others: Counter[str] = field(default_factory=Counter)
    _entered: dict[str, bool] = field(default_factory=dict)

    def files(self) -> list[tuple[str, int]]:
        """The inputs, as paths and sizes in bytes."""
        from asrcli.storage.objects import list_files

        names: list[tuple[str, int]] = []
        try:
            for name, size in list_files(self.root, self._enters if self.recursive else None):
                self.found = True
                if self._takes(name):
                    names.append((name, size))
        except AsrcliError as error:
            self.problems.append(PlanError(printable(self.root), error))
        names.sort(key=lambda entry: _order(entry[0]))
        return [(f"{self.root}/{name}", size) for name, size in names]

    def _takes(self, name: str) -> bool:
        folder, _, base = name.rpartition("/")
        if base.startswith(".") or not self._enters(folder):
            return False
        if not base:
            self._refuse(name, "a link to a folder, which is not followed", "Name it, too, or leave it out: --exclude.")
        elif self.wanted.wants(name):
            if is_plain(name):
                return True
            why = "parts of its path are empty, '.' or '..', which names of results cannot have"
            self._refuse(name, why, "Copy it to another name.")
        elif self.wanted.leaves_open(name):
            self.others[os.path.splitext(base)[1].lower()] += 1
        return False

    def _refuse(self, name: str, why: str, hint: str) -> None:
        uri = f"{printable(self.root)}/{name}"
        self.problems.append(PlanError(uri, InputUnreadableError(f"{uri}: {why}.", hint)))

    def _enters(self, folder: str) -> bool:
        """Whether a folder is neither hidden nor left out, nor one that it is in."""
        if not folder:
            return True
        if folder not in self._entered:
            parent, _, base = folder.rpartition("/")
            hidden = base.startswith(".") and base not in {".", ".."}
            self._entered[folder] = not hidden and not self.wanted.excludes(folder) and self._enters(parent)
        return self._entered[folder]


def _order(name: str) -> str:
    """Sort key: a folder's files before its folders, each in natural order."""
    *folders, base = name.split("/")
    return "".join([f"\2{natural_key(folder)}" for folder in folders] + [f"\1{natural_key(base)}"])
