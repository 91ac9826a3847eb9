"""Help: quick, complete, with examples."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from asrcli.cli.framework.app import COMMANDS, build
from asrcli.cli.framework.command_tree import program
from tests.cli.conftest import Program

HEAVY = [
    "numpy",
    "yaml",
    "sherpa_onnx",
    "onnx",
    "onnxruntime",
    "soundfile",
    "rich",
    "pydantic",
    "ffmpeg",
    "tqdm",
    "srt",
    "platformdirs",
]
EVERY_COMMAND = [command.path[1:] for command in program().walk()]


def modules_after(asrcli: Program, *arguments: str) -> list[str]:
    code = (
        "import sys, json, io, contextlib\n"
        "from asrcli.cli.main import run\n"
        f"with contextlib.redirect_stdout(io.StringIO()): code = run({list(arguments)!r})\n"
        "print(json.dumps([code, sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=asrcli.env(), check=True, text=True)
    code, modules = json.loads(done.stdout)
    assert code == 0
    return modules


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["transcribe", "--help"], ["models", "--help"]])
def test_help_loads_no_engine_and_nothing_heavy(asrcli: Program, arguments: list[str]) -> None:
    modules = modules_after(asrcli, *arguments)
    assert [name for name in HEAVY if name in modules] == []
    engines = [name for name in modules if name.startswith(("asrcli.backends.", "asrcli.audio.", "asrcli.pipeline"))]
    assert set(engines) <= {"asrcli.backends.registry"}  # the table of backends, which imports none of them


def test_the_list_of_commands_loads_none_of_them(asrcli: Program) -> None:
    loaded = {name for name in modules_after(asrcli, "--help") if name.startswith("asrcli.cli.")}
    framework = {f"asrcli.cli.framework.{name}" for name in ("app", "coercion", "command", "console", "session")}
    assert loaded == {"asrcli.cli.framework", "asrcli.cli.main", *framework}


@pytest.mark.slow
def test_a_short_recording_needs_nothing_that_is_slow_to_load(asrcli: Program) -> None:
    recording = str(Path(__file__).parents[2] / "examples" / "dialogue.wav")
    modules = modules_after(asrcli, "transcribe", recording, "--end", "1", "--jobs", "2", "-o", "-", "--quiet")
    others = ["ssl", "numpy.ma", "asrcli.models.store", "asrcli.models.detect", "sherpa_onnx"]
    assert [name for name in ("pydantic", "yaml", "ffmpeg", *others) if name in modules] == []


def test_the_table_has_existing_modules_with_their_own_summaries() -> None:
    group = build()
    for name, entry in COMMANDS.items():
        importlib.import_module(f"asrcli.cli.commands.{entry.module}")
        assert group.commands[name].get_short_help_str(limit=200)
        assert len(entry.summary) < 66


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_every_command_has_help_with_a_usage_and_examples(asrcli: Program, path: tuple[str, ...]) -> None:
    done = asrcli(*path, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith(f"Usage: asrcli {' '.join(path)}".rstrip())
    assert "\033" not in done.stdout
    assert not set("{}") & set(done.stdout.splitlines()[0])
    is_group = "COMMAND [ARGS]" in done.stdout
    assert ("Examples:" in done.stdout) or (is_group and path)


def test_h_is_help(asrcli: Program) -> None:
    assert asrcli("transcribe", "-h").stdout == asrcli("transcribe", "--help").stdout


def test_every_example_names_options_that_exist() -> None:
    tree = {command.path: command for command in program().walk()}
    checked = 0
    for command in tree.values():
        for line in command.examples:
            if "asrcli " not in line:
                continue
            words = line.split("asrcli ", 1)[1].split("  ")[0].split()
            path: tuple[str, ...] = ("asrcli",)
            while words and (*path, words[0]) in tree:
                path = (*path, words.pop(0))
            names = {name for option in tree[path].options for name in (*option.names, *option.negations)}
            for word in words:
                if word in {"|", ">"} or word in COMMANDS:  # what follows is another program's, or another command's
                    break
                if word.startswith("-") and word != "-":
                    assert word in names, line
                    checked += 1
    assert checked > 10


def test_no_arguments_show_the_help_and_are_a_usage_error(asrcli: Program) -> None:
    done = asrcli()
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Commands:" in done.stderr


def test_a_typo_is_answered_with_what_was_meant(asrcli: Program) -> None:
    assert "'transcribe'" in asrcli("trancsribe").stderr
    assert "--format" in asrcli("transcribe", "--fromat", "srt").stderr


def test_the_version_is_the_packages(asrcli: Program) -> None:
    import asrcli as package

    assert asrcli("--version").stdout == f"asrcli {package.__version__}\n"


def test_the_help_names_every_format(asrcli: Program) -> None:
    from asrcli.formats import FORMATS

    text = " ".join(asrcli("transcribe", "--help").stdout.split())
    assert f"separated by commas or repeated: {', '.join(FORMATS)}." in text


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("talk.mp3", "asrcli transcribe talk.mp3"),
        ("my talk.mp3", "asrcli transcribe 'my talk.mp3'"),
        ("./recordings", "asrcli transcribe ./recordings"),
        ("-", "asrcli transcribe -"),
        ("https://example.org/a.mp3", "asrcli transcribe https://example.org/a.mp3"),
        ("s3://bucket/a.mp3", "asrcli transcribe s3://bucket/a.mp3"),
        ("ftp://example.org/a.mp3", "curl -L ftp://example.org/a.mp3 | asrcli transcribe -"),
        ("nonsense", "asrcli --help"),
    ],
)
def test_a_recording_in_place_of_a_command(asrcli: Program, word: str, hint: str) -> None:
    done = asrcli(word)
    assert done.returncode == 2
    assert hint in done.stderr


def test_an_address_of_another_kind_is_not_fetched(asrcli: Program) -> None:
    done = asrcli("transcribe", "ftp://example.org/a.mp3")
    assert done.returncode == 3
    assert "curl -L ftp://" in done.stderr  # a Path joins the slashes


def test_the_help_of_transcribe_is_one_screen_and_the_rest_is_in_help_all(asrcli: Program) -> None:
    short, everything = asrcli("transcribe", "--help").stdout, asrcli("transcribe", "--help-all").stdout
    assert len(short.splitlines()) < 60
    for option in (
        "--format",
        "--model",
        "--language",
        "--diarize",
        "--output",
        "--output-dir",
        "--jobs",
        "--help-all",
    ):
        assert option in short
    assert "--vad-threshold" not in short
    tree = {command.path[1:]: command for command in program().walk()}
    for declared in tree["transcribe",].options:
        assert declared.names[-1] in everything
