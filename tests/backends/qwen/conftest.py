"""A tiny Qwen3-ASR."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.qwen import tiny_model


@pytest.fixture(scope="session")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder."""
    for package in ("torch", "qwen_asr"):
        pytest.importorskip(package, reason=f"needs {package}", exc_type=ImportError)
    return tiny_model.build(tmp_path_factory.mktemp("qwen"))
