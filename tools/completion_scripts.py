"""Completion scripts for bash, zsh and fish: static text, so that the Tab key waits for no interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from shlex import quote

from asrcli.cli.framework.command_tree import Command, CommandOption, Value

_HEAD = "# {} completion for asrcli. Generated from the program by 'python -m tools.generate'.\n"


def bash(program: Command) -> str:
    """A script for bash 4 or later; needs nothing of the bash-completion package."""
    commands, values = [], []
    for command in program.walk():
        path = " ".join(command.path[1:])
        flags = [name for option in command.options for name in (*option.names, *option.negations)]
        valued = [name for option in command.options if option.value for name in option.names]
        commands += [
            f"        {quote(path)})",
            f"            commands={quote(' '.join(sub.name for sub in command.commands))}",
            f"            options={quote(' '.join(flags))}",
            f"            valued={quote(' '.join(valued))}",
            f"            arguments=({' '.join(quote(_bash_value(argument.value)) for argument in command.arguments)})",
            "            ;;",
        ]
        for option in command.options:
            if option.value:
                patterns = "|".join(quote(f"{path} {name}".strip()) for name in option.names)
                values.append(f"        {patterns}) argument={quote(_bash_value(option.value))} ;;")
    return _HEAD.format("bash") + _BASH.format(commands="\n".join(commands), values="\n".join(values))


def _bash_value(value: Value) -> str:
    return " ".join((value.kind, *value.choices))


_BASH = """
_asrcli_command() {{
    case $1 in
{commands}
    esac
}}

_asrcli_value() {{
    argument=any
    case $1 in
{values}
    esac
}}

_asrcli() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} path='' commands options valued arguments argument option='' i word given=0
    _asrcli_command ''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [[ -n $option && $word == '=' ]]; then
            continue
        elif [[ -n $option ]]; then
            option=''
        elif [[ $word == -* && " $valued " == *" $word "* ]]; then
            option=$word
        elif [[ $word != -* && " $commands " == *" $word "* ]]; then
            path="${{path:+$path }}$word"
            _asrcli_command "$path"
            given=0
        elif [[ $word != -* ]]; then
            ((given++))
        fi
    done
    [[ $cur == '=' ]] && cur=''
    COMPREPLY=()
    if [[ -n $option ]]; then
        _asrcli_value "${{path:+$path }}$option"
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    elif [[ -n $commands ]]; then
        argument="word $commands"
    else
        # the last argument may be repeated
        argument=${{arguments[given < ${{#arguments[@]}} ? given : ${{#arguments[@]}} - 1]}}
    fi
    case $argument in
        file*) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        dir*) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
        model*)
            compopt -o filenames 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -W "${{argument#model}}" -- "$cur"; compgen -d -- "$cur")
            ;;
        word*) mapfile -t COMPREPLY < <(compgen -W "${{argument#word}}" -- "$cur") ;;
        list*)
            local given=''
            [[ $cur == *,* ]] && given=${{cur%,*}},
            mapfile -t COMPREPLY < <(compgen -P "$given" -W "${{argument#list}}" -- "${{cur##*,}}")
            ;;
    esac
}}

complete -F _asrcli asrcli
"""


def zsh(program: Command) -> str:
    """A script for a folder of zsh's $fpath, named _asrcli."""
    functions = [_zsh_models(kind, names) for kind, names in sorted(_model_lists(program).items())]
    functions += [_zsh_function(command) for command in program.walk()]
    return "#compdef asrcli\n" + _HEAD.format("zsh") + "\n" + "\n".join(functions) + '\n_asrcli "$@"\n'


def _model_lists(program: Command) -> dict[str, tuple[str, ...]]:
    """The lists of models that options offer, each under a name of its own."""
    values = [option.value for command in program.walk() for option in command.options if option.value]
    return {_list_name(value): value.choices for value in values if value.kind == "model"}


def _list_name(value: Value) -> str:
    return f"_asrcli_models_{value.models.replace('-', '_')}"


def _zsh_models(name: str, models: tuple[str, ...]) -> str:
    """A colon of `_alternative` would end the action that `_arguments` reads."""
    choices = quote(f"models:model:({' '.join(models)})")
    return f"{name}() {{\n  _alternative {choices} 'folders:folder:_files -/'\n}}\n"


def _zsh_function(command: Command) -> str:
    specs = [spec for option in command.options for spec in _zsh_option(option)]
    if command.commands:
        specs += ["'1: :->command'", "'*:: :->arguments'"]
    for number, argument in enumerate(command.arguments, start=1):
        position = "*" if argument.repeatable else str(number)
        specs.append(quote(f"{position}:{argument.value.placeholder}:{_zsh_action(argument.value)}"))
    name = "_".join(("", *command.path)).replace("-", "_")
    lines = [f"{name}() {{", "  local curcontext=$curcontext context state state_descr line", "  typeset -A opt_args"]
    lines.append("  _arguments -C -s -S \\\n    " + " \\\n    ".join(specs))
    if command.commands:
        described = [quote(f"{sub.name}:{sub.summary}") for sub in command.commands]
        lines += [
            "  case $state in",
            "    command)",
            "      local -a commands",
            "      commands=(\n        " + "\n        ".join(described) + "\n      )",
            "      _describe command commands",
            "      ;;",
            "    arguments)",
            f"      (( $+functions[{name}_${{words[1]//-/_}}] )) && {name}_${{words[1]//-/_}}",
            "      ;;",
            "  esac",
        ]
    return "\n".join([*lines, "}", ""])


def _zsh_option(option: CommandOption) -> Iterable[str]:
    text = _first_sentence(option.help).replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
    names = (*option.names, *option.negations)
    for name in names:
        others = "*" if option.repeatable else f"({' '.join(names)})"
        if option.value is None:
            yield quote(f"{others}{name}[{text}]")
        else:
            glued = f"{name}=" if name.startswith("--") else f"{name}+"
            yield quote(
                f"{others}{glued}[{text}]:{option.value.placeholder.replace(':', ' ')}:{_zsh_action(option.value)}"
            )


def _zsh_action(value: Value) -> str:
    words = " ".join(value.choices)
    if value.kind == "model":
        return _list_name(value)
    return {"file": "_files", "dir": "_files -/", "word": f"({words})", "list": f"_values -s , x {words}", "any": " "}[
        value.kind
    ]


def fish(program: Command) -> str:
    """A script for fish's completions folder."""
    lines = [_HEAD.format("fish"), "complete -c asrcli -f"]
    for command in program.walk():
        here = quote(_fish_condition(command))
        lines += [
            f"complete -c asrcli -n {here} -a {sub.name} -d {_fish_quote(sub.summary)}" for sub in command.commands
        ]
        for argument in command.arguments:
            lines.append(f"complete -c asrcli -n {here}{_fish_value(argument.value, option=False)}")
        for option in command.options:
            lines.extend(_fish_option(option, here))
    return "\n".join(lines) + "\n"


def _fish_condition(command: Command) -> str:
    """True where the words so far name this command and none below it."""
    tests = [f"__fish_seen_subcommand_from {name}" for name in command.path[1:]]
    if command.commands:
        tests.append("not __fish_seen_subcommand_from " + " ".join(sub.name for sub in command.commands))
    return "; and ".join(tests)


def _fish_option(option: CommandOption, here: str) -> Iterable[str]:
    text = _fish_quote(_first_sentence(option.help))
    short = "".join(f" -s {name[1:]}" for name in option.names if not name.startswith("--"))
    long = "".join(f" -l {name[2:]}" for name in option.names if name.startswith("--"))
    yield f"complete -c asrcli -n {here}{short}{long}{_fish_value(option.value, option=True)} -d {text}"
    for name in option.negations:
        yield f"complete -c asrcli -n {here} -l {name[2:]} -d {text}"


def _fish_value(value: Value | None, *, option: bool) -> str:
    if value is None:
        return ""
    required = " -x" if option else ""  # the value, and no files unless it is one
    words = " ".join(value.choices)
    return {
        "file": " -r -F" if option else " -F",
        "dir": f"{required} -a '(__fish_complete_directories)'",
        "word": f"{required} -a {quote(words)}",
        "model": f"{required} -a {quote(f'{words} (__fish_complete_directories)')}",
        "list": f"{required} -a {quote(f'(__fish_append , {words})')}",
        "any": required,
    }[value.kind]


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _first_sentence(text: str) -> str:
    """Short enough for a line of a completion list."""
    return " ".join(text.split()).split("; ")[0].split(". ")[0].rstrip(".")


SCRIPTS: dict[str, Callable[[Command], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
