from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
import soundfile

from asrcli.audio.types import Source
from asrcli.options import AudioOptions
from tests.audio.sounds import Decoded, bursts


@pytest.fixture(scope="session")
def decode() -> Callable[..., Decoded]:
    """decode(path, **AudioOptions)"""

    def run(path: Path, **options: Any) -> Decoded:
        return Decoded(Source(name=path.name, path=path), AudioOptions(**options))

    return run


@pytest.fixture(scope="session")
def encode() -> Callable[..., Path]:
    """Run ffmpeg: encode(target, *arguments), inputs among the arguments; gives the target."""
    program = imageio_ffmpeg.get_ffmpeg_exe()

    def run(target: Path, *arguments: object) -> Path:
        command = [program, "-v", "error", "-nostdin", "-y", *map(str, arguments), str(target)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return target

    return run


@pytest.fixture(scope="session")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bursts at 44.1 kHz, 16 bits, mono."""
    path = tmp_path_factory.mktemp("audio") / "bursts.wav"
    soundfile.write(path, bursts(44100), 44100)
    return path


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ffmpeg of imageio-ffmpeg, under the name that is looked for."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    return folder


@pytest.fixture(autouse=True)
def same_ffmpeg(monkeypatch: pytest.MonkeyPatch, programs: Path) -> None:
    """One ffmpeg on every machine: older ones ignore some of the delays that this one writes down."""
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def no_ffmpeg(same_ffmpeg: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with neither an ffmpeg on PATH nor imageio-ffmpeg."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
