"""docs/recipes.md: the server and its clients, each as it is printed there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from tests.ports import free_port

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## A server for other programs")[2]
CLIENTS = re.findall(r"^```python\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, wheel_audio: Path) -> Path:
    """A folder with talk.wav, and the command `asrcli`."""
    path = tmp_path_factory.mktemp("recipes")
    samples, rate = soundfile.read(wheel_audio / "two_cities.wav", frames=48000 * 5, dtype="int16")
    soundfile.write(path / "talk.wav", samples[:: rate // 16000], 16000)
    (path / "asrcli").write_text(f'#!/bin/sh\nexec {sys.executable} -m asrcli "$@"\n')
    (path / "asrcli").chmod(0o755)
    return path


@pytest.fixture(scope="module")
def variables(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASRCLI_", "XDG_"))}
    path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    return kept | {"HOME": str(folder), "PATH": f"{folder}:{kept['PATH']}", "PYTHONPATH": path}


@pytest.fixture(scope="module")
def running(folder: Path, variables: dict[str, str]) -> Iterator[Callable[[str], str]]:
    """Starts the server of the page; returns what puts its ports into a client."""
    ports = {"8000": str(free_port()), "10300": str(free_port())}

    def with_ports(text: str) -> str:
        return re.sub(r"\b(8000|10300)\b", lambda match: ports[match[1]], text)

    [command] = re.findall(r"^asrcli serve .*$", SECTION, re.MULTILINE)
    process = subprocess.Popen(
        ["bash", "-c", f"exec {with_ports(command)}"], cwd=folder, env=variables, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    seen = ""
    while "(Wyoming)" not in seen or ports["8000"] not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    yield with_ports
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def run(command: list[str], folder: Path, variables: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("client", CLIENTS, ids=[re.findall(r"from (\w+)", client)[0] for client in CLIENTS])
def test_every_client_gets_the_text(
    client: str, folder: Path, variables: dict[str, str], running: Callable[[str], str]
) -> None:
    printed = run([sys.executable, "-c", running(textwrap.dedent(client))], folder, variables)
    assert "best of times" in " ".join(printed.lower().split())


def test_the_jobs_are_listed(folder: Path, variables: dict[str, str], running: Callable[[str], str]) -> None:
    commands = re.findall(r"^\$ (curl .*)$", SECTION, re.MULTILINE)
    assert len(commands) == 2
    created, listed = (run(["bash", "-c", running(command)], folder, variables) for command in commands)
    [job] = re.findall(r'"id": ?"([^"]+)"', created)
    assert job in listed
