"""Write the completion scripts, the man pages, docs/formats.md and docs/options.md, from a checkout.

Run `python -m tools.generate [--check] [FOLDER]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from asrcli.cli.framework.command_tree import program
from asrcli.formats import FORMATS
from tools.completion_scripts import SCRIPTS
from tools.man_pages import pages
from tools.option_page import option_page

_FORMATS_INTRODUCTION = """\
# Output formats

Made by `python -m tools.generate` from the registry of formats (`asrcli/formats/__init__.py`).

All files are UTF-8 without a byte order mark. Lines end with LF (csv: CRLF, RFC 4180). Times are rounded, not cut off.
An empty transcript gives a valid empty file. csv never alters text: a spreadsheet takes a text that begins with `=` for
a formula unless it imports the column as text. [Subtitles](subtitles.md) describes how cues are divided.

"""
_SCRIPT_NAMES = {"bash": "asrcli.bash", "zsh": "_asrcli", "fish": "asrcli.fish"}


def generated() -> dict[str, str]:
    """Path below the checkout -> text of every file that is made from the program."""
    tree = program()
    files = {f"completions/{_SCRIPT_NAMES[shell]}": script(tree) for shell, script in SCRIPTS.items()}
    files |= {f"man/{name}": text for name, text in pages(tree).items()}
    return files | {"docs/formats.md": formats_page(), "docs/options.md": option_page(tree)}


def formats_page() -> str:
    """docs/formats.md: a table of the registry of formats."""
    head = "| `--format` | contents | speakers | times | HTTP media type |\n|---|---|---|---|---|\n"
    rows = (
        f"| `{form.name}`{f' (.{form.extension})' if form.extension != form.name else ''} | {form.about} "
        f"| {form.speakers} | {form.times} | {form.media_type} |\n"
        for form in FORMATS.values()
    )
    return _FORMATS_INTRODUCTION + head + "".join(rows)


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
