"""A Ray cluster of two one-core nodes, and runs of the command line on it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.two_nodes import TwoNodes, running_cluster

#: seconds of each recording
_LENGTH = 4


@pytest.fixture(scope="session")
def _cluster() -> Iterator[TwoNodes]:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs the extra cluster")
    with running_cluster() as nodes:
        yield nodes


@pytest.fixture
def cluster(_cluster: TwoNodes) -> TwoNodes:
    _cluster.restore()
    return _cluster


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory, wheel_audio: Path) -> Path:
    """A folder with recordings: parts of "A Tale of Two Cities" in two folders, and a file that is none."""
    folder = tmp_path_factory.mktemp("speech")
    (folder / "more").mkdir()
    with wave.open(str(wheel_audio / "two_cities.wav")) as source:
        rate, parameters = source.getframerate(), source.getparams()
        data = source.readframes(source.getnframes())
    width = parameters.sampwidth * parameters.nchannels
    for number in range(24):
        start = (number * 7 * rate // 4 * width) % (len(data) - _LENGTH * rate * width)
        with wave.open(str(folder / ("more" if number % 3 else "") / f"part{number}.wav"), "wb") as target:
            target.setparams(parameters)
            target.writeframes(data[start : start + _LENGTH * rate * width])
    (folder / "broken.wav").write_bytes(b"RIFF\0\0\0\0WAVEnot audio")
    return folder


@pytest.fixture(scope="session")
def run_asrcli() -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str | Path, timeout: float = 110) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "asrcli", "transcribe", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    return run


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory, speech: Path, run_asrcli: Callable[..., Any]) -> Path:
    """The outputs of a local run."""
    folder = tmp_path_factory.mktemp("local")
    done = run_asrcli(speech, "-d", folder, "--format", "txt,srt,json", "-q")
    assert done.returncode == 1, done.stderr
    return folder


@pytest.fixture
def start(cluster: TwoNodes, speech: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a run on the cluster that writes to `tmp_path / "out"`, with events as JSON on stderr."""
    running = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [
            sys.executable, "-m", "asrcli", "transcribe", str(speech), "-d", str(tmp_path / "out"),
            "--format", "txt,srt,json", "--cluster", cluster.address, "--log-json", *arguments,
        ]  # fmt: skip
        running.append(subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture
def assert_same(local: Path, tmp_path: Path) -> Callable[[], None]:
    """Assert that the outputs are those of a local run, all recorded, and that nothing else is left."""

    def contents(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.name != ".asrcli-journal.jsonl"
        }

    def records(folder: Path) -> list[tuple[str, str]]:
        lines = (folder / ".asrcli-journal.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        return sorted((entry["input"]["path"], entry.get("failed", "")) for entry in entries if len(entry) > 2)

    def assert_same() -> None:
        assert contents(tmp_path / "out") == contents(local)
        assert records(tmp_path / "out") == records(local)

    return assert_same
