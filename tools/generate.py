"""Write the completion scripts, the man pages, docs/formats.md, docs/options.md, docs/whisper.md
and the table of bounds in docs/serving.md, from a checkout.

Run `python -m tools.generate [--check] [FOLDER]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from asrcli.cli.framework.command_tree import program
from asrcli.cli.request.whisper_flags import FLAGS
from asrcli.formats import FORMATS
from asrcli.server import bounds
from asrcli.transcript import WARNINGS
from tools.completion_scripts import SCRIPTS
from tools.man_pages import pages
from tools.option_page import option_page

_FORMATS_INTRODUCTION = """\
# Output formats

Made by `python -m tools.generate` from the registry of formats (`asrcli/formats/__init__.py`).

Files are UTF-8 without a byte order mark (`--encoding` changes that, but JSON and WebVTT are always UTF-8).
Lines end with LF (`--newline`; csv always CRLF, RFC 4180). Times are rounded, not cut off. An empty transcript gives a
valid empty file. csv never alters text: a spreadsheet takes a text that begins with `=` for a formula unless it imports
the column as text. [Subtitles](subtitles.md) describes how cues are divided.

"""
_WARNINGS_INTRODUCTION = """
## Warnings

A warning's message begins with its code and a colon. JSON has the codes in `warning_codes`, and `--fail-on CODES` makes
them failures.

| code | meaning |
|---|---|
"""
_LIMITS = """
### What no header shows

Some recordings have no length in their header: they were written to a pipe or a socket, or the header was never
completed. Where such a file ends between two samples or frames, nothing shows whether more was recorded, and there is
no warning. This holds for raw samples and IRCAM; for AU, AIFF, CAF, Wave64, WAV and SoX with a length of 0 or a
placeholder; and for MP3 without a Xing tag, ADTS, MP2, AC-3, DTS, AMR and GSM. An end within a sample or a frame is
reported (`truncated`). Where that matters, compare the sizes or checksums of copies.
"""
_WHISPER_INTRODUCTION = """\
# Scripts written for `whisper`

Made by `python -m tools.generate` from `asrcli/cli/request/whisper_flags.py`.

`asrcli transcribe` takes the flags of OpenAI's `whisper` command, so that a script works after the command's name is
replaced:

```console
$ asrcli transcribe talk.mp3 --output_format srt --output_dir out --language English
```

Names of Whisper models (`small.en`, `large-v3-turbo`) mean the models here. A flag without effect is named on stderr. A
value without a counterpart is an error. `-o` is an output file here, not a folder. `--output_format json`
writes Whisper's JSON (`--format whisper-json`).

"""
_SCRIPT_NAMES = {"bash": "asrcli.bash", "zsh": "_asrcli", "fish": "asrcli.fish"}


def generated() -> dict[str, str]:
    """Path below the checkout -> text of every file that is made from the program."""
    tree = program()
    files = {f"completions/{_SCRIPT_NAMES[shell]}": script(tree) for shell, script in SCRIPTS.items()}
    files |= {f"man/{name}": text for name, text in pages(tree).items()}
    return files | {
        "docs/formats.md": formats_page(),
        "docs/options.md": option_page(tree),
        "docs/serving.md": serving_page(),
        "docs/whisper.md": whisper_page(),
    }


def serving_page() -> str:
    """docs/serving.md, with the table of the server's bounds between its marks."""
    page = (Path(__file__).parents[1] / "docs" / "serving.md").read_text(encoding="utf-8")
    before, start, rest = page.partition("<!-- bounds -->\n")
    rows = "".join(f"| {what} | {value} |\n" for what, value in bounds.table())
    after = rest.partition("<!-- /bounds -->")[2]
    return f"{before}{start}| limit; what exceeds it gets | value |\n|---|---|\n{rows}<!-- /bounds -->{after}"


def formats_page() -> str:
    """docs/formats.md: tables of the registry of formats and of the codes of warnings."""
    head = "| `--format` | contents | speakers | times | HTTP media type |\n|---|---|---|---|---|\n"
    rows = (
        f"| `{form.name}`{f' (.{form.extension})' if form.extension != form.name else ''} | {form.about} "
        f"| {form.speakers} | {form.times} | {form.media_type} |\n"
        for form in FORMATS.values()
    )
    codes = (f"| `{code}` | {meaning} |\n" for code, meaning in WARNINGS.items())
    return _FORMATS_INTRODUCTION + head + "".join(rows) + _WARNINGS_INTRODUCTION + "".join(codes) + _LIMITS


def whisper_page() -> str:
    """docs/whisper.md: what becomes of the flags of OpenAI's `whisper` command."""
    rows = []
    for name, flag in FLAGS.items():
        known = [f"`{value}`: `{' '.join(ours)}`" if ours else f"`{value}`" for value, ours in flag.values.items()]
        ours = "no effect: " + flag.ignored if flag.ignored else ", ".join([f"`{flag.flag}`"] * bool(flag.flag) + known)
        rows.append(f"| `{name}` | {ours} |\n")
    return _WHISPER_INTRODUCTION + "| `whisper` | `asrcli transcribe` |\n|---|---|\n" + "".join(rows)


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
