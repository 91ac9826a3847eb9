"""Write the completion scripts and man pages: `python -m tools.generate [--check] [FOLDER]`, from a checkout."""

from __future__ import annotations

import sys
from pathlib import Path

from asrcli.cli.framework.command_tree import program
from tools.completion_scripts import SCRIPTS
from tools.man_pages import pages

_SCRIPT_NAMES = {"bash": "asrcli.bash", "zsh": "_asrcli", "fish": "asrcli.fish"}


def generated() -> dict[str, str]:
    """Path below the checkout -> text of every file that is made from the program."""
    tree = program()
    files = {f"completions/{_SCRIPT_NAMES[shell]}": script(tree) for shell, script in SCRIPTS.items()}
    return files | {f"man/{name}": text for name, text in pages(tree).items()}


def differences(root: Path, files: dict[str, str]) -> list[str]:
    """The files that are missing, differ, or should not be there any more."""
    stale = [
        str(path.relative_to(root))
        for folder in ("completions", "man")
        for path in (root / folder).glob("*asrcli*")
        if str(path.relative_to(root)) not in files
    ]
    wrong = [name for name, text in files.items() if not _holds(root / name, text)]
    return sorted(stale + wrong)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` only say which differ (exit code 1)."""
    check = "--check" in arguments
    folders = [argument for argument in arguments if argument != "--check"]
    root = Path(folders[0]) if folders else Path()
    files = generated()
    changed = differences(root, files)
    for name in changed:
        print(f"{name} {'differs' if check else 'written' if name in files else 'removed'}")
        if not check:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], encoding="utf-8") if name in files else path.unlink()
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
