"""The command line as data, from which completion scripts, man pages and docs/options.md are generated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import typer

from asrcli.cli.framework.app import COMMANDS, build
from asrcli.cli.framework.command import declarations_of, examples_of
from asrcli.cli.framework.settings import NOT_SETTINGS, key_of, variables
from asrcli.options.declarations import Declaration

#: what a shell offers for a value: files, folders, one of some words, a model or folder, comma-separated words, nothing
Kind = Literal["file", "dir", "word", "model", "list", "any"]

_KINDS: dict[str, Kind] = {
    "FILE": "file", "INPUT": "file", "CLIP": "file", "RESULT": "file", "PATH": "file",
    "DIR": "dir", "MODEL": "model", "FORMATS": "list",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """The value of an option or an argument."""

    placeholder: str
    kind: Kind = "any"
    choices: tuple[str, ...] = ()
    #: kind of the models that are offered
    models: str = ""


@dataclass(frozen=True, slots=True)
class CommandOption:
    """A flag, or an option with a value."""

    names: tuple[str, ...]
    #: the other half of a pair: ("--no-itn",)
    negations: tuple[str, ...]
    #: None: a flag
    value: Value | None
    repeatable: bool
    help: str
    default: str
    panel: str
    #: variables that set it, the general one last; empty for --help and the like
    variables: tuple[str, ...]
    declared: Declaration | None


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument."""

    value: Value
    repeatable: bool
    required: bool
    help: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its subcommands."""

    #: ("asrcli", "models", "add")
    path: tuple[str, ...]
    summary: str
    help: str
    usage: str
    examples: tuple[str, ...]
    options: tuple[CommandOption, ...]
    arguments: tuple[Argument, ...]
    commands: tuple[Command, ...]

    @property
    def name(self) -> str:
        return self.path[-1]

    def walk(self) -> Iterator[Command]:
        """The command itself and all below it, depth first."""
        yield self
        for command in self.commands:
            yield from command.walk()


def program() -> Command:
    """The whole program."""
    root = build()
    return _command(root, typer.Context(root, info_name="asrcli", **root.context_settings), "")


def _command(command: Any, ctx: Any, summary: str) -> Command:
    path = tuple(ctx.command_path.split())
    params = command.get_params(ctx)
    known = declarations_of(command)
    return Command(
        path=path,
        summary=summary or command.get_short_help_str(120),
        help=(command.help or "").strip(),
        usage=_usage(command, path[1:]),
        examples=tuple(examples_of(command)),
        options=tuple(
            _option(p, path[1:], known.get(p.name.removesuffix("_"))) for p in params if p.param_type_name == "option"
        ),
        arguments=tuple(
            Argument(_value(p, path[1:]), p.nargs == -1, p.required, p.help or "")
            for p in params
            if p.param_type_name == "argument"
        ),
        commands=tuple(_subcommands(command, ctx)),
    )


def _usage(command: Any, path: tuple[str, ...]) -> str:
    """The words after the command's name; Typer's own text differs from version to version."""
    pieces = ["[OPTIONS]"]
    for param in command.params:
        if param.param_type_name == "argument":
            name = _value(param, path).placeholder
            pieces.append((name if param.required else f"[{name}]") + ("..." if param.nargs == -1 else ""))
    return " ".join([*pieces, "COMMAND [ARGS]..."] if hasattr(command, "commands") else pieces)


def _subcommands(command: Any, ctx: Any) -> Iterator[Command]:
    for name, subcommand in getattr(command, "commands", {}).items():
        summary = COMMANDS[name].summary if ctx.parent is None else ""
        yield _command(subcommand, typer.Context(subcommand, parent=ctx, info_name=name), summary)


def _option(param: Any, path: tuple[str, ...], declared: Declaration | None) -> CommandOption:
    is_setting = param.name not in NOT_SETTINGS
    return CommandOption(
        names=tuple(sorted(param.opts, key=len)),
        negations=tuple(param.secondary_opts),
        value=None if param.is_flag else _value(param, path, declared),
        repeatable=param.multiple,
        help=param.help or "",
        default=_default(param),
        panel=getattr(param, "rich_help_panel", None) or ("Options" if is_setting else "General"),
        variables=tuple(variables(path, key_of(param))) if is_setting else tuple(filter(None, [param.envvar])),
        declared=declared,
    )


def _default(param: Any) -> str:
    if param.default in (None, [], ()) or param.show_default is False:
        return ""
    if param.is_flag:
        return str((param.opts if param.default else param.secondary_opts or [""])[0])
    return ",".join(param.default) if isinstance(param.default, list) else str(param.default)


def _value(param: Any, path: tuple[str, ...], declared: Declaration | None = None) -> Value:
    """What to offer, by the placeholder: `a|b|N` offers a and b, FILE files, MODEL models, and so on."""
    placeholder = (param.metavar or param.name.upper()).removesuffix("...")
    kind: Kind = _KINDS.get(placeholder, "word")
    choices: tuple[str, ...] = ()
    if "|" in placeholder:
        choices = tuple(word for word in placeholder.split("|") if not word.isupper())
    elif placeholder == "MODEL":
        choices = _models(declared.option.models if declared else "asr")
    elif placeholder == "NAME" and path[:1] in {("models",), ("download-model",)} and path[-1] != "add":
        choices = _models(None)
    elif placeholder == "FORMATS":
        choices = _formats()
    elif placeholder == "COMMAND":
        choices = tuple(COMMANDS)
    models = declared.option.models if declared and kind == "model" else ""
    return Value(placeholder, kind if choices or kind in {"file", "dir"} else "any", choices, models)


def _formats() -> tuple[str, ...]:
    from asrcli.formats import FORMATS

    return tuple(FORMATS)


@cache
def _models(kind: str | None) -> tuple[str, ...]:
    """The models of the catalogue, of one kind or all."""
    from asrcli.models import builtin
    from asrcli.models.yaml_file import load_yaml

    catalogue = load_yaml(Path(builtin.__file__).with_name("catalogue.yaml"))["models"]
    names = tuple(name for name, entry in catalogue.items() if kind in {None, entry["kind"]})
    embedded: dict[str | None, tuple[str, ...]] = {"asr": builtin.RECOGNIZERS}
    embedded |= {kind: (builtin.speaker_name(kind),) for kind in builtin.SPEAKER_KINDS}
    return tuple(dict.fromkeys((*embedded.get(kind, ()), *names)))
