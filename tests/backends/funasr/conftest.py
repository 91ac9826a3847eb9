"""What tests of FunASR's toolkit share. Those that run it skip where it (or torch) is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.tone import WORDS


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`toolkit(class name)`: the folder of a model of that class of FunASR's, which recognises the eight tones.

    Made in a process of its own: what the toolkit does to its process (warnings, logs, threads) is not for others.
    """
    for package in ("torch", "funasr"):
        pytest.importorskip(package, reason=f"needs {package}: the extra funasr, and torch", exc_type=ImportError)
    folder = tmp_path_factory.mktemp("toolkit")
    root = Path(__file__).parents[3]
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path; import toolkit_models as models; from tests.tone import WORDS\n"
        "for name in models.CLASSES: models.build(name, Path(sys.argv[3]) / name, WORDS)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, Path(__file__).parent, root, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return lambda name: folder / name


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder with the toolkit's files but without weights: `write_folder("SenseVoiceSmall", bpemodel="x.model")`."""

    def write(class_name: str, *, configuration: bool = True, **files: str) -> Path:
        folder = tmp_path / class_name
        folder.mkdir(exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump({"model": class_name}))
        metas = {"init_param": "model.pt", "config": "config.yaml", "tokenizer_conf": files}
        if configuration:
            (folder / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
        for name in ("model.pt", *files.values()):
            (folder / name).write_text("something")
        return folder

    return write


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The program in a home of its own: `run("transcribe", ..., env={...})`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASRCLI_", "XDG_"))}
    home = {f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "CACHE")}

    def start(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "asrcli", *map(str, arguments)]
        environment = kept | home | {"HOME": str(tmp_path), "PYTHONWARNINGS": "error"} | (env or {})
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=100, check=False
        )

    return start


@pytest.fixture(scope="session")
def words() -> tuple[str, ...]:
    return WORDS
