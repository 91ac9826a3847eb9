"""The commands that install extras."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrcli.distribution import installer


@pytest.mark.parametrize(
    ("marker", "command"),
    [
        ("", "pip install"),
        ("pipx_metadata.json", "pipx inject asrcli-transcribe"),
        ("uv-receipt.toml", "uv pip install"),
    ],
)
def test_extras_are_installed_with_what_asrcli_was_installed_with(tmp_path: Path, marker: str, command: str) -> None:
    if marker:
        (tmp_path / marker).touch()
    assert installer(tmp_path).startswith(command)
