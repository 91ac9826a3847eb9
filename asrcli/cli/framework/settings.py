"""Levels of settings: defaults < config file < `ASRCLI_*` variables < command line.

Config file and variables go into Click's `default_map`: the command line overrides them, and the same parsers check all
three. The origin of each value is kept for `asrcli config show` and for error messages. docs/options.md has the rules.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from asrcli.cli.framework.session import CommandSession, Origin
from asrcli.errors import UsageError

if TYPE_CHECKING:
    from asrcli.cli.framework.config_file import ConfigFile

#: options of the command line only
NOT_SETTINGS = frozenset({"config", "help", "help_all", "version"})

#: ends of the keys of options that hold a secret
SECRETS = ("api-key", "secret")

#: variables that Kubernetes and Docker set for a service or container called asrcli
_SERVICE_LINK = re.compile(r"ASRCLI_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?|ENV_\w+)")
_LINKED_PORT = re.compile(r"(tcp|udp|sctp)://.*", re.DOTALL)


def default_path() -> Path:
    """The default path of the config file, in the platform's config directory."""
    from asrcli.storage.user_folders import config_file

    return config_file()


def find(path: Path | None) -> ConfigFile | None:
    """Read the config file; only the default one may be missing."""
    from asrcli.cli.framework.config_file import read

    if path is None:
        path = default_path()
        if not path.exists():
            return None
    return read(path)


def key_of(param: Any) -> str:
    """The option's key in the config file: its flag without the dashes ("max-gap")."""
    long = [name for name in param.opts if name.startswith("--")]
    return str(long[0] if long else param.name).lstrip("-").replace("_", "-")


def settings_of(command: Any) -> list[Any]:
    """The parameters of a command that file and variables can set: all options but --help and the like."""
    return [p for p in command.params if p.param_type_name == "option" and p.name not in NOT_SETTINGS]


def path_of(ctx: typer.Context) -> tuple[str, ...]:
    """The names that lead to a command: ("models", "add")."""
    return tuple(node.info_name or "" for node in _chain(ctx)[1:])


def _chain(ctx: Any) -> list[Any]:
    """The contexts from the program's down to that of a command."""
    return [*(_chain(ctx.parent) if ctx.parent else ()), ctx]


def variables(path: tuple[str, ...], name: str) -> list[str]:
    """The names of the variables for an option of a command, the most particular first."""
    prefixes = ["_".join(("ASRCLI", *path[:depth])) for depth in range(len(path), -1, -1)]
    return [f"{prefix}_{name}".upper().replace("-", "_") for prefix in prefixes]


def apply(ctx: typer.Context, session: CommandSession) -> None:
    """Set the defaults of a command that is about to be parsed from the config file and variables. Raises UsageError:
    the file is invalid or has an unknown key; or the name of a variable is misspelt.
    """
    path = path_of(ctx)
    check_variables(path, ctx)
    file = find(session.config)
    values: dict[str, Any] = {}
    if file is not None:
        check_keys(file, path, ctx)
    known = getattr(ctx.command.callback, "declarations", {})  # `declarations_of`, which imports this module
    for param in settings_of(ctx.command):
        others = known[param.name].option.variables if param.name in known else ()
        found = _from_environment(path, param, others) or (_from_file(file, path, param) if file is not None else None)
        if found is not None:
            values[param.name], session.origins[param.name] = found
    ctx.default_map = {**(ctx.default_map or {}), **values}
    if path[:1] != ("config",):
        _hide_secrets()


def _hide_secrets() -> None:
    """Remove keys from the environment, which ffmpeg and engine processes inherit."""
    ends = tuple(key.upper().replace("-", "_") for key in SECRETS)
    for name in list(os.environ):
        if name.startswith("ASRCLI_") and name.endswith(ends):
            del os.environ[name]


def lookup(ctx: typer.Context, path: tuple[str, ...], key: str) -> Any:
    """What the config file or variables set for an option of another command, as text or a list; None: nothing."""
    command: Any = ctx.find_root().command
    for name in path:
        command = command.commands[name]
    param = next(param for param in settings_of(command) if key_of(param) == key)
    file = find(ctx.obj.config)
    found = _from_environment(path, param) or (_from_file(file, path, param) if file is not None else None)
    return None if found is None else found[0]


def _from_environment(path: tuple[str, ...], param: Any, others: tuple[str, ...] = ()) -> tuple[Any, Origin] | None:
    for name in (*variables(path, key_of(param)), *others):
        text = os.environ.get(name)
        if text and not _is_service_link(name):
            return _as_taken(param, text), Origin("environment", name)
    return None


def _is_service_link(name: str) -> bool:
    """Whether a variable describes a container's or service's address, as in ASRCLI_PORT=tcp://10.0.0.7:80."""
    if _SERVICE_LINK.fullmatch(name) is not None:
        return True
    value = os.environ[name]
    return bool(name.endswith("_PORT") and _LINKED_PORT.fullmatch(value)) or (
        name.endswith("_NAME") and value.startswith("/")
    )


def _from_file(file: ConfigFile, path: tuple[str, ...], param: Any) -> tuple[Any, Origin] | None:
    found = None
    for _, section in file.levels(path):
        setting = section.settings.get(key_of(param))
        if setting is None:
            continue
        if isinstance(setting.value, list) and not param.multiple:
            raise file.error(setting.line, f"'{key_of(param)}' takes one value, not a list.")
        found = _as_taken(param, setting.value), Origin("config file", f"{file.path}, line {setting.line}")
    return found


def _as_taken(param: Any, value: str | list[str]) -> Any:
    """Several values for a repeatable option, as text for any other: JSON and globs may contain commas."""
    if not param.multiple or isinstance(value, list):
        return value
    if param.metavar == "GLOB":
        return value.splitlines()
    return [value] if value.lstrip().startswith(("{", "[")) else [item.strip() for item in value.split(",")]


def check_keys(file: ConfigFile, path: tuple[str, ...], ctx: typer.Context) -> None:
    """Refuse unknown keys, in the sections that apply to a command."""
    own = {key_of(param) for param in settings_of(ctx.command)}
    groups = [node.command for node in _chain(ctx)[:-1]]
    for (level, section), group in zip(file.levels(path), [*groups, None], strict=False):
        for key, setting in section.settings.items():
            if key in own:
                continue
            known = own if group is None else {key_of(param) for _, param in _settings_below(group)}
            if key not in known:
                raise file.unknown_key(setting.line, key, known)
        for name, (line, _) in section.sections.items():
            commands = [] if group is None else list(group.commands)
            if name not in commands:
                where = f" of '{' '.join(level)}'" if level else ""
                if name in own:
                    raise file.error(line, f"'{name}' is an option{where}: it takes a value.")
                raise file.unknown_key(line, name, commands)


#: read by the tests and benchmarks; it resembles ASRCLI_SHARD
_OTHERS = frozenset({"ASRCLI_SHARED"})


def check_variables(path: tuple[str, ...], ctx: typer.Context) -> None:
    """Refuse a variable of no command whose name is close to one of this command."""
    prefix = "ASRCLI_"
    own = {name.removeprefix(prefix) for param in settings_of(ctx.command) for name in variables(path, key_of(param))}
    for name in sorted(os.environ):
        bare = name.removeprefix(prefix)
        if bare == name or bare in own or name in _OTHERS or not os.environ[name] or _is_service_link(name):
            continue
        close = difflib.get_close_matches(bare, own, n=1, cutoff=0.8)
        everywhere = _settings_below(ctx.find_root().command) if close else ()
        if close and not any(name in variables(place, key_of(param)) for place, param in everywhere):
            raise UsageError(f"Unknown variable {name}.", f"Did you mean {prefix}{close[0]}?")


def _settings_below(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """`settings_of` a command and of all below it, each with the names that lead to its command."""
    yield from ((path, param) for param in settings_of(command))
    for name, subcommand in getattr(command, "commands", {}).items():
        yield from _settings_below(subcommand, (*path, name))


def asked_for(ctx: typer.Context) -> dict[str, str]:
    """The options of a parsed command that some level sets, each with the kind of its origin."""
    kinds = {str(param.name): origin_of(ctx, ctx.obj, param.name).kind for param in settings_of(ctx.command)}
    return {name: kind for name, kind in kinds.items() if kind != "default"}


def origin_of(ctx: typer.Context, session: CommandSession, name: str) -> Origin:
    """Where the value of a parsed option comes from."""
    source = ctx.get_parameter_source(name)
    if source is not None and source.name == "COMMANDLINE":
        return Origin("flag")
    return session.origins.get(name, Origin("default"))
