"""Mutation testing of the pure packages with mutmut: `python -m tools.mutate [--since REV] [--sample N] [PATTERN ...]`.

Mutants are made and tested in a copy of the checkout, so the work tree stays as it is. A mutant that no test notices is
printed with its difference. Mutants that change nothing a test could notice are listed in `mutate_equivalent.txt`;
those that only take `strict=True` from a `zip` count among them, as it states what holds anyway.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_EQUIVALENT = Path(__file__).with_name("mutate_equivalent.txt")
#: the pure packages, and the tests that look at nothing else
_PURE = {
    "asrcli/assemble/*.py": ("tests/assemble",),
    "asrcli/vad/*.py": ("tests/vad",),
    "asrcli/text/**/*.py": ("tests/text",),
    "asrcli/speakers/*.py": ("tests/speakers",),
    "asrcli/script.py": ("tests/test_script.py", "tests/text", "tests/assemble"),
    "asrcli/language_codes.py": ("tests/test_language_codes.py",),
    "asrcli/batch/decision.py": ("tests/batch/test_batch_decision.py", "tests/batch/test_skip_rules.py"),
    "asrcli/batch/naming.py": ("tests/batch/test_batch_naming.py",),
    "asrcli/server/live/pcm.py": ("tests/server/live/test_pcm.py",),
}
#: of mutmut's table of exit codes of a test run: a mutant counts as found if tests fail, crash or do not end
_SURVIVED = {0: "survived", 5: "no tests", 33: "no tests"}
#: those of tests that did not end, which a busy machine can cause, too
_TIMED_OUT = (36, -24, 24, 152, 255)
#: a `zip` that no longer checks that its arguments are of one length
_STRICT = re.compile(
    r".*: - (?P<before>.*), strict=True(?P<after>\).*) \+ (?P=before), (strict=(False|None))?(?P=after)"
)
#: what tests import that is not ours and takes long
_PRELOAD = ("numpy", "onnx", "soundfile", "yaml", "rich.console", "typer")
_CONFIG = """
[tool.mutmut]
source_paths = ["asrcli"]
only_mutate = {files}
also_copy = ["tools", "completions", "man", "docs", "README.md", "examples", "benchmarks"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly", "-x", "-q", "-m", "not slow"]
pytest_add_cli_args_test_selection = {tests}
process_isolation = "forkserver" # what the first run of the tests has cached must not hide a mutant
forkserver_warmup = "import" # none of ours: what runs when a module is imported is mutated, too
preload_modules_file = "preload.txt"
timeout_constant = 2 # times 15: imports count, too, and other programs run beside
track_dependencies = false
use_git_change_detection = false
"""


def main(arguments: list[str]) -> int:
    """Run mutants and report. Exit code 1: fewer than `--least` of them were found."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutate", description=__doc__)
    parser.add_argument("patterns", nargs="*", help="files to mutate (default: the pure packages)")
    parser.add_argument("--since", metavar="REV", help="only files changed since this commit")
    parser.add_argument("--otherwise", nargs="+", default=[], metavar="PATTERN", help="files to mutate if none changed")
    parser.add_argument("--sample", type=int, metavar="N", help="only N mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after this time; mutants not run do not count")
    parser.add_argument("--least", type=float, default=0.0, metavar="SHARE", help="share of mutants that must be found")
    asked = parser.parse_args(arguments)
    end = time.monotonic() + asked.seconds if asked.seconds else None

    files = _files(asked.patterns, asked.since) or (asked.otherwise and _files(asked.otherwise, None))
    if not files:
        print("no file of the pure packages to mutate")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        checkout = Path(folder) / "checkout"
        _copy(checkout)
        _configure(checkout, files)
        _mutmut(checkout, "run", "--max-children", "1", "nothing-*", quiet=True)  # makes mutants, times the tests
        _give_all_tests(checkout, files)
        names = sorted(_results(checkout))
        if asked.sample and asked.sample < len(names):
            names = sorted(random.Random(asked.seed).sample(names, asked.sample))  # noqa: S311 -- a sample, not a key
        _mutmut(checkout, "run", "--max-children", str(asked.jobs), *names, end=end)
        return _report(checkout, names, asked.least, limited=end is not None)


def _files(patterns: list[str], since: str | None) -> list[str]:
    found = sorted({str(path.relative_to(_ROOT)) for pattern in _PURE for path in _ROOT.glob(pattern)})
    if patterns:
        found = [file for file in found if any(fnmatch(file, pattern) for pattern in patterns)]
    if since:
        command = ["git", "diff", "--name-only", since, "--", "asrcli"]
        changed = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True).stdout.split()
        found = [file for file in found if file in changed]
    return [file for file in found if not file.endswith("__init__.py")]


def _copy(target: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (_ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_ROOT / name, target / name)


def _configure(checkout: Path, files: list[str]) -> None:
    tests = {test for file in files for pattern, some in _PURE.items() if Path(file).match(pattern) for test in some}
    there = sorted(test for test in tests if (checkout / test).exists())
    (checkout / "preload.txt").write_text("\n".join(_PRELOAD), encoding="utf-8")
    with (checkout / "pyproject.toml").open("a", encoding="utf-8") as project:
        project.write(_CONFIG.format(files=json.dumps(files), tests=json.dumps(there)))


def _mutmut(checkout: Path, *arguments: str, quiet: bool = False, end: float | None = None) -> None:
    """Run mutmut until `end` of the monotonic clock. Its exit code is not used: results are read from its files."""
    # Compiled files are written in any case: each mutant's tests would compile all modules again.
    environment = os.environ | {"ASRCLI_SHARED": str(_ROOT / "no-shared-recordings"), "PYTHONDONTWRITEBYTECODE": ""}
    output = subprocess.DEVNULL if quiet else None
    command = [sys.executable, "-m", "mutmut", *arguments]
    with subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=output, stderr=output, start_new_session=True
    ) as process:
        try:
            process.wait(None if end is None else max(1.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the tests that it runs


def _give_all_tests(checkout: Path, files: list[str]) -> None:
    """Functions that run when their module is imported are tested by all tests: mutmut has only seen calls in tests."""
    path = checkout / "mutants" / "mutmut-stats.json"
    stats = json.loads(path.read_text(encoding="utf-8"))
    tests: dict[str, list[str]] = stats["tests_by_mangled_function_name"]
    every = sorted({test for some in tests.values() for test in some})
    for file in files:
        module = file.removesuffix(".py").replace("/", ".")
        tests |= {f"{module}.x_{name}": every for name in _run_at_import((checkout / file).read_text(encoding="utf-8"))}
    path.write_text(json.dumps(stats), encoding="utf-8")


def _run_at_import(source: str) -> set[str]:
    """Functions of a module that its own top level uses, or that those use."""
    body = ast.parse(source).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    found: set[str] = set()
    todo: list[ast.AST] = [node for node in body if node not in functions.values()]
    while todo:
        names = {node.id for node in ast.walk(todo.pop()) if isinstance(node, ast.Name)}
        todo += [functions[name] for name in names & functions.keys() - found]
        found |= names & functions.keys()
    return found


def _results(checkout: Path) -> dict[str, int | None]:
    """Exit code of the tests by the mutant's name; None: not run."""
    codes: dict[str, int | None] = {}
    for meta in (checkout / "mutants").rglob("*.meta"):
        codes |= json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    return codes


def _report(checkout: Path, names: list[str], least: float, *, limited: bool) -> int:
    codes = _results(checkout)
    equivalent = set(_EQUIVALENT.read_text(encoding="utf-8").split("\n")) if _EQUIVALENT.is_file() else set()
    counts: Counter[str] = Counter()
    for name in names:
        code = codes[name]
        state = "not run" if code is None else _SURVIVED.get(code, "found")
        if state in _SURVIVED.values():
            difference = _difference(checkout, name)
            if difference in equivalent or _STRICT.fullmatch(difference):
                state = "equivalent"
            else:
                print(f"\n{name}: {state}\n{difference}")
        elif code in _TIMED_OUT:
            print(f"\n{name}: found, as its tests did not end\n{_difference(checkout, name)}")
        counts[state] += 1
    counted = len(names) - counts["equivalent"] - counts["not run"]
    share = counts["found"] / counted if counted else 1.0
    print(f"\n{counted} mutants: {share:.1%} found; {dict(counts)}")
    if counts["not run"] and not limited:
        print("Not all mutants were run: do the tests pass without a mutant, in a copy of the tracked files?")
    return int(share < least or (counts["not run"] > 0 and not limited))


def _difference(checkout: Path, name: str) -> str:
    """The changed lines of a mutant on one line: `file: - old + new`, the form of `mutate_equivalent.txt`."""
    command = [sys.executable, "-m", "mutmut", "show", name]
    shown = subprocess.run(command, cwd=checkout, check=False, capture_output=True, text=True).stdout.splitlines()
    file = next((line[4:] for line in shown if line.startswith("--- ")), "")
    changed = [
        line[0] + " " + line[1:].strip() for line in shown if line[:1] in {"-", "+"} and line[1:3] not in {"--", "++"}
    ]
    return f"{file}: {' '.join(changed)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
