"""The program as users run it: a process of its own, in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from tests.tone import RATE


@dataclass
class Program:
    """Runs `python -m asrcli` in a folder, with an environment that holds nothing of the user's."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "asrcli", *map(str, arguments)]

    def env(self, **extra: str) -> dict[str, str]:
        return self.environment | extra

    def __call__(
        self, *arguments: str | Path, stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            cwd=self.folder,
            env=self.env(**(env or {})),
            timeout=250,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.command(*arguments), cwd=self.folder, env=self.env(), **(pipes | options))


@pytest.fixture(scope="session")
def cache(made_once: Callable[..., Path]) -> Path:
    """One cache for the whole run: the embedded model's token table is made once."""
    return made_once("cache", Path.mkdir)


@pytest.fixture
def home(tmp_path: Path, cache: Path) -> dict[str, str]:
    """The environment of a user who has nothing configured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASRCLI_", "XDG_", "NO_COLOR"))}
    folder = tmp_path / "home"
    folder.mkdir()
    return kept | {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CACHE_HOME": str(cache),
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture
def asrcli(tmp_path: Path, home: dict[str, str]) -> Program:
    folder = tmp_path / "work"
    folder.mkdir()
    return Program(folder, home)


@pytest.fixture
def write_config(home: dict[str, str]) -> Callable[[str], Path]:
    """Writes the user's config file."""

    def write(text: str) -> Path:
        path = Path(home["XDG_CONFIG_HOME"]) / "asrcli" / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def speech(wheel_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first three sentences of a reading of "A Tale of Two Cities", 6.4 s."""
    path = tmp_path_factory.mktemp("speech") / "cities.wav"
    cut_wav(wheel_audio / "two_cities.wav", path, 0, 6.4)
    return path


def cut_wav(source: Path, target: Path, start: int, end: float) -> None:
    with wave.open(str(source)) as whole, wave.open(str(target), "wb") as part:
        part.setparams(whole.getparams())
        whole.setpos(int(start * whole.getframerate()))
        part.writeframes(whole.readframes(int((end - start) * whole.getframerate())))


@pytest.fixture
def write_tones(tone_audio: Callable[..., np.ndarray]) -> Callable[..., None]:
    """Writes a recording of tones: `write_tones(path, [3, 1])`. Whole at once, as a watch may look at any moment."""

    def write(path: Path, tones: list[int]) -> None:
        hidden = path.with_name(".written.wav")
        soundfile.write(hidden, tone_audio(tones), RATE)
        hidden.replace(path)

    return write


@pytest.fixture
def recordings(
    asrcli: Program,
    home: dict[str, str],
    write_models: Callable[..., None],
    write_tones: Callable[..., None],
    tone_models: Callable[..., Path],
    tone_entry: Callable[..., dict[str, Any]],
) -> Path:
    """Two recordings, in a folder with a folder in it, whose user has a model for them: "fa re mi" and "do sol"."""
    root = asrcli.folder / "rec"
    (root / "inner").mkdir(parents=True)
    write_tones(root / "one.wav", [3, 1, 2])
    write_tones(root / "inner" / "two.wav", [0, 4])
    write_models({"tones": tone_entry("zipformer_ctc", tone_models("zipformer_ctc"))})
    home.update(ASRCLI_MODEL="tones", ASRCLI_VAD="no")  # a sine is not speech
    return root


@pytest.fixture
def write_models(home: dict[str, str]) -> Callable[..., None]:
    """Writes the user's models.yaml: `write_models({name: entry}, kind=name)`, the latter being defaults."""

    def write(models: dict[str, dict[str, Any]], **defaults: Any) -> None:
        path = Path(home["XDG_DATA_HOME"]) / "asrcli" / "models.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        named = {kind.replace("_", "-"): name for kind, name in defaults.items()}
        path.write_text(yaml.safe_dump({"models": models, "defaults": named}), encoding="utf-8")

    return write


@pytest.fixture(scope="session")
def tone_entry() -> Callable[..., dict[str, Any]]:
    """An entry of models.yaml for a model that `tests.tone` built: `tone_entry(type, folder, kind=...)`."""

    def make(type_: str, folder: Path, **fields: Any) -> dict[str, Any]:
        files = {path.stem: path.name for path in [*folder.glob("*.onnx"), *folder.glob("tokens.txt")]}
        return {"type": type_, "dir": str(folder), "files": files} | fields

    return make


@pytest.fixture
def whisper(
    recordings: Path,
    home: dict[str, str],
    write_models: Callable[..., None],
    tone_models: Callable[..., Path],
    tone_entry: Callable[..., dict[str, Any]],
) -> None:
    """A model that detects Welsh in one.wav and English in two.wav."""
    write_models({"tones": tone_entry("whisper", tone_models("whisper"))})
    home["ASRCLI_MODEL"] = "tones"


@pytest.fixture
def gpu(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A value of PATH with a driver that reports a GPU."""
    folder = tmp_path_factory.mktemp("driver")
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H200, 570.86.15, 143771, 100000'\n")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
