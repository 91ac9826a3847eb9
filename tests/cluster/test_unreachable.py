"""A cluster that does not answer ends a batch and a server with an error."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from asrcli.errors import ExitCode

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi")
pytest.importorskip("ray", reason="needs the extra cluster")


def test_without_a_cluster_a_batch_and_a_server_end(speech: Path, tmp_path: Path) -> None:
    """Both at once, as Ray tries to connect for half a minute."""
    with socket.socket() as closed:  # a port at which no program listens
        closed.bind(("127.0.0.1", 0))
        address = f"ray://127.0.0.1:{closed.getsockname()[1]}"
        commands = (
            ("transcribe", str(speech), "-d", str(tmp_path / "out")),
            ("serve", "--port", "0", "--funasr-port", "0", "--data-dir", str(tmp_path)),
        )
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "asrcli", *command, "--cluster", address],
                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            )
            for command in commands
        ]  # fmt: skip
        try:
            errors = [process.communicate(timeout=110)[1] for process in running]
        finally:
            for process in running:
                process.kill()
    for process, text in zip(running, errors, strict=True):
        assert process.returncode == ExitCode.MACHINE, text
        assert f"No Ray cluster can be used at '{address}'" in text
        assert "ray start --head" in text
        assert "Traceback" not in text
