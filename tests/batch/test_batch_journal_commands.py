"""`asrcli journal`: the states of a journal's recordings, and merged journals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asrcli.batch import JOURNAL_NAME
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.journal import Journal
from asrcli.batch.journal.inspection import entries
from asrcli.batch.journal.records import OutputRecord
from asrcli.errors import UsageError
from asrcli.storage.atomic import digest

RECIPE = CacheKey(model="model", options="options", formats={"txt": "format"})


def add(journal: Journal, name: str, text: bytes | None = b"text", *, options: str = "options") -> Path:
    """Record a result, or with None a failure, of a new recording in the journal's folder."""
    path = journal.path.parent / f"{name}.wav"
    path.write_bytes(os.fsencode(name))
    recording = journal.recording(path)
    if text is None:
        journal.record_failure(recording, "undecodable")
        return path
    output = path.with_suffix(".txt")
    output.write_bytes(text)
    made = OutputRecord("txt", output, len(text), digest(text))
    journal.record(recording, CacheKey(model="model", options=options, formats=RECIPE.formats), 1.5, [made])
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    (tmp_path / "a").mkdir()
    return Journal(tmp_path / "a" / JOURNAL_NAME)


def states(path: Path) -> dict[str, tuple[str, str | None]]:
    journal = Journal(path, read_only=True)
    found: dict[str, tuple[str, str | None]] = {
        entry.recording.stem: (entry.state, entry.reason) for entry in entries(journal)
    }
    journal.close()
    return found


def test_states(journal: Journal) -> None:
    for name in ("done", "missing", "edited"):
        add(journal, name)
    add(journal, "failed", None)
    (journal.path.parent / "missing.txt").unlink()
    (journal.path.parent / "edited.txt").write_text("corrected")
    expected = {
        "done": ("done", None),
        "missing": ("open", "missing.txt is missing"),
        "edited": ("done", "edited.txt was edited"),
        "failed": ("failed", "undecodable"),
    }
    assert states(journal.path) == expected


def test_a_failure_ends_with_a_result_and_a_result_of_the_same_bytes_outlives_a_failure(journal: Journal) -> None:
    path = add(journal, "talk", None)
    assert states(journal.path)["talk"] == ("failed", "undecodable")
    add(journal, "talk")
    assert states(journal.path)["talk"] == ("done", None)
    journal.record_failure(journal.recording(path), "engine")
    assert states(journal.path)["talk"] == ("done", None)


def test_what_fail_on_rejects_is_failed_though_it_has_an_output(journal: Journal) -> None:
    path = add(journal, "talk", options="failed options")
    journal.record_failure(journal.recording(path), "warnings")
    assert states(journal.path)["talk"] == ("failed", "warnings")


def test_the_same_failure_of_every_night_is_one_line(journal: Journal) -> None:
    for _ in range(5):
        add(journal, "talk", None)
    assert len(journal.path.read_bytes().splitlines()) == 1


def test_merged_journals_have_every_record_once_with_paths_that_hold(journal: Journal, tmp_path: Path) -> None:
    add(journal, "one")
    add(journal, "odd \udcff name" if os.name == "posix" else "odd")
    (tmp_path / "b").mkdir()
    other = Journal(tmp_path / "b" / "shard.jsonl")
    add(other, "two")
    add(other, "three", None)
    other.path.write_bytes(other.path.read_bytes() + b'{"schema":"asrcli/journal/1","input":{}}\n[]\nnull\n\xff\n{"sch')
    merged = Journal(tmp_path / "merged.jsonl")
    assert merged.merge(journal.path) == (2, 0)
    assert merged.merge(other.path) == (2, 5)
    assert merged.merge(other.path) == (0, 5)
    assert merged.merge(merged.path) == (0, 0)
    (tmp_path / "notes.txt").write_bytes(b"not\na journal\n")
    with pytest.raises(UsageError, match="not a journal"):
        merged.merge(tmp_path / "notes.txt")
    assert states(merged.path) == states(journal.path) | states(other.path)
    assert [json.loads(line)["input"]["path"] for line in merged.path.read_bytes().splitlines()][2] == "b/two.wav"


def test_a_merged_journal_spares_the_work(journal: Journal, tmp_path: Path) -> None:
    path = add(journal, "talk")
    merged = Journal(tmp_path / "merged.jsonl")
    merged.merge(journal.path)
    (known,) = merged.written(path.with_suffix(".txt"))
    assert known.made_by(merged.recording(path).digest, RECIPE, "txt")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "asrcli", "journal", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_the_commands(journal: Journal, tmp_path: Path) -> None:
    add(journal, "one")
    add(journal, "two\nlines", None)
    journal.close()
    folder = journal.path.parent
    shown = run("show", folder)
    assert shown.stdout.splitlines() == [
        f"done    {folder}/one.wav",
        f"failed  {folder}/two\\nlines.wav  (undecodable)",
    ]
    assert "1 done, 1 failed, 0 open" in shown.stderr
    assert "2 records added" in run("merge", tmp_path / "all.jsonl", folder).stderr
    result = json.loads(run("show", tmp_path / "all.jsonl", "--state", "failed", "--json").stdout)
    assert result["summary"] == {"done": 1, "failed": 1, "open": 0}
    assert [entry["reason"] for entry in result["recordings"]] == ["undecodable"]
    refused = run("show", tmp_path)
    assert (refused.returncode, "not a journal" in refused.stderr) == (2, True)
