"""The committed completion scripts and man pages are those of the program, and they work."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from asrcli.cli.framework.app import COMMANDS
from tools.generate import differences, generated, main

ROOT = Path(__file__).parents[2]


def test_completions_and_man_pages_are_up_to_date():
    assert differences(ROOT, generated()) == [], "run: python -m tools.generate"


def test_check_finds_what_is_missing_changed_or_left_over(tmp_path, capsys):
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
def test_the_program_prints_the_committed_script(asrcli, shell):
    name = {"bash": "asrcli.bash", "zsh": "_asrcli", "fish": "asrcli.fish"}[shell]
    assert asrcli("completion", shell).stdout == (ROOT / "completions" / name).read_text(encoding="utf-8")


def bash_completes(folder, *words):
    script = f"""
        source {ROOT}/completions/asrcli.bash
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _asrcli
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@needs_bash
def test_bash_completes_commands_options_values_and_files(tmp_path):
    (tmp_path / "talk one.mp3").touch()
    (tmp_path / "talks").mkdir()
    assert set(bash_completes(tmp_path, "asrcli", "")) == set(COMMANDS)
    assert bash_completes(tmp_path, "asrcli", "tr") == ["transcribe"]
    assert {"show", "path", "init"} == set(bash_completes(tmp_path, "asrcli", "config", ""))
    assert bash_completes(tmp_path, "asrcli", "transcribe", "--max-line-width-") == ["--max-line-width-cjk"]
    assert bash_completes(tmp_path, "asrcli", "transcribe", "--raw", "") == ["s16le", "f32le"]
    assert bash_completes(tmp_path, "asrcli", "transcribe", "--raw", "=", "s") == ["s16le"]
    assert set(bash_completes(tmp_path, "asrcli", "transcribe", "--channels", "=")) == {"mix", "split"}
    assert bash_completes(tmp_path, "asrcli", "transcribe", "-f", "txt,sr") == ["txt,srt"]
    assert bash_completes(tmp_path, "asrcli", "transcribe", "--output-dir", "ta") == ["talks"]
    assert "talk" in bash_completes(tmp_path, "asrcli", "transcribe", "--quiet", "ta")
    assert bash_completes(tmp_path, "asrcli", "transcribe", "--jobs", "") == []
    assert bash_completes(tmp_path, "asrcli", "config", "init", "--f") == ["--force"]
    assert bash_completes(tmp_path, "asrcli", "completion", "z") == ["zsh"]
    assert bash_completes(tmp_path, "asrcli", "transcribe", "-m", "sensevoice-small-2") == ["sensevoice-small-2025"]
    assert bash_completes(tmp_path, "asrcli", "transcribe", "-m", "ta") == ["talks"]  # a folder is a model, too
    assert "silero-vad" in bash_completes(tmp_path, "asrcli", "download-model", "sil")


@needs_bash
def test_an_options_value_is_no_command(tmp_path):
    # `-o config` is a file called config, not the command.
    assert "--format" in bash_completes(tmp_path, "asrcli", "transcribe", "-o", "config", "--for")


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes(tmp_path):
    def complete(line):
        script = f"source {ROOT}/completions/asrcli.fish; complete -C {line!r}"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return [row.split("\t")[0] for row in done.stdout.splitlines()]

    assert set(complete("asrcli ")) == set(COMMANDS)
    assert set(complete("asrcli config ")) == {"show", "path", "init"}
    assert set(complete("asrcli transcribe --raw ")) == {"s16le", "f32le"}
    assert "--max-line-width-cjk" in complete("asrcli transcribe --max-line")
    assert "txt,srt" in complete("asrcli transcribe -f txt,")
    assert "sensevoice-small" in complete("asrcli download-model sens")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_loads_the_functions(tmp_path):
    script = f"""
        fpath=({ROOT}/completions $fpath)
        autoload -Uz compinit && compinit -u -d {tmp_path}/dump
        print -r -- $_comps[asrcli]
        autoload +X _asrcli && whence -w _asrcli
    """
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["_asrcli", "_asrcli:", "function"]
    assert done.stderr == ""
    subprocess.run(["zsh", "-n", ROOT / "completions" / "_asrcli"], check=True)


@pytest.mark.parametrize("page", sorted((ROOT / "man").glob("*.1")), ids=lambda page: page.stem)
def test_man_pages_are_clean_roff(page):
    if shutil.which("groff") is None:
        pytest.skip("needs groff")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-P-cbou", "-ww", "-rLL=100n", page], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT"):
        assert heading in done.stdout


def test_the_man_page_tells_every_exit_code():
    from asrcli.errors import ExitCode

    text = (ROOT / "man" / "asrcli-transcribe.1").read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"\\fB{int(code)}\\fR" in text
