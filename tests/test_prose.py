"""Help, messages and documentation use plain technical English, and both READMEs have the same content."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: words of an older, literary style that no user would search for
WORDS = re.compile(
    r"\b(stands|told|tells|nobody|somebody|whoever|begun|cannot be had|is gone|is no|knows|hears)\b(?! longer)",
    re.IGNORECASE,
)
#: the same in code, where a sentence is not the unit
IN_CODE = re.compile(r"\b(stands|told|tells|says|nobody|somebody|whoever|begun|knows|hears)\b", re.IGNORECASE)
PAGES = [
    path
    for pattern in ("*.md", "docs/*.md", "benchmarks/*.md", "man/*", "completions/*", ".github/**/*.md")
    for path in sorted(ROOT.glob(pattern))
    if path.name != "README.zh-CN.md"
]
MODULES = sorted((ROOT / "asrcli").rglob("*.py"))


def found_in(text: str) -> list[str]:
    return [f"{number}: {line.strip()[:120]}" for number, line in enumerate(text.splitlines(), 1) if WORDS.search(line)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_use_standard_words(path: Path) -> None:
    assert found_in(path.read_text(encoding="utf-8")) == []


def test_messages_use_standard_words() -> None:
    wrong = []
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documentation = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        wrong += [
            f"{path.relative_to(ROOT)}:{node.lineno}: {node.value[:100]!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documentation
            and WORDS.search(node.value)
        ]
    assert wrong == []


def test_comments_and_docstrings_use_standard_words() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in MODULES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if IN_CODE.search(line)
    ]
    assert wrong == []


def test_names_of_tests_use_standard_words() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
        if IN_CODE.search(name.replace("_", " "))
    ]
    assert wrong == []


def test_the_catalogue_uses_standard_words() -> None:
    assert found_in((ROOT / "asrcli/models/catalogue.yaml").read_text(encoding="utf-8")) == []


def commands(name: str) -> list[str]:
    """Code blocks, and code in the cells of tables."""
    page = (ROOT / name).read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    return re.findall(r"```.*?```", page, re.DOTALL) + [code for row in rows for code in re.findall(r"`[^`]+`", row)]


def test_both_readmes_have_the_same_commands() -> None:
    assert commands("README.md") == commands("README.zh-CN.md")
