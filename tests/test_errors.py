"""What the system refuses is reported as the machine's want, not as a fault of the program."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from asrcli.audio.files import open_file
from asrcli.batch.inputs.paths import unreadable
from asrcli.errors import ExitCode, FfmpegMissingError, MachineError, MissingExtraError, machine_error
from asrcli.server.errors import problem_of
from asrcli.vad.silero import embedded_model, load_network


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "memory"),
        (RuntimeError("Exception during initialization: std::bad_alloc"), "memory"),
        (ImportError("libx.so: failed to map segment from shared object"), "memory"),
        (RuntimeError("OpenBLAS error: Memory allocation still failed after 10 retries, giving up."), "memory"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "threads"),
        (RuntimeError("can't start new thread"), "threads"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "files"),
    ],
)
def test_wants_of_the_machine(error: Any, word: str) -> None:
    reported = machine_error(error)
    assert isinstance(reported, MachineError)
    assert word in reported.message
    assert "--jobs" in reported.hint


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), 503),
        (OSError(errno.EMFILE, "x"), 503),
        (RuntimeError("can't start new thread"), 503),
        (MachineError("x"), 503),
        (FfmpegMissingError("x"), 501),
        (MissingExtraError("x"), 501),
        (OSError(errno.ENOSPC, "x"), 507),
        (OSError(errno.EIO, "x"), 500),
    ],
)
def test_a_server_answers_exhausted_resources_with_503(error: Any, status: Any) -> None:
    assert problem_of(error).status == status


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        RuntimeError("x"),
        ImportError("cannot allocate memory in static TLS block"),
        FileNotFoundError(errno.ENOENT, "x"),
        OSError(),
    ],
)
def test_other_errors_are_not_excused(error: Any) -> None:
    assert machine_error(error) is None


def test_too_many_open_files_are_no_fault_of_a_recording_or_model(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    load_network(embedded_model())  # imports what it needs
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    caught: list[Exception] = []
    for read in (partial(open_file, path, raw=True), partial(load_network, path)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            read()
        except MachineError as error:
            caught.append(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    caught.append(unreadable(path, OSError(errno.EMFILE, os.strerror(errno.EMFILE))).error)
    assert [str(error) for error in caught] == [
        "Too many files are open. Use fewer --jobs, or raise the limit (ulimit -n)."
    ] * 3
    assert {problem_of(error).status for error in caught} == {503}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold processes to this limit")
@pytest.mark.parametrize("limit", [300 << 20, pytest.param(500 << 20, marks=pytest.mark.slow)])
def test_too_little_address_space(wheel_audio: Path, tmp_path: Path, limit: int) -> None:
    """Whether the program itself is short of memory, or its engine. Between the two limits a signal may end it."""

    def confine() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    command = [sys.executable, "-m", "asrcli", "transcribe", str(wheel_audio / "two_cities.wav")]
    # The default model depends on what is installed, and the number of threads, each with its stack, on the processor.
    command += ["--model", "moonshine-tiny-en", "--jobs", "2", "-d", str(tmp_path)]
    done = subprocess.run(command, preexec_fn=confine, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == ExitCode.MACHINE, done.stderr
    assert "memory" in done.stderr
    assert "internal error" not in done.stderr
    assert not list(tmp_path.glob("*.txt"))
