from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has nothing configured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASRCLI_", "XDG_", "TMPDIR"))}
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    places = {f"XDG_{kind}_HOME": str(tmp_path / "home" / kind.lower()) for kind in ("CONFIG", "DATA", "CACHE")}
    return kept | places | {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "PYTHONWARNINGS": "error"}
