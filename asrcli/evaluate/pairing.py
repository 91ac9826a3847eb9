"""Which reference belongs to which result, by the recording's name and, where that is not enough, its folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Generic, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Pairing(Generic[Found]):
    """A reference, and what it is called."""

    name: str
    reference: Found


class References(Generic[Found]):
    """References by name. One may have several names, and a name may stand for several."""

    def __init__(self, entries: Iterable[tuple[str, Found]]) -> None:
        """Take entries of (name, reference); a name may be a path, with or without suffix."""
        self._entries = list(entries)

    def __iter__(self) -> Iterator[tuple[str, Found]]:
        return iter(self._entries)

    def find(self, names: Sequence[str], *, alone: bool = False) -> Pairing[Found] | None:
        """The reference of a result that has these names.

        A name with its suffix says more than one without; of several that fit, the one counts that shares most folders.

        Args:
            names: what the result or its recording is called: paths, with or without suffix.
            alone: a single reference is taken whatever it is called.

        Raises:
            LookupError: several references fit equally well; the message names them.
        """
        best: tuple[bool, int] = False, -1
        fitting: list[Pairing[Found]] = []
        for key, value in self._entries:
            fit = max((fit for name in names if (fit := _fit(name, key)) is not None), default=None)
            if fit is None or fit < best:
                continue
            if fit > best:
                best, fitting = fit, []
            fitting.append(Pairing(key, value))
        if not fitting and alone:
            fitting = [Pairing(key, value) for key, value in self._entries]
            if len(_distinct(fitting)) > 1:
                return None
        if len(_distinct(fitting)) > 1:
            raise LookupError(", ".join(pairing.name for pairing in fitting))
        return fitting[0] if fitting else None

    def without(self, used: Iterable[Found]) -> list[str]:
        """Names of the references that are not among these, each by the first of its names."""
        known = {id(reference) for reference in used}
        left: dict[int, str] = {}
        for key, value in self._entries:
            if id(value) not in known:
                left.setdefault(id(value), key)
        return list(left.values())


def _distinct(pairings: Iterable[Pairing[Found]]) -> set[int]:
    return {id(pairing.reference) for pairing in pairings}


def _fit(name: str, key: str) -> tuple[bool, int] | None:
    """How well a reference's name fits a result's: whether the suffix does, and how many folders; None: not at all."""
    ours, theirs = PurePath(name), PurePath(key)
    if ours.name not in {theirs.name, theirs.stem}:
        return None
    shared = 0
    for one, other in zip(ours.parts[-2::-1], theirs.parts[-2::-1], strict=False):
        if one != other:
            break
        shared += 1
    return ours.name == theirs.name, shared
