"""`asrcli config`: the settings in use, their origins, and a config file to edit."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from asrcli.cli.framework.command import declarations_of, examples, without_layers
from asrcli.cli.framework.settings import SECRETS, default_path, key_of, origin_of, settings_of, variables
from asrcli.errors import UsageError

app = typer.Typer(help="Show the settings in use and where each comes from.")


# Words after COMMAND are that command's, dashes or not.
@app.command(context_settings={"allow_interspersed_args": False})
@examples(
    """\
asrcli config show
asrcli config show --json transcribe --language zh
ASRCLI_JOBS=2 asrcli config show transcribe"""
)
def show(
    ctx: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="Command, and options to see their effect [default: transcribe]."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print each option's value and where it comes from: default, config file, environment or flag."""
    target = _parse(ctx, command or ["transcribe"])
    rows = []
    for param in settings_of(target.command):
        if param.expose_value:
            key, origin = key_of(param), origin_of(target, ctx.obj, param.name)
            value = target.params.get(param.name)
            if origin.kind == "default" and _off_by_default(target.command, param):
                value = None
            elif value and key.endswith(SECRETS):
                value = "(set)"
            rows.append({"option": key, "value": value, "origin": origin})
    if as_json:
        plain = [{**row, "origin": row["origin"].kind, "where": row["origin"].detail} for row in rows]
        print(json.dumps({"config": str(ctx.obj.config or default_path()), "settings": plain}, default=str, indent=2))
        return
    width = max(len(str(row["option"])) for row in rows)
    values = {row["option"]: _written(row["value"]) for row in rows}
    value_width = min(40, max(map(len, values.values())))
    for row in rows:
        print(f"{row['option']:{width}}  {values[row['option']]:{value_width}}  {row['origin'].describe()}")


@app.command()
@without_layers
@examples('asrcli config path\n$EDITOR "$(asrcli config path)"')
def path(ctx: typer.Context) -> None:
    """Print the path of the config file, whether it exists or not."""
    print(ctx.obj.config or default_path())


@app.command()
@without_layers
@examples("asrcli config init\nasrcli config init --force")
def init(
    ctx: typer.Context, force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False
) -> None:
    """Write a config file with every setting of 'transcribe', each commented out, and print its path."""
    place: Path = ctx.obj.config or default_path()
    if place.exists() and not force:
        raise UsageError(f"{place} exists.", "Edit it, or replace it with --force.")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(_template(ctx), encoding="utf-8")
    print(place)


def _parse(ctx: typer.Context, words: list[str]) -> Any:
    """The context of a command parsed as if it were run; its layers fill `ctx.obj.origins`."""
    parent = ctx.find_root()
    command, names = parent.command, list(words)
    while hasattr(command, "commands") and names:
        name = names.pop(0)
        if name not in command.commands:
            raise typer.BadParameter(f"unknown command '{name}'.", ctx=ctx, param_hint="COMMAND")
        command = command.commands[name]
        parent = typer.Context(command, parent=parent, info_name=name, resilient_parsing=True)
    ctx.obj.origins.clear()
    assert parent.parent is not None
    return command.make_context(parent.info_name, names, parent=parent.parent)


def _off_by_default(command: Any, param: Any) -> bool:
    """Whether the default only counts where another option is set (the encoding of `--raw`)."""
    declared = declarations_of(command).get(param.name)
    return declared is not None and not declared.option.show_default


def _written(value: Any) -> str:
    if value is None or value in ([], (), ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _template(ctx: typer.Context) -> str:
    lines = [
        "# Settings of asrcli. 'asrcli config show' prints those in use and where each comes from.",
        "# The command line overrides ASRCLI_* variables, which override this file.",
        "# A key at the top level applies to every command, a key in a section to that command.",
        "",
        "#transcribe:",
    ]
    command = ctx.find_root().command.commands["transcribe"]  # type: ignore[attr-defined]
    for param in settings_of(command):
        if not param.expose_value:
            continue
        default = "-" if _off_by_default(command, param) else _written(param.default)
        lines += [
            f"  # {param.help} ({variables((), key_of(param))[0]})",
            f"  #{key_of(param)}: {'' if default == '-' else default}".rstrip(),
        ]
    return "\n".join(lines) + "\n"
