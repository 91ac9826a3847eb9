"""The layers of settings: defaults < config file < `ASRCLI_*` variables < flags.

File and variables go into Click's `default_map`, so flags win over them and the same parsers check all three. Where a
value came from is kept for `asrcli config show` and for error messages.

Variables: `ASRCLI_<OPTION>` holds for every command that has the option; `ASRCLI_<COMMAND>_<OPTION>` holds for one
command and wins. A flag takes 1/0, true/false, yes/no or on/off. An option that may be repeated takes several values,
separated by commas; so it does in the file, where it may also be a list.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from asrcli.errors import UsageError

if TYPE_CHECKING:
    from asrcli.cli.framework.config_file import ConfigFile
    from asrcli.cli.framework.session import CommandSession

#: said on the command line or not at all
NOT_SETTINGS = frozenset({"config", "help", "version"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from."""

    kind: Literal["default", "config file", "environment", "flag"]
    #: the file and line, or the variable's name
    detail: str = ""

    def describe(self) -> str:
        """For people: "ASRCLI_JOBS", "/home/me/.config/asrcli/config.yaml, line 3", "default"."""
        return self.detail or self.kind


def default_path() -> Path:
    """Where the user's config file is looked for: the platform's config directory."""
    import platformdirs

    return platformdirs.user_config_path("asrcli", appauthor=False) / "config.yaml"


def find(path: Path | None) -> ConfigFile | None:
    """Read the config file; the default one may be missing, one named by the user may not."""
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
    names: list[str] = []
    node: Any = ctx
    while node.parent is not None:
        names.insert(0, node.info_name or "")
        node = node.parent
    return tuple(names)


def variables(path: tuple[str, ...], name: str) -> list[str]:
    """The names of the variables for an option of a command, the most particular first."""
    prefixes = ["_".join(("ASRCLI", *path[:depth])) for depth in range(len(path), -1, -1)]
    return [f"{prefix}_{name}".upper().replace("-", "_") for prefix in prefixes]


def apply(ctx: typer.Context, session: CommandSession) -> None:
    """Put file and variables under the flags of a command that is about to be parsed.

    Raises:
        UsageError: the file is broken or has a key that no option has; or a variable's name is misspelt.
    """
    path = path_of(ctx)
    check_variables(path, ctx)
    file = find(session.config)
    values: dict[str, Any] = {}
    if file is not None:
        check_keys(file, path, ctx)
    for param in settings_of(ctx.command):
        found = _from_environment(path, param) or (_from_file(file, path, param) if file is not None else None)
        if found is not None:
            values[param.name], session.origins[param.name] = found
    ctx.default_map = {**(ctx.default_map or {}), **values}


def lookup(ctx: typer.Context, path: tuple[str, ...], key: str) -> Any:
    """What file or variables set for an option of another command, as text or a list of texts; None: nothing."""
    command: Any = ctx.find_root().command
    for name in path:
        command = command.commands[name]
    param = next(param for param in settings_of(command) if key_of(param) == key)
    file = find(ctx.obj.config)
    found = _from_environment(path, param) or (_from_file(file, path, param) if file is not None else None)
    return None if found is None else found[0]


def _from_environment(path: tuple[str, ...], param: Any) -> tuple[Any, Origin] | None:
    for name in variables(path, key_of(param)):
        text = os.environ.get(name)
        if text:
            return _as_taken(param, text), Origin("environment", name)
    return None


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
    """Several values for an option that may be repeated, as text for any other. JSON has commas of its own."""
    if not param.multiple or isinstance(value, list):
        return value
    return [value] if value.lstrip().startswith(("{", "[")) else [item.strip() for item in value.split(",")]


def check_keys(file: ConfigFile, path: tuple[str, ...], ctx: typer.Context) -> None:
    """Complain of keys that no option has, on the levels that hold for a command."""
    own = {key_of(param) for param in settings_of(ctx.command)}
    groups = _groups(ctx)
    for (level, section), group in zip(file.levels(path), [*groups, None], strict=False):
        for key, setting in section.settings.items():
            if key in own:
                continue
            known = set(own) if group is None else set(_keys_below(group))
            if key not in known:
                raise file.unknown_key(setting.line, key, known)
        for name, (line, _) in section.sections.items():
            commands = [] if group is None else list(group.commands)
            if name not in commands:
                where = f" of '{' '.join(level)}'" if level else ""
                if name in own:
                    raise file.error(line, f"'{name}' is an option{where}: it takes a value.")
                raise file.unknown_key(line, name, commands)


def check_variables(path: tuple[str, ...], ctx: typer.Context) -> None:
    """Complain of a variable that is nobody's and almost one of this command's; others may have variables like ours."""
    prefix = "ASRCLI_"
    own = {name.removeprefix(prefix) for param in settings_of(ctx.command) for name in variables(path, key_of(param))}
    for name in sorted(os.environ):
        bare = name.removeprefix(prefix)
        if bare == name or bare in own or not os.environ[name]:
            continue
        close = difflib.get_close_matches(bare, own, n=1, cutoff=0.8)
        if close and name not in _all_variables():
            raise UsageError(f"There is no variable {name}.", f"Did you mean {prefix}{close[0]}?")


def _all_variables() -> set[str]:
    from asrcli.cli.framework.command_tree import program

    return {name for command in program().walk() for option in command.options for name in option.variables}


def _groups(ctx: typer.Context) -> list[Any]:
    groups: list[Any] = []
    node: Any = ctx.parent
    while node is not None:
        groups.insert(0, node.command)
        node = node.parent
    return groups


def _keys_below(command: Any) -> Iterator[str]:
    yield from (key_of(param) for param in settings_of(command))
    for subcommand in getattr(command, "commands", {}).values():
        yield from _keys_below(subcommand)


def asked_for(ctx: typer.Context) -> frozenset[str]:
    """Names of the options of a parsed command that some layer sets; the others have their defaults."""
    names = (str(param.name) for param in settings_of(ctx.command))
    return frozenset(name for name in names if origin_of(ctx, ctx.obj, name).kind != "default")


def origin_of(ctx: typer.Context, session: CommandSession, name: str) -> Origin:
    """Where the value of a parsed option comes from."""
    source = ctx.get_parameter_source(name)
    if source is not None and source.name == "COMMANDLINE":
        return Origin("flag")
    return session.origins.get(name, Origin("default"))
