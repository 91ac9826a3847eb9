"""How an option is declared: once, on the field of the dataclass that holds its value.

    threshold: float = option(0.5, "Speech starts at this probability.", name="vad_threshold", low=0.01, high=0.99)

The command line, the config file, the environment variables, the form of `POST /v1/jobs`, the completion scripts, the
man pages and docs/options.md are made from these declarations.
"""

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

#: headings of `--help-all`, in its order; an option without one is listed after them
PANELS = (
    "Input", "Output", "Network", "Recognition", "Speakers", "Audio selection", "Speech detection", "Text", "Subtitles",
    "Batch", "Access", "Limits", "Jobs", "Messages",
)  # fmt: skip

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on", "y", "t"}), frozenset({"false", "0", "no", "off", "n", "f"})

_Options = TypeVar("_Options")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A declaration besides the field's type and default. Arguments of `option`."""

    help: str
    #: with underscores; "": the field's name. The flag and the config key are made of it.
    name: str = ""
    #: "-m"
    short: str = ""
    #: further names of the flag, with hyphens: those of other programs
    aliases: tuple[str, ...] = ()
    panel: str = "Options"
    #: "": the choices of a Literal. FILE, DIR, MODEL and FORMATS decide what completion offers.
    metavar: str = ""
    #: the only values; those of a Literal need not be repeated
    choices: tuple[str, ...] = ()
    #: least and greatest value of a number
    low: float | None = None
    high: float | None = None
    #: variables of other programs, read where `ASRCLI_*` is not set
    variables: tuple[str, ...] = ()
    #: turns text into the value; raises ValueError
    read: Callable[[str], Any] | None = None
    #: listed by `--help`; the others only by `--help-all`
    essential: bool = False
    #: accepted by `POST /v1/jobs`
    job: bool = False
    #: kind of the models that completion offers for MODEL
    models: str = "asr"
    #: whether a flag has the form --no-NAME as well
    negatable: bool = True
    show_default: bool = True
    #: a positional argument of the command line
    positional: bool = False


@dataclass(frozen=True, slots=True)
class Declaration:
    """An option with its name and type."""

    name: str
    #: the dataclass's field
    field: str
    #: bool, int, float, str or Path; of a repeatable option, of each value
    type: Any
    choices: tuple[str, ...]
    repeatable: bool
    #: MISSING where a value is required
    default: Any
    option: Option

    @property
    def metavar(self) -> str:
        return self.option.metavar or "|".join(self.choices)

    @property
    def default_text(self) -> str:
        """The default as a user would write it."""
        if self.option.metavar == "SIZE":
            return f"{self.default >> 20}MB" if self.default % (1 << 30) else f"{self.default >> 30}GB"
        return f"{self.default:.15g}" if isinstance(self.default, float) else str(self.default)

    @property
    def range(self) -> str:
        """As in "0 to 60"; "" without bounds."""
        low, high = self.option.low, self.option.high
        return "" if low is None or high is None else f"{low:.15g} to {high:.15g}"

    def parse(self, text: Any) -> Any:
        """The value of a text; anything else is returned as it is. Raises ValueError: there is none, or it is out of
        bounds.
        """
        if not isinstance(text, str):
            return text
        value = self._read(text)
        if isinstance(value, int | float) and not isinstance(value, bool) and self.range:
            assert self.option.low is not None
            assert self.option.high is not None
            if not self.option.low <= value <= self.option.high:
                raise ValueError(f"{text.strip()} is out of range; it must be {self.range}")
        return value

    def _read(self, text: str) -> Any:
        if self.option.read is not None:
            return self.option.read(text)
        if self.choices:
            if text.strip() not in self.choices:
                raise ValueError(f"'{text}' is not one of {', '.join(map(repr, self.choices))}")
            return text.strip()
        return _READERS[self.type](text)


def parse_flag(text: str | bool) -> bool:
    """Whether a word means yes; a bool is returned as it is. Raises ValueError: neither yes nor no."""
    if isinstance(text, bool):
        return text
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("write yes or no")
    return word in _TRUE


def _number(text: str) -> float:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ValueError(f"'{text}' is not a number; write a number")
    return value


def _whole(text: str) -> int:
    try:
        value = _number(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value) or value != int(value):
        raise ValueError(f"'{text}' is not a whole number; write a whole number")
    return int(value)


_READERS: Mapping[Any, Callable[[str], Any]] = {bool: parse_flag, int: _whole, float: _number, str: str, Path: Path}


def option(default: Any, help: str, **rules: Any) -> Any:  # noqa: A002 -- the word of every option parser
    """Declare an option as the default of a dataclass's field; MISSING (of `dataclasses`) requires a value. `rules` are
    further fields of `Option`.
    """
    return field(default=default, metadata={"option": Option(help=help, **rules)})


def declarations(options: type[Any]) -> Mapping[str, Declaration]:
    """The options that a dataclass declares, by name. Fields without a declaration are left out."""
    key: Any = options
    return _declarations(key)


@cache
def _declarations(options: Any) -> Mapping[str, Declaration]:
    hints = get_type_hints(options)
    found = {}
    for item in fields(options):
        declared: Option | None = item.metadata.get("option")
        if declared is not None:
            name = declared.name or item.name
            kind, choices, repeatable = _type_of(hints[item.name])
            default = None if item.default is MISSING and item.default_factory is not MISSING else item.default
            found[name] = Declaration(name, item.name, kind, declared.choices or choices, repeatable, default, declared)
    return found


def _type_of(hint: Any) -> tuple[Any, tuple[str, ...], bool]:
    """Type, choices and whether there may be several values."""
    if get_origin(hint) in {Union, types.UnionType}:
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is tuple:
        return *_type_of(get_args(hint)[0])[:2], True
    if get_origin(hint) is Literal:
        return str, get_args(hint), False
    return hint, (), False


def from_values(options: type[_Options], values: Mapping[str, Any], /, **derived: Any) -> _Options:
    """Build a dataclass from values by option name; others have their default, and `derived` (by field name) wins.
    Values of other classes are ignored.
    """
    known = declarations(options)
    given = {known[name].field: value for name, value in values.items() if name in known}
    return options(**{**given, **derived})
