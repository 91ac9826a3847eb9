"""Man pages, in the man(7) macros: one for the program, one a command."""

from __future__ import annotations

from collections.abc import Iterator

from asrcli.cli.framework.command_tree import Command, CommandOption

EXIT_STATUS = (
    ("0", "Every input has a result; also if the reader of stdout closed it."),
    (
        "1",
        "Some inputs failed or have no result; the others are done. Also: an internal error.",
    ),
    ("2", "The command line, a variable or the config file is wrong."),
    ("3", "Every input failed; 4 or 5 if that was the reason of each."),
    ("4", "A model is not available: unknown, not installed with --offline, or its download failed."),
    ("5", "Something is missing on this machine: ffmpeg, a Python package, disk space, the permission to write."),
    ("130", "Interrupted (Ctrl-C). Finished results are kept."),
    ("143", "Terminated (SIGTERM, SIGHUP). Finished results are kept."),
)

ENVIRONMENT = (
    ("ASRCLI_<OPTION>", "The value of an option, for every command that has it: ASRCLI_FORMAT=srt,txt, ASRCLI_ITN=no."),
    ("ASRCLI_<COMMAND>_<OPTION>", "The same for one command: ASRCLI_TRANSCRIBE_JOBS=2. It overrides the former."),
    ("ASRCLI_CONFIG", "Path of the config file."),
    ("ASRCLI_MODEL_DIR", "Folder of the models (the option --model-dir)."),
    ("NO_COLOR", "If set and not empty, no colours."),
)

_CONFIGURATION = (
    "Each option takes its value from the first of these that has one: the command line, the variable of the command,",
    "the general variable, the command\\(aqs section of the config file, its top level, the default.",
    "\\(lqasrcli config show\\(rq prints the values in use and where each comes from.",
    ".PP",
    "The config file is YAML; a key is an option without its dashes:",
    ".PP",
    ".EX",
    "language: en            # for every command that has the option",
    "transcribe:             # for one command",
    "  format: [txt, srt]",
    "  max\\-gap: 2",
    "  itn: no               # as \\-\\-no\\-itn",
    ".EE",
)

_FILES = (
    (
        "config.yaml",
        "Settings, in the platform's config folder (~/.config/asrcli on Linux); 'asrcli config path' prints it.",
    ),
    ("models.yaml", "The user's own models, in the platform's data folder (~/.local/share/asrcli on Linux)."),
    (
        ".asrcli-journal.jsonl",
        "Beside the outputs: what was done, from what and how, so that a rerun does only the rest.",
    ),
)


def pages(program: Command) -> dict[str, str]:
    """File name -> text of each page."""
    found = {"asrcli.1": _page(program, program)}
    for command in program.commands:
        found[f"{'-'.join(command.path)}.1"] = _page(command, program)
    return found


def _page(command: Command, program: Command) -> str:
    title = "-".join(command.path)
    lines = [
        r".\" Generated from the program by 'python -m tools.generate'.",
        f'.TH {_escape(title.upper())} 1 "" asrcli "User Commands"',
        ".SH NAME",
        f"{_escape(title)} {_escape('-')} {_escape(_lower(command.summary))}",
        ".SH SYNOPSIS",
        *_synopsis(command),
        ".SH DESCRIPTION",
        *_prose(command.help),
    ]
    for sub in command.commands:
        if command is program:
            lines += [".TP", rf".BR {_escape('-'.join(sub.path))} (1)", _escape(sub.summary)]
        else:
            lines += [f".SS {_escape(' '.join(sub.path))}", *_synopsis(sub), ".PP", *_prose(sub.help), *_options(sub)]
    lines += [".SH OPTIONS", *_options(command)]
    lines += _examples(command)
    lines += [".SH EXIT STATUS", *_terms(EXIT_STATUS)]
    lines += [".SH ENVIRONMENT", *_terms(ENVIRONMENT)]
    if command is program:
        lines += [".SH CONFIGURATION", *_CONFIGURATION]
        lines += [".SH FILES", *_terms(_FILES)]
    lines += [".SH SEE ALSO", _see_also(command, program)]
    return "\n".join(lines) + "\n"


def _synopsis(command: Command) -> list[str]:
    return [f".B {_escape(' '.join(command.path))}", _escape(command.usage)]


def _options(command: Command) -> Iterator[str]:
    panels: dict[str, list[CommandOption]] = {}
    for option in command.options:
        panels.setdefault(option.panel, []).append(option)
    for argument in command.arguments:
        if argument.help:
            yield from (".TP", rf"\fI{_escape(argument.value.placeholder)}\fR", _escape(argument.help))
    for panel, options in panels.items():
        if len(panels) > 1 and len(command.path) <= 2:
            yield f".SS {_escape(panel)}"
        for option in options:
            yield from _option(option)


def _option(option: CommandOption) -> Iterator[str]:
    names = ", ".join(rf"\fB{_escape(name)}\fR" for name in (*option.names, *option.negations))
    placeholder = rf" \fI{_escape(option.value.placeholder)}\fR" if option.value else ""
    yield from (".TP", names + placeholder)
    notes = [f"Default: {option.default}."] if option.default else []
    if option.variables:
        notes.append(f"Variable: {option.variables[-1]}.")
    yield _escape(" ".join([option.help, *notes]))


def _examples(command: Command) -> list[str]:
    lines = [*command.examples, *(line for sub in command.commands if len(command.path) > 1 for line in sub.examples)]
    return [".SH EXAMPLES", ".EX", *map(_escape, lines), ".EE"] if lines else []


def _terms(pairs: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for term, text in pairs:
        yield from (".TP", rf"\fB{_escape(term)}\fR", _escape(text))


def _see_also(command: Command, program: Command) -> str:
    others = [page for page in (program, *program.commands) if page is not command]
    return ",\n".join(rf".BR {_escape('-'.join(page.path))} (1)" for page in others)


def _prose(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        yield _escape(" ".join(paragraph.split()))


def _lower(summary: str) -> str:
    return (summary[:1].lower() + summary[1:]).rstrip(".")


def _escape(text: str) -> str:
    """Text with roff's special characters escaped."""
    text = (
        text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga").replace("~", r"\(ti")
    )
    return r"\&" + text if text.startswith(".") else text
