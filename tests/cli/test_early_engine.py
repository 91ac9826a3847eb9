"""Which command lines start the engine process before they are parsed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asrcli.cli.request.early_engine import early_engine

LATER = [
    ["transcribe"],
    ["transcribe", "--help"],
    ["transcribe", "a.wav", "-n"],
    ["transcribe", "a.wav", "--jobs=1"],
    ["transcribe", "a.wav", "-oout.txt", "-m", "whisper-tiny"],
    ["transcribe", "a.wav", "--remote", "http://localhost:1/v1"],
    ["transcribe", "--", "-a.wav"],
    ["transcribe", "done/a.wav"],
    ["transcribe", "done"],
    ["transcribe", "a.wav", "-d", "done"],
]


@pytest.fixture(autouse=True)
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ASRCLI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / ".asrcli-journal.jsonl").write_text("")


@pytest.mark.parametrize("arguments", LATER, ids=" ".join)
def test_other_command_lines_start_it_when_they_are_parsed(arguments: list[str]) -> None:
    assert early_engine(arguments) is None


def test_settings_that_may_concern_it_are_read_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config" / "asrcli").mkdir(parents=True)
    (tmp_path / "config" / "asrcli" / "config.yaml").write_text("jobs: 1", encoding="utf-8")
    assert early_engine(["transcribe", "a.wav"]) is None
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("ASRCLI_JOBS", "1")
    assert early_engine(["transcribe", "a.wav"]) is None


def test_a_plain_command_line_starts_it_and_ends_it(tmp_path: Path) -> None:
    (tmp_path / "config" / "asrcli").mkdir(parents=True)  # no settings in it
    engine = early_engine(["transcribe", "a.wav", "--format", "srt", "-o", "-"])
    assert engine is not None
    with engine:
        assert engine.child.process.poll() is None
    assert engine.child.process.poll() is not None
