"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from tests import tone

# As shells start what runs in the background, and nohup. The programs that tests start would ignore them, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

if importlib.util.find_spec("hypothesis"):  # the environments of some suites lack it
    from hypothesis import HealthCheck, settings

    # The same examples in every run: a run that fails by chance says nothing of the change that it is about. Others are
    # tried with `pytest -m hypothesis --hypothesis-profile explore`. No bound on time, as machines differ.
    settings.register_profile(
        "suite", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.register_profile(
        "explore", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
    )
    settings.load_profile("suite")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and models beside the checkout (not part of the project)."""
    path = Path(os.environ.get("ASRCLI_SHARED", Path(__file__).parents[2] / "shared"))
    if not (path / "data").is_dir():
        pytest.skip(f"needs the shared recordings: set ASRCLI_SHARED (looked in {path})")
    return path


@pytest.fixture(scope="session")
def wheel_audio() -> Path:
    """The folder with the recordings that moonshine-voice's wheel carries: two_cities.wav and beckett.wav."""
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        pytest.skip("needs the extra builtin")
    return Path(spec.origin).parent / "assets"


@pytest.fixture(scope="session")
def two_tracks(wheel_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 s with two audio tracks: "A Tale of Two Cities", marked as English, and Beckett, marked as German."""
    path = tmp_path_factory.mktemp("tracks") / "tracks.mka"
    inputs = [part for name in ("two_cities", "beckett") for part in ("-i", str(wheel_audio / f"{name}.wav"))]
    marks = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *inputs, "-map", "0", "-map", "1", "-t", "8"]
    subprocess.run([*command, "-c:a", "flac", *marks, str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """`made_once(name, make)`: what `make` writes to a path, once for all processes of a test run (pytest-xdist)."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    root /= "made-once"
    root.mkdir(exist_ok=True)

    def get(name: str, make: Callable[[Path], object]) -> Path:
        done = root / f"{name}.done"
        if not done.exists():
            with (root / f"{name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not done.exists():
                    make(root / name)
                    done.touch()
        return root / name

    return get


@pytest.fixture(scope="session")
def tone_models(made_once: Callable[..., Path]) -> Callable[[str], Path]:
    """`tone_models(kind)`: the folder of a model that recognises eight tones; kinds: `tests.tone.BUILDERS`."""
    return lambda kind: made_once(f"tones-{kind}", lambda folder: tone.build(kind, folder))


@pytest.fixture(scope="session")
def tone_audio() -> Callable[..., np.ndarray]:
    """`tone_audio([3, 1, None, 7])`: those tones and a pause, float32 at 16 kHz; see `tests.tone`."""
    return tone.tone_audio


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder, and the rest of the test as a user whom permissions bind (root is bound by none)."""
    folder = Path(tempfile.mkdtemp(prefix="asrcli-test-"))
    folder.chmod(0o777)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)
    shutil.rmtree(folder)
