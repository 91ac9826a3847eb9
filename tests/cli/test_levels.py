"""Command line, variables and config file against each other, as users run the program."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asrcli.cli.framework.command_tree import program
from asrcli.options.declarations import Declaration
from tests.cli.conftest import Program

SERVICE_LINKS = {
    "ASRCLI_PORT": "tcp://10.96.0.12:8000",
    "ASRCLI_SERVICE_HOST": "10.96.0.12",
    "ASRCLI_SERVICE_PORT": "8000",
    "ASRCLI_SERVICE_PORT_HTTP": "8000",
    "ASRCLI_PORT_8000_TCP": "tcp://10.96.0.12:8000",
    "ASRCLI_PORT_8000_TCP_PROTO": "tcp",
    "ASRCLI_PORT_8000_TCP_PORT": "8000",
    "ASRCLI_PORT_8000_TCP_ADDR": "10.96.0.12",
    "ASRCLI_FUNASR_PORT": "udp://10.96.0.12:10095",
    "ASRCLI_SERVE_PORT": "tcp://10.96.0.13:8000",
    "ASRCLI_SERVE_SERVICE_PORT_FUNASR": "10095",
    "ASRCLI_PROD_PORT_10095_UDP_ADDR": "10.96.0.14",
    "ASRCLI_NAME": "/web/asrcli",
    "ASRCLI_ENV_LANGUAGE": "en",
}


@pytest.mark.parametrize("command", [c.path[1:] for c in program().walk() if not c.commands], ids=" ".join)
def test_service_link_variables_are_ignored_by_every_command(asrcli: Program, command: tuple[str, ...]) -> None:
    done = asrcli("config", "show", "--json", *command, env=SERVICE_LINKS)
    assert "ASRCLI_" not in done.stderr
    assert "://" not in done.stderr
    if done.returncode == 0:
        assert {row["origin"] for row in json.loads(done.stdout)["settings"]} <= {"default"}


def test_a_wrong_port_is_an_error_all_the_same(asrcli: Program) -> None:
    done = asrcli("config", "show", "serve", env={"ASRCLI_PORT": "http://10.0.0.1"})
    assert (done.returncode, "ASRCLI_PORT" in done.stderr) == (2, True)


def planned(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    assert done.returncode == 0, done.stderr
    return {row["name"]: row["outputs"] for row in map(json.loads, done.stdout.splitlines())}


@pytest.fixture
def comma(asrcli: Program, recordings: Path, write_tones: Callable[..., None]) -> tuple[str, str, str, str]:
    write_tones(recordings / "Smith, 2024.wav", [3])
    write_tones(recordings / "2024.wav", [3])
    return ("transcribe", "rec", "--dry-run", "--log-json")


@pytest.mark.slow
def test_globs_may_contain_commas(
    asrcli: Program, comma: tuple[str, str, str, str], write_config: Callable[..., Path]
) -> None:
    everything = {"rec/one.wav", "rec/inner/two.wav", "rec/2024.wav", "rec/Smith, 2024.wav"}
    assert set(planned(asrcli(*comma))) == everything
    rest = everything - {"rec/Smith, 2024.wav"}
    assert set(planned(asrcli(*comma, "--exclude", "Smith, 2024.wav"))) == rest
    assert set(planned(asrcli(*comma, "--include", "Smith, 2024.wav"))) == {"rec/Smith, 2024.wav"}
    assert set(planned(asrcli(*comma, env={"ASRCLI_EXCLUDE": "Smith, 2024.wav"}))) == rest
    assert set(planned(asrcli(*comma, env={"ASRCLI_EXCLUDE": "Smith, 2024.wav\none.wav"}))) == rest - {"rec/one.wav"}
    write_config('transcribe:\n  exclude: "Smith, 2024.wav"\n')
    assert set(planned(asrcli(*comma))) == rest
    write_config('transcribe:\n  exclude: ["Smith, 2024.wav", one.wav]\n')
    assert set(planned(asrcli(*comma))) == rest - {"rec/one.wav"}


@pytest.mark.slow
@pytest.mark.usefixtures("recordings")
def test_a_named_output_overrides_formats_and_folder_of_the_config_file(
    asrcli: Program, write_config: Callable[..., Path]
) -> None:
    write_config("transcribe:\n  format: [txt, srt]\n  output-dir: out\n  skip-existing: yes\n")
    one = ("transcribe", "rec/one.wav")
    assert asrcli(*one, "-o", "x.srt").returncode == 0
    assert "--> " in (asrcli.folder / "x.srt").read_text()
    assert asrcli(*one, "-o", "-").stdout == "fa re mi\n"
    assert asrcli(*one, "-o", "-", "-f", "lrc").stdout.startswith("[")
    assert not (asrcli.folder / "out").exists()
    done = asrcli(*one)
    assert {path.name for path in (asrcli.folder / "out").glob("one.*")} == {"one.txt", "one.srt"}, done.stderr
    assert "1 of 1 file done" in asrcli(*one, "--overwrite").stderr
    assert "1 skipped" in asrcli(*one).stderr


def test_stdin_takes_the_first_format_of_the_config_file(
    asrcli: Program, recordings: Path, write_config: Callable[..., Path]
) -> None:
    write_config("transcribe:\n  format: [srt, txt]\n")
    sound = (recordings / "one.wav").read_bytes()
    assert "--> " in asrcli("transcribe", "-", stdin=sound).stdout
    refused = asrcli("transcribe", "-", "-f", "srt,txt", stdin=sound)
    assert (refused.returncode, "one format" in refused.stderr) == (2, True)


def numbers() -> Iterator[tuple[str, Declaration]]:
    for command in program().walk():
        for option in command.options:
            if option.declared is not None and option.declared.type in {int, float}:
                yield " ".join((*command.path[1:], option.names[-1])), option.declared


NUMBERS = dict(numbers())


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_finite_bounds(name: str) -> None:
    declared = NUMBERS[name]
    low, high = declared.option.low, declared.option.high
    assert low is not None
    assert high is not None
    assert math.isfinite(low)
    assert math.isfinite(high)
    for text in ("inf", "-inf", "nan", "1e308", "-1e308", "1e999", str(high * 2 + 1), str(low - 1), "", "1_0"):
        if declared.option.metavar == "SIZE" and text == "1_0":
            continue
        with pytest.raises(ValueError, match=r".+"):
            declared.parse(text)
    assert declared.default is None or declared.repeatable or low <= declared.default <= high


def test_no_command_declares_a_number_without_bounds() -> None:
    undeclared = [
        f"{' '.join(command.path)} {option.names[-1]}"
        for command in program().walk()
        for option in command.options
        if option.declared is None and option.value is not None and option.value.placeholder in {"N", "S", "HZ"}
    ]
    assert undeclared == []


@pytest.mark.parametrize(
    "option", ["--pad-before", "--max-cue", "--min-silence", "--max-gap", "--min-cue", "--max-cps"]
)
@pytest.mark.parametrize("value", ["inf", "nan", "1e308"])
def test_a_number_out_of_bounds_is_a_usage_error(asrcli: Program, option: str, value: str) -> None:
    done = asrcli("transcribe", "x.wav", option, value)
    assert done.returncode == 2
    assert option in done.stderr
    assert "Traceback" not in done.stderr
