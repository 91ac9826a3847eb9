"""Each thing that a machine may lack: the work is done without it, or the message names it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asrcli.errors import ExitCode
from tests.cli.conftest import Program

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux")
WORDS = b"best of times"


@pytest.fixture
def lost(speech: Path) -> Iterator[Path]:
    """A folder with a recording in it that nothing can be written to."""
    folder = Path(tempfile.mkdtemp(prefix="asrcli-machine-", dir=Path.cwd()))
    (folder / "cities.wav").write_bytes(speech.read_bytes())
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_no_home_no_name_and_no_temporary_folder(
    shell: Callable[..., subprocess.CompletedProcess[bytes]], homeless: Callable[..., str], lost: Path
) -> None:
    done = shell(homeless(lost), "transcribe", "cities.wav", "-o", "-", "-q", namespace=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert WORDS in done.stdout


def test_what_needs_a_home_names_the_variable(
    shell: Callable[..., subprocess.CompletedProcess[bytes]], homeless: Callable[..., str], lost: Path
) -> None:
    for command in (["config", "init"], ["download-model", "silero-vad"]):
        done = shell(homeless(lost), *command, namespace=True)
        assert done.returncode == ExitCode.MACHINE, done.stderr
        assert b"HOME" in done.stderr
        assert b"internal" not in done.stderr


def test_what_needs_a_temporary_folder_names_the_variable(
    shell: Callable[..., subprocess.CompletedProcess[bytes]], homeless: Callable[..., str], lost: Path, speech: Path
) -> None:
    from asrcli.audio.ffmpeg.process import find_ffmpeg

    command: list[Any] = [
        find_ffmpeg(),
        "-v",
        "error",
        "-i",
        speech,
        "-f",
        "ipod",
        "-movflags",
        "-faststart",
        "-y",
        "whole.m4a",
    ]
    subprocess.run(command, check=True, cwd=speech.parent)
    data = (speech.parent / "whole.m4a").read_bytes()
    done = shell(homeless(lost), "transcribe", "-", "-q", namespace=True, stdin=data)
    assert done.returncode == ExitCode.MACHINE, done.stderr
    assert b"TMPDIR" in done.stderr
    assert b"internal" not in done.stderr


@pytest.mark.slow
def test_a_full_temporary_folder_names_the_variable(
    shell: Callable[..., subprocess.CompletedProcess[bytes]], namespaces: Any, speech: Path
) -> None:
    from asrcli.audio.ffmpeg.process import find_ffmpeg

    command: list[Any] = [find_ffmpeg(), "-v", "error", "-i", speech, "-b:a", "320k", "-f", "ipod", "-y", "large.m4a"]
    subprocess.run(command, check=True, cwd=speech.parent)
    data = (speech.parent / "large.m4a").read_bytes()
    script = 'mount -t tmpfs -o size=64k tmpfs /mnt; TMPDIR=/mnt exec "$@"'
    done = shell(script, "transcribe", "-", "-q", namespace=True, stdin=data)
    assert done.returncode == ExitCode.MACHINE, done.stderr
    assert b"TMPDIR" in done.stderr
    assert shell(script, "transcribe", speech, "-o", "-", "-q", namespace=True).returncode == 0


@pytest.mark.parametrize("mount", ["-o size=64m", "-o ro"])
def test_a_small_shared_memory_or_none(
    shell: Callable[..., subprocess.CompletedProcess[bytes]], namespaces: Any, speech: Path, mount: str
) -> None:
    script = f'mount -t tmpfs {mount} tmpfs /dev/shm; exec "$@"'
    done = shell(script, "transcribe", speech, "-o", "-", "-q", namespace=True)
    assert done.returncode == 0, done.stderr
    assert WORDS in done.stdout


def test_a_limit_on_file_sizes(shell: Callable[..., subprocess.CompletedProcess[bytes]], speech: Path) -> None:
    done = shell('ulimit -f 100000; exec "$@"', "transcribe", speech, "-o", "-", "-q")
    assert (done.returncode, done.stderr) == (0, b"")
    assert WORDS in done.stdout
    done = shell('ulimit -f 100; exec "$@"', "transcribe", speech, "-o", "-", "-q")
    assert done.returncode == ExitCode.MACHINE
    assert b"ulimit -f" in done.stderr


@pytest.mark.slow
def test_a_limit_on_open_files(
    shell: Callable[..., subprocess.CompletedProcess[bytes]],
    asrcli: Program,
    recordings: Path,
    write_tones: Callable[..., None],
) -> None:
    for number in range(300):
        (asrcli.folder / "many" / f"{number % 10}").mkdir(parents=True, exist_ok=True)
        write_tones(asrcli.folder / "many" / f"{number % 10}" / f"{number}.wav", [number % 7])
    done = shell('ulimit -n 256; exec "$@"', "transcribe", "many", "-f", "txt,json", "-q")
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list((asrcli.folder / "many").rglob("*.json"))) == 300


def test_cron(shell: Callable[..., subprocess.CompletedProcess[bytes]], asrcli: Program, speech: Path) -> None:
    """Cron sets little more than PATH, and the home folder of a user is known without HOME."""
    done = shell('exec env -i PATH=/usr/bin:/bin "$@"', "transcribe", speech, "-d", asrcli.folder / "out", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert "best of times" in (asrcli.folder / "out" / "cities.txt").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_the_locale_c(
    shell: Callable[..., subprocess.CompletedProcess[bytes]], asrcli: Program, speech: Path, locale: dict[str, str]
) -> None:
    name = "Gespräch 采访.wav"
    (asrcli.folder / name).write_bytes(speech.read_bytes())
    done = shell('exec "$@"', "transcribe", name, "-f", "json", env=locale)
    assert done.returncode == 0, done.stderr
    result = json.loads((asrcli.folder / "Gespräch 采访.json").read_text(encoding="utf-8"))
    assert result["source"] == name
    assert name.encode() in done.stderr


@pytest.mark.slow
def test_stdin_is_closed(shell: Callable[..., subprocess.CompletedProcess[bytes]], speech: Path) -> None:
    done = shell('exec "$@" 0<&-', "transcribe", speech, "-o", "-", "-q")
    assert (done.returncode, done.stderr) == (0, b"")
    assert WORDS in done.stdout
    done = shell('exec "$@" 0<&-', "transcribe", "-", "-q")
    assert done.returncode == ExitCode.USAGE
    assert b"stdin" in done.stderr


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_processors_that_do_not_begin_at_0(
    shell: Callable[..., subprocess.CompletedProcess[bytes]], speech: Path
) -> None:
    last = max(os.sched_getaffinity(0))
    script = f'exec taskset -c {last} "$@"'
    done = shell(script, "transcribe", speech, "-f", "json", "-o", "-", "--log-json")
    assert done.returncode == 0, done.stderr
    assert WORDS in done.stdout
    assert json.loads(done.stderr.splitlines()[0])


@pytest.mark.slow
def test_stdout_and_home_on_a_full_disk(
    shell: Callable[..., subprocess.CompletedProcess[bytes]], namespaces: Any, speech: Path
) -> None:
    script = (
        "mount -t tmpfs -o size=16k tmpfs /mnt; dd if=/dev/zero of=/mnt/full bs=1k count=99 2>/dev/null; "
        'HOME=/mnt XDG_CACHE_HOME=/mnt/c XDG_DATA_HOME=/mnt/d XDG_CONFIG_HOME=/mnt/e exec "$@"'
    )
    done = shell(script, "transcribe", speech, "-o", "-", "-q", namespace=True)
    assert done.returncode == 0, done.stderr
    assert WORDS in done.stdout
    done = shell(script, "transcribe", speech, "-d", "/mnt/out", "-q", namespace=True)
    assert done.returncode == ExitCode.MACHINE
    assert b"No space left" in done.stderr
