"""How numbers and paths are written in the messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrcli.batch.events import FileDone
from asrcli.cli.framework.console import Console
from asrcli.cli.report.progress import Lines, pace


@pytest.mark.parametrize(
    ("ratio", "text"), [(0.17, "0.2 x"), (3.44, "3.4 x"), (9.94, "9.9 x"), (9.96, "10 x"), (82.4, "82 x")]
)
def test_a_speed_has_two_digits(ratio: float, text: str) -> None:
    assert pace(ratio) == text


@pytest.mark.parametrize(("folder", "text"), [("/", "/srv/a.txt"), ("/srv", "a.txt"), ("/tmp", "/srv/a.txt")])
def test_paths_are_relative_to_the_current_folder_but_not_to_the_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str, text: str
) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: Path(folder))
    lines = Lines(Console())
    lines(FileDone(0, "a.wav", {"txt": Path("/srv/a.txt")}, 1.0, 1.0, "en", 1, (), 0))
    assert capsys.readouterr().err.rstrip().endswith(f"-> {text}")
