"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest


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
        pytest.skip("needs the extra asrcli[builtin]")
    return Path(spec.origin).parent / "assets"
