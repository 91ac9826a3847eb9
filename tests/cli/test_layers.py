"""Defaults < config file < ASRCLI_* variables < flags, and what is said of mistakes in them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asrcli.cli.framework.command_tree import program
from tests.cli.conftest import Program

ROOT = Path(__file__).parents[2]


def settings(asrcli: Program, *arguments: str | Path, env: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    done = asrcli("config", "show", "--json", *arguments, env=env)
    assert done.returncode == 0, done.stderr
    return {row["option"]: row for row in json.loads(done.stdout)["settings"]}


def test_each_layer_wins_over_the_one_below(asrcli: Program, write_config: Callable[..., Path]) -> None:
    path = write_config("jobs: 2\ntranscribe:\n  max-gap: 4\n  max_lines: 3\n")
    rows = settings(asrcli)
    assert (rows["jobs"]["value"], rows["jobs"]["origin"]) == (2, "config file")
    assert rows["jobs"]["where"] == f"{path}, line 1"
    assert rows["max-gap"]["where"] == f"{path}, line 3"
    assert (rows["max-lines"]["value"], rows["max-words"]["origin"]) == (3, "default")
    variables = {"ASRCLI_JOBS": "3", "ASRCLI_MAX_GAP": "5"}
    rows = settings(asrcli, env=variables)
    assert (rows["jobs"]["value"], rows["jobs"]["where"]) == (3, "ASRCLI_JOBS")
    rows = settings(asrcli, "transcribe", "--jobs", "4", env=variables)
    assert (rows["jobs"]["value"], rows["jobs"]["origin"]) == (4, "flag")
    assert (rows["max-gap"]["value"], rows["max-gap"]["origin"]) == (5, "environment")


def test_the_section_wins_over_the_left_edge_and_the_particular_variable_over_the_general(
    asrcli: Program, write_config: Callable[..., Path]
) -> None:
    write_config("jobs: 2\ntranscribe: {jobs: 6}\n")
    assert settings(asrcli)["jobs"]["value"] == 6
    rows = settings(asrcli, env={"ASRCLI_JOBS": "7", "ASRCLI_TRANSCRIBE_JOBS": "8"})
    assert (rows["jobs"]["value"], rows["jobs"]["where"]) == (8, "ASRCLI_TRANSCRIBE_JOBS")


TRANSCRIBE = next(command for command in program().walk() if command.path[1:] == ("transcribe",))
DECLARED = {option.declared.name.replace("_", "-"): option.declared for option in TRANSCRIBE.options if option.declared}


def another_value(name: str, value: list[str] | float | str | None) -> tuple[str, object]:
    """Text for a variable, and the value that it should become: not the default."""
    special = {
        "start": ("1:30", 90),
        "end": ("1:02:03.5", 3723.5),
        "channels": ("split", "split"),
        "audio-track": ("zh", "zh"),
        "language": ("zh", "zh"),
        "name": ("'{stem}.{language}'", "{stem}.{language}"),
        "translate-to": ("German", "de"),
        "shard": ("2/3", "2/3"),
        "skip-if": ("audio:de", ["audio:de"]),
        "remote-api-key": ("sesame", "(set)"),
        "format": ("srt,vtt", ["srt", "vtt"]),
        "fail-on": ("gap", ["gap"]),
        "include": ("a, b.wav", ["a, b.wav"]),
        "device": ("cuda:1", "cuda:1"),
        "fetch-network": ("10.0.0.0/8", ["10.0.0.0/8"]),
        "cluster": ("auto", "auto"),
        "exclude": ("a, b.wav", ["a, b.wav"]),
        "hotwords": ("one,two", ["one", "two"]),
    }
    if name in special:
        return special[name]
    declared = DECLARED[name]
    if declared.type is bool:
        return ("no", False) if value else ("yes", True)
    if declared.choices:
        choice = next(choice for choice in declared.choices if choice != declared.default)
        return choice, choice
    if declared.type in {int, float}:
        low, high = declared.option.low, declared.option.high
        number = low + 1 if low + 1 < high else round((2 * low + high) / 3, 3)
        number += number == declared.default
        return str(number), number
    return "somewhere", "somewhere"


def test_every_option_has_a_variable_and_a_key(asrcli: Program, write_config: Callable[..., Path]) -> None:
    wanted = {name: another_value(name, row["value"]) for name, row in settings(asrcli).items()}
    assert len(wanted) > 40
    names = {name: "ASRCLI_" + name.upper().replace("-", "_") for name in wanted}
    rows = settings(asrcli, env={names[name]: text.strip("'") for name, (text, _) in wanted.items()})
    for name, (_, value) in wanted.items():
        assert (rows[name]["value"], rows[name]["where"]) == (value, names[name])
    path = write_config("transcribe:\n" + "".join(f"  {name}: {text}\n" for name, (text, _) in wanted.items()))
    rows = settings(asrcli)
    for line, (name, (_, value)) in enumerate(wanted.items(), start=2):
        assert (rows[name]["value"], rows[name]["where"]) == (value, f"{path}, line {line}")


def test_keys_are_not_shown(asrcli: Program) -> None:
    secrets = {"ASRCLI_REMOTE_API_KEY": "sesame-1", "ASRCLI_API_KEY": "sesame-2", "ASRCLI_WEBHOOK_SECRET": "sesame-3"}
    for command in ("transcribe", "serve"):
        for form in ([], ["--json"]):
            done = asrcli("config", "show", *form, command, env=secrets)
            assert done.returncode == 0, done.stderr
            assert "(set)" in done.stdout
            assert "sesame" not in done.stdout + done.stderr
    assert settings(asrcli)["remote-api-key"]["value"] is None


def test_scalars_are_read_as_on_the_command_line(asrcli: Program, write_config: Callable[..., Path]) -> None:
    write_config("transcribe:\n  language: no\n  start: 1:30\n  itn: off\n  format: [srt, txt]\n  model:\n")
    rows = settings(asrcli)
    assert rows["language"]["value"] == "no"  # Norwegian, not false
    assert rows["start"]["value"] == 90
    assert rows["itn"]["value"] is False
    assert rows["format"]["value"] == ["srt", "txt"]
    assert rows["model"]["origin"] == "default"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jbos: 2\n", ["line 1", "unknown key 'jbos'", "'jobs'"]),
        ("\ntranscrib:\n  jobs: 2\n", ["line 2", "unknown key 'transcrib'", "'transcribe'"]),
        ("transcribe:\n  max-gpa: 2\n", ["line 2", "'max-gpa'", "'max-gap'"]),
        ("transcribe:\n  jobs: many\n", ["line 2", "--jobs"]),
        ("transcribe:\n  itn: perhaps\n", ["line 2", "--itn"]),
        ("transcribe:\n  jobs: [1, 2]\n", ["line 2", "one value"]),
        ("transcribe:\n  jobs: {a: 1}\n", ["line 2", "takes a value"]),
        ("jobs: 1\njobs: 2\n", ["line 2", "twice"]),
        ("transcribe: [\n", ["not valid YAML"]),
        ("- a\n", ["line 1", "key: value"]),
    ],
)
def test_a_mistake_in_the_file_is_found_with_its_line(
    asrcli: Program, write_config: Callable[..., Path], text: str, said: list[str]
) -> None:
    path = write_config(text)
    done = asrcli("config", "show")
    assert done.returncode == 2
    assert done.stdout == ""
    assert str(path) in done.stderr
    for words in said:
        assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_of_another_command_is_fine_at_the_left_edge_only(
    asrcli: Program, write_config: Callable[..., Path]
) -> None:
    write_config("force: yes\n")  # of `config init` and others
    assert settings(asrcli)["jobs"]["value"] is None
    write_config("transcribe:\n  force: yes\n")
    assert "unknown key 'force'" in asrcli("config", "show").stderr


def test_a_mistake_in_a_variable_names_the_variable(asrcli: Program) -> None:
    done = asrcli("config", "show", env={"ASRCLI_JOBS": "many"})
    assert done.returncode == 2
    assert "ASRCLI_JOBS" in done.stderr


def test_the_file_named_by_flag_or_variable_is_read(asrcli: Program, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("jobs: 5\n", encoding="utf-8")
    assert settings(asrcli, "--config", path)["jobs"]["value"] == 5
    assert settings(asrcli, env={"ASRCLI_CONFIG": str(path)})["jobs"]["value"] == 5
    done = asrcli("config", "show", "--config", tmp_path / "none.yaml")
    assert done.returncode == 2
    assert "none.yaml" in done.stderr


def test_init_writes_a_file_that_changes_nothing_until_it_is_edited(asrcli: Program) -> None:
    done = asrcli("config", "init")
    assert done.returncode == 0, done.stderr
    path = done.stdout.strip()
    assert asrcli("config", "path").stdout.strip() == path
    assert {row["origin"] for row in settings(asrcli).values()} == {"default"}
    again = asrcli("config", "init")
    assert (again.returncode, path in again.stderr) == (2, True)
    assert asrcli("config", "init", "--force").returncode == 0


def test_the_template_without_its_comment_signs_is_the_defaults(asrcli: Program) -> None:
    path = Path(asrcli("config", "init").stdout.strip())
    lines = path.read_text(encoding="utf-8").splitlines()
    keys = [line.replace("#", "", 1) for line in lines if not line.lstrip().startswith("# ")]
    path.write_text("\n".join(keys), encoding="utf-8")
    rows = settings(asrcli)
    assert rows["min-silence"]["value"] == 0.3
    assert rows["min-silence"]["origin"] == "config file"


def test_path_and_init_work_while_the_file_is_broken(asrcli: Program, write_config: Callable[..., Path]) -> None:
    path = write_config("transcribe: [\n")
    assert asrcli("config", "path").stdout.strip() == str(path)
    assert asrcli("config", "init", "--force").returncode == 0


def test_a_misspelt_variable_is_reported_and_a_foreign_one_is_not(asrcli: Program, recordings: Path) -> None:
    done = asrcli("transcribe", recordings, "--dry-run", env={"ASRCLI_FROMAT": "srt"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "Unknown variable ASRCLI_FROMAT" in done.stderr
    assert "Did you mean ASRCLI_FORMAT?" in done.stderr
    # of another command, of no one, and unset by being empty
    others = {
        "ASRCLI_SERVE_PORT": "1",
        "ASRCLI_MODELS_LIST_KIND": "asr",
        "ASRCLI_HOUSE": "ours",
        "ASRCLI_FROMAT": "",
        "ASRCLI_SHARED": "x",
    }
    assert asrcli("transcribe", recordings, "--dry-run", env=others).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (["--jobs", "many"], {}, "'--jobs' / '-j': 'many' is not a whole number; write a whole number"),
        (["--max-gap", "long"], {}, "'--max-gap': 'long' is not a number; write a number"),
        (["--jobs", "0"], {}, "0 is out of range; it must be 1 to 4096"),
        ([], {"ASRCLI_ITN": "maybe"}, "'--itn': write yes or no (set by ASRCLI_ITN)"),
        (["--raw", "s64le"], {}, "'s64le' is not one of 's16le', 's24le', 's32le', 'f32le'"),
    ],
)
def test_a_wrong_value_is_reported_in_the_users_words(
    asrcli: Program, arguments: list[str], env: dict[str, str], words: str
) -> None:
    done = asrcli("transcribe", "talk.wav", *arguments, env=env)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Value error" not in done.stderr


def test_what_has_no_value_is_shown_as_a_dash(asrcli: Program) -> None:
    lines = asrcli("config", "show").stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith(("prompt ", "output "))] == ["-", "-"]


def test_an_option_that_is_off_until_it_is_set_shows_no_default(asrcli: Program) -> None:
    off = {line.split()[0]: line.split()[1] for line in asrcli("config", "show").stdout.splitlines()}
    assert (off["raw"], off["raw-channels"], off["rate"]) == ("-", "-", "16000")
    done = asrcli("config", "show", "transcribe", "--raw", "s16le")
    assert re.search(r"^raw +s16le +flag", done.stdout, re.MULTILINE), done.stdout


def test_variables_of_the_tests_and_benchmarks_resemble_no_option(asrcli: Program) -> None:
    """A new option once made the name of such a variable look misspelt, and every command refused to run."""
    folders = [ROOT / name for name in (".ci", "benchmarks", "tests", "tools")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".sh", ".mjs", ""}]
    read = re.compile(r"""(?:environ\.get\("|process\.env\.|\$\{?)(ASRCLI_[A-Z_]+)""")
    texts = [path.read_text(errors="replace") for path in files if path.is_file()]
    names = {name for text in texts for name in read.findall(text)}
    assert "ASRCLI_SHARED" in names
    for command in ("transcribe", "watch", "serve"):
        done = asrcli("config", "show", command, env=dict.fromkeys(names, "x"))
        assert "Unknown variable" not in done.stderr
