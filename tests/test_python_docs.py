"""docs/python.md: what it shows can be run, and works as described."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import asrcli

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.mark.slow
def test_the_examples_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wheel_audio: Path
) -> None:
    shutil.copy(wheel_audio / "beckett.wav", tmp_path / "talk.wav")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    said = []
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)):
        exec(compile(code, f"{PAGE.name}, example {number + 1}", "exec"), scope)
        said.append(capsys.readouterr().out)
    whole, _, files, many, failing = said
    assert "fail better" in whole.lower()
    assert (tmp_path / "talk.srt").read_text(encoding="utf-8").startswith("1\n00:00:0")
    assert files == "True asrcli transcript\n"
    assert many.startswith("talk.wav 9.")
    assert "fail better" in many.lower()
    assert failing == "unreadable 1 nothing.wav: No such file. Check the name and the folder.\n"


def test_what_the_package_promises_is_there() -> None:
    for name in asrcli.__all__:
        assert getattr(asrcli, name) is not None
