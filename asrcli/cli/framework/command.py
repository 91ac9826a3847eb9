"""What every command has in common: its help page, `--config`, `--debug` and the layers of settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_General = "General"
_Arguments = TypeVar("_Arguments")
_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Panels:
    """Help in plain text, options under their headings: rich's boxes would cost every `--help` 0.4 s."""

    def get_help_option(self: Any, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.default = False  # None would be converted, and for that Typer loads pydantic: 0.1 s a start
        return option

    def format_options(self: Any, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                is_argument = param.param_type_name == "argument"
                general = _General if param.name in {"help", "version"} else "Options"
                panel = "Arguments" if is_argument else getattr(param, "rich_help_panel", None) or general
                panels.setdefault(panel, []).append((_display_name(param, record[0]), record[1]))
        for panel in sorted(panels, key=_General.__eq__):  # stable: only the general options move, to the end
            with formatter.section(panel):
                formatter.write_dl(panels[panel])

    def format_epilog(self: Any, ctx: Any, formatter: Any) -> None:
        lines = examples_of(self)
        if lines:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in lines))
        super().format_epilog(ctx, formatter)  # type: ignore[misc]


def _display_name(param: Any, name: str) -> str:
    """The option's names and its placeholder; an argument's without the type that Typer adds."""
    return str(param.metavar or name) if param.param_type_name == "argument" else name.replace("<bool>", "").rstrip()


class PanelCommand(_Panels, TyperCommand):
    """One command."""


class PanelGroup(_Panels, TyperGroup):
    """A command with subcommands."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Subcommands first: they are what the reader looks for."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """First sentences whole, where the inherited method cuts them to one line."""
        rows = [(name, self.commands[name].get_short_help_str(limit=200)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def examples(text: str) -> Callable[[_Function], _Function]:
    """Give a command examples for its help and its man page, one a line."""

    def decorate(function: _Function) -> _Function:
        function.examples = text  # type: ignore[attr-defined]
        return function

    return decorate


def without_layers(function: _Function) -> _Function:
    """Exempt a command from config file and variables: it must work when these are broken or yet to be written."""
    function.without_layers = True  # type: ignore[attr-defined]
    return function


def examples_of(command: Any) -> list[str]:
    """The examples of a built command: Typer's wrapper carries the attributes of the function it wraps."""
    return str(getattr(command.callback, "examples", "")).splitlines()


def takes(arguments: type[_Arguments]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options that a dataclass describes.

    The dataclass's fields are annotated as Typer wants parameters annotated; the decorated function is called with the
    context and one instance. So a command's signature is one typed value, and commands share groups of options.
    """

    def decorate(function: Callable[[typer.Context, _Arguments], Any]) -> Callable[..., Any]:
        def command(ctx: typer.Context, **values: Any) -> Any:
            return function(ctx, arguments(**values))

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__module__ = function.__module__
        command.__dict__.update(function.__dict__)
        command.__annotations__ = {}
        command.__signature__ = _signature(arguments)  # type: ignore[attr-defined]
        return command

    return decorate


def _signature(arguments: type[Any]) -> Signature:
    hints = get_type_hints(arguments, include_extras=True)
    parameters = [Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
    for field in fields(arguments):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        default = Parameter.empty if default is MISSING else default
        parameters.append(Parameter(field.name, Parameter.KEYWORD_ONLY, annotation=hints[field.name], default=default))
    return Signature(parameters)


def load(name: str, module_name: str) -> Any:
    """Import a command's module and build the command.

    Args:
        name: as the user types it.
        module_name: module of `asrcli.cli.commands` with `app` (a Typer of subcommands) or a function named like it.
    """
    module = import_module(f"asrcli.cli.commands.{module_name}")
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer()
        app.command(name)(getattr(module, module_name))
    command = _plain(app)
    command.name = name
    prepare(command)
    return command


def _plain(app: typer.Typer) -> Any:
    """Build an app in this program's style, whatever style it was declared with."""
    app.rich_markup_mode = None
    app._add_completion = False  # noqa: SLF001 -- Typer takes it in the constructor only; ours are static scripts
    app.info.cls = PanelGroup
    app.info.no_args_is_help = True
    for info in app.registered_commands:
        info.cls = PanelCommand
        info.context_settings = CONTEXT_SETTINGS | (info.context_settings or {})
    return typer.main.get_command(app)


def prepare(command: Any) -> None:
    """Give a command, and those below it, the options that all have."""
    is_group = isinstance(command, TyperGroup)
    # `--config` of a group would be checked by pydantic, which takes longer to load than a subcommand's help to print.
    command.params.extend(param for param in _common_params() if param.name != "config" or not is_group)
    if is_group and isinstance(command.commands, dict):  # the program's own commands load lazily
        for subcommand in command.commands.values():
            prepare(subcommand)


def _read_layers(ctx: typer.Context, value: Path | None) -> None:
    """Callback of the eager `--config`: it runs before the other options are read, which is when the layers matter."""
    session = ctx.obj
    session.config = value or session.config
    if ctx.resilient_parsing or getattr(ctx.command.callback, "without_layers", False):
        return
    from asrcli.cli.framework.settings import apply

    apply(ctx, session)


def _set_debug(ctx: typer.Context, value: bool) -> None:
    ctx.obj.debug = ctx.obj.debug or value


def _common_params() -> list[Any]:
    # Typer makes parameters of a function's signature; a function that only has these gives us the objects.
    def common(
        config: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                envvar="ASRCLI_CONFIG",
                callback=_read_layers,
                is_eager=True,
                expose_value=False,
                help="Read settings from FILE (see 'asrcli config').",
                rich_help_panel=_General,
            ),
        ] = None,
        debug: Annotated[
            bool,
            typer.Option(
                "--debug",
                envvar="ASRCLI_DEBUG",
                callback=_set_debug,
                is_eager=True,
                expose_value=False,
                help="Show the traceback of an error.",
                rich_help_panel=_General,
            ),
        ] = False,
    ) -> None: ...

    app = typer.Typer()
    app.command()(common)
    return list(_plain(app).params)
