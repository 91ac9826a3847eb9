"""The code follows docs/architecture.md: allowed imports, no import circles, unique class names, small folders."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "asrcli").rglob("*.py")
}
#: may be imported by every package; `__init__` holds the version
SHARED = {"asrcli", *re.findall(r"`(\w+)`", PAGE.split("## Packages")[1].split("The other top-level")[0])}
MAIN = {"__main__", "__init__"}
#: reads of the environment below `cli` and `server`, each with its reason
ENVIRONMENT = {
    "asrcli.backends.process.engine_process": "the child gets the parent's environment",
    "asrcli.backends.device": "hides the other GPUs from the engine process",
    "asrcli.backends.process.offline_hubs": "keeps hubs offline and quiet in the child",
}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imports(module: str, *, top_level: bool = False) -> Iterator[str]:
    """The modules of the project that a module imports; with `top_level` only those loaded together with it."""
    nodes = tree(module).body if top_level else ast.walk(tree(module))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asrcli"):
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield whole if whole in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in MODULES)


def package(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def table() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", PAGE, re.MULTILINE)
    allowed = {}
    for name, cell in rows:
        named = set(re.findall(r"`(\w+)`", cell))
        allowed[name] = {row[0] for row in rows} - named if cell.strip().startswith("all") else named
    return allowed


def test_every_package_has_a_row() -> None:
    packages = {package(module) for module in MODULES} - SHARED - MAIN - {"asrcli"}
    assert packages == set(table())


@pytest.mark.parametrize("name", sorted(table()))
def test_a_package_imports_what_the_table_allows(name: str) -> None:
    allowed = table()[name] | SHARED | {name}
    wrong = [
        f"{module} imports {target}"
        for module in MODULES
        if package(module) == name
        for target in imports(module)
        if package(target) not in allowed
    ]
    assert wrong == []


def test_shared_modules_import_only_each_other() -> None:
    wrong = [
        f"{module} imports {target}"
        for module in MODULES
        if package(module) in SHARED and module != "asrcli"
        for target in imports(module)
        if package(target) not in SHARED
    ]
    assert wrong == []


def test_there_are_no_import_circles() -> None:
    """Imports inside functions and for type checking count: a circle is a circle whenever it is closed."""
    graph = {module: set(imports(module)) - {module, "asrcli"} for module in MODULES if module != "asrcli"}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


def test_class_names_are_unique() -> None:
    names = Counter(
        node.name for module in MODULES for node in ast.walk(tree(module)) if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_folders_and_files_are_small() -> None:
    folders = Counter(path.parent for path in MODULES.values())
    assert {str(folder.relative_to(ROOT)): count for folder, count in folders.items() if count > 15} == {}
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: length for module, length in lengths.items() if length > 350} == {}


def test_only_cli_and_server_print_exit_or_read_the_environment() -> None:
    wrong = []
    for module in MODULES:
        if package(module) in {"cli", "server"} | MAIN or module in ENVIRONMENT:
            continue
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "sys.exit", "exit", "os.getenv"}:
                wrong.append(f"{module}:{node.lineno} {ast.unparse(node.func)}")
            elif isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ":
                wrong.append(f"{module}:{node.lineno} os.environ")
    assert wrong == []
