"""The committed completion scripts and man pages are those of the program, and they work."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Program
from tools.generate import differences, generated, main

ROOT = Path(__file__).parents[2]


def test_completions_and_man_pages_are_up_to_date() -> None:
    assert differences(ROOT, generated()) == [], "run: python -m tools.generate"


def test_check_finds_what_is_missing_changed_or_left_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    (tmp_path / "man" / "asrcli.1").write_text("old", encoding="utf-8")
    (tmp_path / "man" / "asrcli-gone.1").write_text("old", encoding="utf-8")
    (tmp_path / "completions" / "asrcli.bash").unlink()
    capsys.readouterr()
    assert main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("differs") == 3
    main([str(tmp_path)])
    assert main(["--check", str(tmp_path)]) == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_program_prints_the_committed_script(asrcli: Program, shell: str) -> None:
    name = {"bash": "asrcli.bash", "zsh": "_asrcli", "fish": "asrcli.fish"}[shell]
    assert asrcli("completion", shell).stdout == (ROOT / "completions" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted((ROOT / "man").glob("*.1")), ids=lambda page: page.stem)
def test_man_pages_are_clean_roff(page: Path) -> None:
    if shutil.which("groff") is None:
        pytest.skip("needs groff")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-P-cbou", "-ww", "-rLL=100n", page], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT"):
        assert heading in done.stdout


def test_the_man_page_lists_every_exit_code() -> None:
    from asrcli.errors import ExitCode

    text = (ROOT / "man" / "asrcli-transcribe.1").read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"\\fB{int(code)}\\fR" in text
