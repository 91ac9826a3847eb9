"""docs/options.md: tables of the options of every command, exit codes, environment variables and events."""

from __future__ import annotations

import json
from collections.abc import Iterator

from asrcli.cli.framework.command_tree import Command, CommandOption
from asrcli.formats import schema_text
from tools.man_pages import ENVIRONMENT, EXIT_STATUS

_INTRODUCTION = """\
# Options

Made by `python -m tools.generate` from the declarations of the options.

An option takes its value from the first of these that has one: the command line; the variable of the command
(`ASRCLI_TRANSCRIBE_JOBS`); the general variable (`ASRCLI_JOBS`); the section of the command in the config file (`jobs`
below `transcribe`); the top level of the config file; the default. `asrcli config show` prints the values in use and
where each comes from, `asrcli config init` writes a config file to edit. An option on the command line overrides
options of the other levels that contradict it: `-o talk.srt` overrides `format` and `output-dir` of the config file.

A repeatable option takes several values in a variable, separated by commas (globs: by lines), and a list in the config
file. Flags take yes or no there. Variables that Kubernetes and Docker set for a service called asrcli
(`ASRCLI_PORT=tcp://...`, `ASRCLI_SERVICE_HOST`) are ignored.

Options marked "job" are fields of `POST /v1/jobs`, too, with underscores (`max_gap`).
"""


def option_page(program: Command) -> str:
    """The whole page."""
    lines = [_INTRODUCTION]
    for command in program.walk():
        options = [option for option in command.options if option.declared is not None]
        if options:
            lines += [f"## {' '.join(command.path)}", "", *_tables(options), ""]
    lines += ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_STATUS]
    lines += ["", "## Environment variables", "", "| variable | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in ENVIRONMENT]
    return "\n".join([*lines, "", *_events()]) + "\n"


def _tables(options: list[CommandOption]) -> Iterator[str]:
    """One table, or one for each panel of a command that has several."""
    panels = dict.fromkeys(option.panel for option in options)
    many = len(options) > 15
    for panel in panels if many else [""]:
        if many:
            yield from (f"### {panel}", "")
        jobs = any(option.declared and option.declared.option.job for option in options if option.panel == panel)
        yield "| option | values | default |" + (" job |" if jobs else "") + " meaning |"
        yield "|---|---|---|" + ("---|" if jobs else "") + "---|"
        yield from (_row(option, jobs=jobs) for option in options if not many or option.panel == panel)
        if many:
            yield ""


def _row(option: CommandOption, *, jobs: bool) -> str:
    assert option.declared is not None
    names = ", ".join(f"`{name}`" for name in (*option.names, *option.negations))
    values = option.declared.range or (option.value.placeholder if option.value else "")
    cells = [names, f"`{values}`" if values else "", f"`{option.default}`" if option.default else ""]
    cells += [("job" if option.declared.option.job else "")] if jobs else []
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in [*cells, option.help]) + " |"


def _events() -> Iterator[str]:
    yield from ("## Events of --log-json", "")
    yield from ("One JSON object per line on stderr, described by `asrcli schema event`.", "")
    yield from ("| event | meaning | fields |", "|---|---|---|")
    for entry in json.loads(schema_text("event"))["oneOf"]:
        names = [name for name in entry["properties"] if name not in {"schema", "event", "time"}]
        yield f"| `{entry['title']}` | {entry['description']} | {', '.join(f'`{name}`' for name in names)} |"
