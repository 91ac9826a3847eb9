"""Pairs results with references, by the recording's name and its folders."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Generic, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Pairing(Generic[Found]):
    """A reference and its name."""

    name: str
    reference: Found


class References(Generic[Found]):
    """References by name. A reference may have several names, and a name several references."""

    def __init__(self, entries: Iterable[tuple[str, Found]]) -> None:
        """Take entries of (name, reference); a name may be a path, with or without suffix."""
        self._entries = list(entries)

    def __iter__(self) -> Iterator[tuple[str, Found]]:
        return iter(self._entries)

    def find(self, names: Sequence[str], *, alone: bool = False) -> Pairing[Found] | None:
        """The reference of a result with these names (paths, with or without suffix). A name with suffix is preferred
        to one without; of several matches the one that shares most folders. A single reference is taken whatever its
        name with `alone`. Raises LookupError: several references match equally well; the message names them.
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
        """The first names of the references that are not among these."""
        known = {id(reference) for reference in used}
        left: dict[int, str] = {}
        for key, value in self._entries:
            if id(value) not in known:
                left.setdefault(id(value), key)
        return list(left.values())


def _distinct(pairings: Iterable[Pairing[Found]]) -> set[int]:
    return {id(pairing.reference) for pairing in pairings}


def _fit(name: str, key: str) -> tuple[bool, int] | None:
    """How well a reference's name matches a result's: whether the suffix does, and how many folders; None: no match."""
    ours, theirs = PurePath(name), PurePath(key)
    if ours.name not in {theirs.name, theirs.stem}:
        return None
    shared = 0
    for one, other in zip(ours.parts[-2::-1], theirs.parts[-2::-1], strict=False):
        if one != other:
            break
        shared += 1
    return ours.name == theirs.name, shared
