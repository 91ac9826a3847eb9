"""docs/python.md: what it shows can be run, and works as described."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import asrcli

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.mark.slow
def test_each_example_runs_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wheel_audio: Path
) -> None:
    shutil.copy(wheel_audio / "beckett.wav", tmp_path / "talk.wav")
    monkeypatch.chdir(tmp_path)
    said = []
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)):
        exec(compile(code, f"{PAGE.name}, example {number + 1}", "exec"), {})
        said.append(capsys.readouterr().out)
    whole, _, files, many, live, failing = said
    assert "fail better" in whole.lower()
    assert (tmp_path / "talk.srt").read_text(encoding="utf-8").startswith("1\n00:00:0")
    assert files == "True asrcli transcript\n"
    assert many.startswith("talk.wav 9.")
    assert "fail better" in many.lower()
    assert "fail better" in live.lower()
    assert live.splitlines()[-1].startswith("9.")
    assert failing == "unreadable 1 nothing.wav: No such file. Check the name and the folder.\n"


def test_the_options_of_the_table_are_there() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| command line | Python |")[2].partition("\n\n")[0]
    names = {name: getattr(asrcli, name) for name in asrcli.__all__}
    calls = re.findall(r"`(\w+Options\(.+?)`", table)
    assert len(calls) == 7
    for call in calls:
        assert repr(eval(call, names)) != repr(type(eval(call, names))())


def test_what_the_package_promises_is_there() -> None:
    for name in asrcli.__all__:
        assert getattr(asrcli, name) is not None
