"""A batch as a program (see `batch_program.py`), and what its folder should look like afterwards."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_PROGRAM = Path(__file__).with_name("batch_program.py")


@pytest.fixture(scope="session")
def program() -> Any:
    """The program's module: `transcript_of` and `render` say what every output must be."""
    spec = importlib.util.spec_from_file_location("batch_program", _PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the program; what still runs at the end of the test is killed."""
    running = []

    def start(*arguments: Path | str | float) -> subprocess.Popen[str]:
        command = [sys.executable, str(_PROGRAM), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def start_and_hold(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> Callable[[Path], subprocess.Popen[str]]:
    """Start the program on a folder, and return when its first inputs are being processed, which they stay."""

    def start_and_hold(folder: Path) -> subprocess.Popen[str]:
        ready = tmp_path / "ready"
        process = start(folder, "--hold", "--ready", ready)
        while not ready.exists():
            assert process.poll() is None
            time.sleep(0.01)
        return process

    return start_and_hold


@pytest.fixture
def finish(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., dict[str, Any]]:
    """Run the program to its end and return its summary."""

    def finish(*arguments: Path | str, code: int = 0) -> dict[str, Any]:
        process = start(*arguments)
        output, problems = process.communicate(timeout=60)
        assert process.returncode == code, problems
        return json.loads(output)

    return finish


@pytest.fixture
def forked() -> Iterator[Callable[..., int]]:
    """Run the program many times, quickly; returns each run's return code."""
    command = [sys.executable, str(_PROGRAM), "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def forked(*arguments: Path | str | int) -> int:
            server.stdin.write(json.dumps(list(map(str, arguments))) + "\n")
            server.stdin.flush()
            return int(server.stdout.readline())

        yield forked


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder of inputs, some in a subfolder."""
    folder = tmp_path / "recordings"
    (folder / "sub").mkdir(parents=True)
    for number in range(6):
        where = folder if number % 3 else folder / "sub"
        (where / f"part{number}.mp3").write_bytes(bytes([number]) * (number + 1) * 100)
    return folder


@pytest.fixture
def expected(program: Any) -> Callable[..., dict[Path, str]]:
    """Path -> text of every output that a finished run leaves beside its inputs."""

    def expected(folder: Path, options: str = "v1", bulk: int = 1) -> dict[Path, str]:
        outputs = {}
        for path in folder.rglob("*.mp3"):
            transcript = program.transcript_of(path.read_bytes() * bulk, str(path), options)
            for suffix in ("txt", "json"):
                outputs[path.with_suffix(f".{suffix}")] = program.render(transcript, suffix) * bulk
        return outputs

    return expected


@pytest.fixture
def outputs_in() -> Callable[..., dict[Path, str]]:
    """Path -> text of every file below a folder but inputs and journals; temporary files are outputs no one wants."""

    def outputs_in(folder: Path) -> dict[Path, str]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {
            path: path.read_text() for path in files if path.suffix != ".mp3" and path.name != ".asrcli-journal.jsonl"
        }

    return outputs_in


@pytest.fixture
def assert_complete(
    expected: Callable[..., dict[Path, str]], outputs_in: Callable[..., dict[Path, str]]
) -> Callable[[Path], None]:
    """Assert that a folder has the outputs of a finished run, and nothing else."""

    def assert_complete(folder: Path) -> None:
        assert outputs_in(folder) == expected(folder)

    return assert_complete
