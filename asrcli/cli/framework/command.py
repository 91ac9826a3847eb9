"""What every command has in common: its help page, `--config`, `--debug` and the layers of settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from importlib import import_module
from inspect import Parameter, Signature
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from asrcli.cli.framework.coercion import without_pydantic

if TYPE_CHECKING:
    from asrcli.options.declarations import Declaration, Option

CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_General = "General"
#: options that fit on a screen
_SCREEN = 15
#: key of `ctx.meta`: every option is listed, not only the essential ones
_ALL = "asrcli.help-all"
_Arguments = TypeVar("_Arguments")
_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Panels:
    """Help in plain text, options under their headings: rich's boxes would cost every `--help` 0.4 s."""

    def get_help_option(self: Any, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.default = False  # None would be converted, and for that Typer loads pydantic: 0.1 s a start
        return option

    def collect_usage_pieces(self: Any, ctx: Any) -> list[str]:
        """Required arguments without the braces that Typer puts around them."""
        return [piece.translate({123: None, 125: None}) for piece in super().collect_usage_pieces(ctx)]  # type: ignore[misc]

    def format_options(self: Any, ctx: Any, formatter: Any) -> None:
        essential = {name for name, declared in declarations_of(self).items() if declared.option.essential}
        short = _has_many(self) and not ctx.meta.get(_ALL)
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                panel = _panel_of(param)
                if panel not in {"Arguments", _General}:
                    if short and param.name not in essential:
                        continue
                    panel = panel if ctx.meta.get(_ALL) else "Options"
                panels.setdefault(panel, []).append((_display_name(param, record[0]), record[1]))
        for panel in sorted(panels, key=lambda panel: (panel != "Arguments", panel == _General)):
            with formatter.section(panel):
                formatter.write_dl(panels[panel])

    def format_epilog(self: Any, ctx: Any, formatter: Any) -> None:
        lines = examples_of(self)
        if lines:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in lines))
        super().format_epilog(ctx, formatter)  # type: ignore[misc]


def _has_many(command: Any) -> bool:
    """Whether `--help` lists only the essential options of a command, as there are too many for a screen."""
    return len(declarations_of(command)) > _SCREEN


def _panel_of(param: Any) -> str:
    if param.param_type_name == "argument":
        return "Arguments"
    general = _General if param.name in {"help", "version"} else "Options"
    return getattr(param, "rich_help_panel", None) or general


def _display_name(param: Any, name: str) -> str:
    """The option's names and its placeholder; of a flag that is off by default without its negation."""
    if param.param_type_name == "argument":
        return str(param.metavar or name)  # without the type that Typer adds
    name = name.replace("<bool>", "").rstrip()
    return name.split(" / ")[0] if param.is_flag and param.default is False else name


class PanelCommand(_Panels, TyperCommand):
    """One command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Arguments pass through the function that `rewrites_arguments` gave the command. Raises UsageError: a file's
        name would be read as options.
        """
        if not ctx.resilient_parsing:
            from asrcli.cli.framework.dashes import check_file_names

            check_file_names(self.params, args)
        rewrite = getattr(self.callback, "rewrite", None)
        if rewrite is not None and not ctx.resilient_parsing:
            args = rewrite(ctx, args)
        return super().parse_args(ctx, args)


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


def rewrites_arguments(rewrite: Callable[[typer.Context, list[str]], list[str]]) -> Callable[[_Function], _Function]:
    """Change a command's arguments before they are parsed."""

    def decorate(function: _Function) -> _Function:
        function.rewrite = rewrite  # type: ignore[attr-defined]
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
    """Give a command the options that a dataclass declares (see `options.declarations`).

    The decorated function is called with the context and one instance. A field `values` of the dataclass receives the
    values that are set on some level, by option name; its metadata names further classes whose options the command has.
    """

    def decorate(function: Callable[[typer.Context, _Arguments], Any]) -> Callable[..., Any]:
        known = _all_declarations(arguments)

        def command(ctx: typer.Context, **values: Any) -> Any:
            return function(ctx, arguments_of(arguments, _typed(known, values), ctx))

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__module__ = function.__module__
        command.__dict__.update(function.__dict__)
        command.__annotations__ = {}
        command.__signature__ = _signature(known)  # type: ignore[attr-defined]
        command.declarations = known  # type: ignore[attr-defined]
        return command

    return decorate


def more_options(*groups: type[Any]) -> Any:
    """The field `values` of a class for `takes`: values by option name, of the class itself and of `groups`."""
    return field(default_factory=dict, metadata={"groups": groups})


def arguments_of(arguments: type[_Arguments], values: Mapping[str, Any], ctx: typer.Context) -> _Arguments:
    """An instance for `takes`."""
    from asrcli.cli.framework.settings import asked_for
    from asrcli.options.declarations import from_values

    if "values" not in getattr(arguments, "__dataclass_fields__", {}):
        return from_values(arguments, values)
    asked = asked_for(ctx)
    return from_values(arguments, values, values={name: values[name] for name in values if name in asked})


def declarations_of(command: Any) -> Mapping[str, Declaration]:
    """The declared options of a built command, by name."""
    found: Mapping[str, Declaration] = getattr(command.callback, "declarations", {})
    return found


def _all_declarations(arguments: type[Any]) -> Mapping[str, Declaration]:
    """Those of a class for `takes`, in the order of the panels."""
    from asrcli.options.declarations import declarations

    found = dict(declarations(arguments))
    for item in fields(arguments):
        for group in item.metadata.get("groups", ()):
            found |= declarations(group)
    return dict(sorted(found.items(), key=lambda pair: _order(pair[1].option)))


def _order(declared: Option) -> tuple[int, bool]:
    """By panel, the essential ones first; options of the same rank stay in the order of their declarations."""
    from asrcli.options.declarations import PANELS

    return PANELS.index(declared.panel) if declared.panel in PANELS else len(PANELS), not declared.essential


def _typed(known: Mapping[str, Declaration], values: Mapping[str, Any]) -> dict[str, Any]:
    """Several values as a tuple: Typer gives a list."""
    named = {name.removesuffix("_"): value for name, value in values.items()}
    return {name: tuple(value or ()) if known[name].repeatable else value for name, value in named.items()}


def _signature(known: Mapping[str, Declaration]) -> Signature:
    parameters = [Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
    parameters += [_parameter(declaration) for declaration in known.values()]
    return Signature(parameters)


def _parameter(declaration: Declaration) -> Parameter:
    """The parameter that Typer makes an option or argument of."""
    option, name = declaration.option, declaration.name
    required = declaration.default is MISSING
    kind: Any = list[declaration.type] if declaration.repeatable else declaration.type  # type: ignore[name-defined]
    rules: dict[str, Any] = {"help": option.help, "show_default": option.show_default and bool(declaration.default)}
    if declaration.metavar:
        rules["metavar"] = declaration.metavar
    if declaration.type is not bool:
        rules["parser"] = _parser(declaration)
    if option.positional:
        information = typer.Argument(**rules)
    else:
        names = [f"--{name.replace('_', '-')}"]
        if declaration.type is bool and option.negatable:
            names[0] += f"/--no-{name.replace('_', '-')}"
        names += [f"--{alias}" for alias in option.aliases]
        information = typer.Option(*names, *filter(None, [option.short]), rich_help_panel=option.panel, **rules)
    default = Parameter.empty if required else declaration.default
    if isinstance(default, float) or option.metavar == "SIZE":
        default = declaration.default_text
    if declaration.repeatable and not required:
        default = list(declaration.default or ()) or (None if option.positional else [])
    annotation = kind if required else kind | None
    name += "_" * iskeyword(name)
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=Annotated[annotation, information], default=default)


def _parser(declaration: Declaration) -> Callable[[Any], Any]:
    def parse(text: Any) -> Any:
        return declaration.parse(text)

    parse.__name__ = "text"
    return parse


def load(name: str, module_name: str) -> Any:
    """Import a module of `asrcli.cli.commands` and build its command: `app` (a Typer of subcommands) or the function
    named like it.
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
    # A group has no settings of its own.
    left_out = ({"config"} if is_group else set()) | (set() if _has_many(command) else {"help_all"})
    command.params.extend(param for param in _common_params() if param.name not in left_out)
    for param in command.params:
        without_pydantic(param)
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


def _print_all_help(ctx: typer.Context, value: bool) -> None:
    if value:
        ctx.meta[_ALL] = True
        print(ctx.get_help())
        raise typer.Exit


def _set_debug(ctx: typer.Context, value: bool) -> None:
    ctx.obj.console.debug = ctx.obj.console.debug or value


def _general(*flags: str, callback: Callable[..., None], help: str, **rules: Any) -> Any:  # noqa: A002 -- Typer's word
    return typer.Option(
        *flags, callback=callback, is_eager=True, expose_value=False, help=help, rich_help_panel=_General, **rules
    )


_CONFIG = _general(
    callback=_read_layers, help="Read settings from FILE (see 'asrcli config').", metavar="FILE", envvar="ASRCLI_CONFIG"
)
_DEBUG = _general("--debug", callback=_set_debug, help="Show the traceback of an error.", envvar="ASRCLI_DEBUG")
_HELP_ALL = _general("--help-all", callback=_print_all_help, help="Show all options and exit.")


def _common_params() -> list[Any]:
    # Typer makes parameters of a function's signature; a function that only has these gives us the objects.
    def common(
        config: Annotated[Path | None, _CONFIG] = None,
        debug: Annotated[bool, _DEBUG] = False,
        help_all: Annotated[bool, _HELP_ALL] = False,
    ) -> None: ...

    app = typer.Typer()
    app.command()(common)
    return list(_plain(app).params)
