"""Values of options without pydantic, which Typer checks them with: loading it takes 0.1 s of every command."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer


def _flag(text: str | bool) -> bool:
    from asrcli.options.declarations import parse_flag

    return parse_flag(text)


#: parsers of options that are declared without one, by type
_PARSERS: dict[Any, Callable[[Any], Any]] = {bool: _flag, Path: Path, str: str}


@dataclass(frozen=True, slots=True)
class ParserCoercion:
    """Converts an option's text with a parser, which raises ValueError. Typer calls `coerce`."""

    parser: Callable[[Any], Any]

    def coerce(self, value: Any, param: Any, ctx: typer.Context) -> Any:
        """The value of an option, None or () if it is not set. Raises BadParameter: the parser refuses it."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        try:
            if several:
                return [self.parser(item) for item in ([value] if isinstance(value, str) else value)]
            return self.parser(value)
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=param) from error


def without_pydantic(param: Any) -> None:
    """Make Typer convert the values of a parameter with its parser; without a known one, pydantic does it."""
    descriptor = getattr(param, "type_descriptor", None)
    if descriptor is None:  # not part of Typer's interface: in another version pydantic is used
        return
    parser = descriptor.parameter_info.parser or _PARSERS.get(descriptor.annotation)
    if parser is not None:
        coercion = ParserCoercion(parser)
        param.get_runtime_param = lambda: coercion
