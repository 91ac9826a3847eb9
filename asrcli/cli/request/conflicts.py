"""Options that contradict each other: one of the config file or of a variable gives way to one of a higher level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from asrcli.options.declarations import declarations, from_values
from asrcli.options.values import OptionConflictError

#: level that an option is set on -> its rank: an option set on a lower level gives way to one on a higher level
RANKS = {"config file": 1, "environment": 2, "flag": 3}
FLAG = RANKS["flag"]

#: options that say which model recognises speech, in pairs of which only one may be set
MODEL_PAIRS = (("fast", "model"), ("fast", "remote"), ("remote_api_key", "remote_api_key_file"))


class _Arguments(Protocol):
    @property
    def values(self) -> Mapping[str, Any]: ...


_Given = TypeVar("_Given", bound=_Arguments)
_Result = TypeVar("_Result")
Ranks = Mapping[str, int]


def settle(
    arguments: _Given, levels: Mapping[str, str], read: Callable[[_Given, Ranks], _Result]
) -> tuple[_Given, _Result]:
    """Read the arguments of a command. Of two that contradict each other (`read` raises OptionConflictError), one that
    the config file or a variable sets gives way to a flag; `levels` holds where each option is set (a key of `RANKS`).
    Returns the arguments without those that gave way, and what was read. Raises UsageError: options of the same level
    contradict each other.
    """
    ranks = {name: RANKS[levels[name]] for name in arguments.values}
    known = declarations(type(arguments))
    inputs = {name: getattr(arguments, one.field) for name, one in known.items() if one.option.positional}
    while True:
        try:
            return arguments, read(arguments, ranks)
        except OptionConflictError as conflict:
            ceded = _ceded(conflict, ranks)
            if not ceded:
                raise
            values = {name: value for name, value in arguments.values.items() if name not in ceded}
            arguments = from_values(type(arguments), inputs | values, values=values)
            ranks = {name: ranks[name] for name in values}


def _ceded(conflict: OptionConflictError, ranks: Ranks) -> set[str]:
    """The options that give way: those below the highest level of the conflict."""
    own = {name: ranks[name] for name in conflict.options if name in ranks}
    highest = max(own.values(), default=FLAG) if len(conflict.options) > 1 else FLAG
    return {name for name, rank in own.items() if rank < highest}


def check_exclusive(values: Mapping[str, Any], *pairs: tuple[str, str]) -> None:
    """Raises OptionConflictError: both options of a pair are set."""
    for pair in pairs:
        if all(values.get(name) for name in pair):
            one, other = (f"--{name.replace('_', '-')}" for name in pair)
            raise OptionConflictError(f"{one} and {other} exclude each other.", "Use one of them.", pair)


def check_model(values: Mapping[str, Any]) -> None:
    """Raises OptionConflictError: the options name two models."""
    check_exclusive(values, *MODEL_PAIRS)
    backend = values.get("backend", "auto")
    if values.get("remote") is not None and backend not in {"auto", "remote"}:
        message = f"--remote is a server, but --backend {backend} runs on this machine."
        raise OptionConflictError(message, "Leave one of them out.", ("remote", "backend"))
