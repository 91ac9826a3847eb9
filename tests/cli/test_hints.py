"""Every command line and every option that the package's texts and the documentation name exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import typer

from asrcli.cli.framework.app import COMMANDS, build
from asrcli.cli.framework.command_tree import program
from asrcli.cli.framework.session import CommandSession
from asrcli.cli.request.whisper_flags import FLAGS

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "asrcli").rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
#: options of other programs that our texts name
FOREIGN = {
    "--force-reinstall", "--schemafile", "--no-X", "--X", "--check", "--rm", "--gpus", "--user", "--with", "--python",
    "--install-option", "--index-url", "--extra-index-url", "--upgrade", "--update-baseline", "--editable",
    "--query-gpu", "--format", "--head",
}  # fmt: skip
TOKEN = re.compile(r"""(?P<gap>\s*)(?P<word>(?:'[^'\n]*'|"[^"\n]*"|[^\s'"`])+)""")
#: words at which a command line in prose ends
PROSE = {"and", "or", "lists", "shows", "prints", "again", "checks", "with"}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each string that is no docstring; a placeholder of an f-string becomes X."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    left_out = {
        id(n.body[0].value) for n in nodes if isinstance(n, holders) and n.body and isinstance(n.body[0], ast.Expr)
    }
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            left_out |= {id(part) for part in node.values}
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "X" for p in node.values)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.lineno, node.value


def blocks(text: str) -> Iterator[str]:
    """The code of a page: lines of fenced blocks, and what is between backticks."""
    for number, part in enumerate(text.split("```")):
        yield from part.splitlines() if number % 2 else re.findall("`([^`\n]+)`", part)


def command_lines() -> Iterator[tuple[str, str]]:
    for path in SOURCES:
        for line, text in texts(path):
            for found in re.finditer(r"(?<![\w/.-])asrcli (?=[a-z-])", text):
                quote = text[found.start() - 1] if found.start() else ""
                rest = text[found.end() :]
                yield f"{path.relative_to(ROOT)}:{line}", rest.split(quote)[0] if quote and quote in "'`\"" else rest
    for path in PAGES:
        for code in blocks(path.read_text(encoding="utf-8")):
            for found in re.finditer(r"(?:^|[$|] |&& |\$\(|exec )asrcli (?=[a-z-])(.*)", code):
                yield str(path.relative_to(ROOT)), found[1]


def words_of(text: str) -> list[str]:
    """The words of a command line up to where prose, a comment or another program follows."""
    words: list[str] = []
    at = 0
    while found := TOKEN.match(text, at):
        word, at = found["word"], found.end()
        if "\n" in found["gap"] or len(found["gap"]) > 1 or word[0] in "|><&;#($\\" or word in PROSE:
            break
        bare = word.rstrip(".,;:)")
        words.append((bare or word).strip("'\""))
        if bare != word and not word.endswith("..."):
            break
    return words


LINES = sorted({(where, *words) for where, text in command_lines() if (words := words_of(text))[:1]})


def test_there_are_hints() -> None:
    assert sum(where.startswith("asrcli/") for where, *_ in LINES) > 50
    assert sum(where.endswith(".md") for where, *_ in LINES) > 30


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_command_line_in_a_text_is_accepted_by_the_parser(
    line: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where, *words = line
    prose = {
        "works",
        "is",
        "may",
        "can",
        "cannot",
        "keeps",
        "does",
        "needs",
        "again",
        "to",
        "that",
        "transcribes",
        "manage",
    }
    if words[0] in prose and where.startswith("asrcli/"):
        return
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert words[0] in COMMANDS or words[0].startswith("-"), where
    words = [word[1:-1] if word.startswith("[") and word.endswith("]") else word for word in words]
    problem = problem_of(words)
    known = {None, "MissingParameter", "NoArgsIsHelpError"} | ({"BadParameter"} if "X" in words else set())
    assert problem in known, where


def problem_of(words: list[str]) -> str | None:
    """The parser's error, by class; None also for --help and --version."""
    try:
        parse(words)
    except typer.Exit:
        return None
    except typer.TyperException as error:
        return type(error).__name__
    return None


def parse(words: list[str]) -> None:
    group = build()
    context = group.make_context("asrcli", list(words), obj=CommandSession())
    while hasattr(context.command, "commands"):
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        name, command, rest = cast("Any", context.command).resolve_command(context, rest)
        assert name is not None
        context = command.make_context(name, rest, parent=context)


def test_every_option_that_a_message_names_exists() -> None:
    known = {name for c in program().walk() for option in c.options for name in (*option.names, *option.negations)}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {found[0]}"
        for path in SOURCES
        for line, text in texts(path)
        for found in re.finditer(r"(?<![\w-])--[a-z][\w-]*", text)
        if found[0] not in known | FOREIGN | set(FLAGS)
    ]
    assert wrong == []
