"""`asrcli journal export`: the results of a batch as JSON lines and as Parquet, read with pyarrow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asrcli.batch import JOURNAL_NAME
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.export import MissingResult, ResultRow, results
from asrcli.batch.export.shards import write_shards
from asrcli.batch.journal import Journal
from asrcli.batch.journal.records import OutputRecord
from asrcli.errors import MissingExtraError, UsageError
from asrcli.formats import schema_text
from asrcli.formats.json import dump, render
from asrcli.options import CueOptions
from asrcli.storage.atomic import digest
from asrcli.transcript import Gap, Segment, Transcript, Turn, Word

WORDS = (
    Word("你", 0.5, 0.75, confidence=0.9, speaker="Speaker 1"),
    Word("好。", 0.75, 1.0, space_before=False, alignment="matched"),
)
FULL = Transcript(
    "talk.wav",
    2.5,
    (
        Segment(0, 0.5, 1.0, "你好。", WORDS, "Speaker 1", 1, "zh", 0.95, "happy", "speech"),
        Segment(1, 1.5, 2.0, "line\u2028end", (), None),
    ),
    language="zh",
    model="model",
    backend="backend",
    warnings=("gap: 2.0 to 2.5 s: the engine failed there",),
    gaps=(Gap(2.0, 2.5, "engine error", 1), Gap(2.1, 2.2, "limit")),
    turns=(Turn(0.5, 1.0, "Speaker 1"),),
    notes={"levels": [1, {"gain": 2.0}]},
)
EMPTY = Transcript("silence.wav", 1.0)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    (tmp_path / "text").mkdir()
    return Journal(tmp_path / "text" / JOURNAL_NAME)


def add(journal: Journal, name: str, transcript: Transcript | None, suffix: str = "json", options: str = "o") -> Path:
    """Record a result of a new recording, None: a failure."""
    path = journal.path.parent / f"{name}.wav"
    path.write_bytes(name.encode())
    recording = journal.recording(path)
    if transcript is None:
        journal.record_failure(recording, "undecodable")
        return path
    output = path.with_suffix(f".{suffix}")
    data = render(transcript, CueOptions()).encode()
    output.write_bytes(data)
    record = OutputRecord(suffix, output, len(data), digest(data))
    journal.record(recording, CacheKey(model="m", options=options), transcript.duration, [record])
    return output


def lines(journal: Journal, folder: Path, size: int = 1 << 30) -> list[dict[str, Any]]:
    rows = [found for found in results(journal) if isinstance(found, ResultRow)]
    return [
        json.loads(line)
        for path in write_shards(rows, folder, "jsonl", size)
        for line in path.read_bytes().split(b"\n")[:-1]
    ]


def test_a_line_is_a_result_with_its_recording(journal: Journal, tmp_path: Path) -> None:
    for name, transcript in (("b", FULL), ("a", EMPTY)):
        add(journal, name, transcript)
    found = lines(journal, tmp_path / "shards")
    folder = journal.path.parent
    assert [line.pop("recording") for line in found] == [str(folder / "a.wav"), str(folder / "b.wav")]
    assert [line.pop("output") for line in found] == [str(folder / "a.json"), str(folder / "b.json")]
    assert found == [EMPTY.to_dict(), FULL.to_dict()]


def test_parquet_has_all_that_the_json_has(journal: Journal, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    for name, transcript in (("b", FULL), ("a", EMPTY)):
        add(journal, name, transcript)
    found = [row for row in results(journal) if isinstance(row, ResultRow)]
    (path,) = write_shards(found, tmp_path, "parquet", 1 << 30)
    rows = [without_nulls(row) for row in parquet.read_table(path).to_pylist()]
    for row in rows:
        del row["recording"], row["output"]
        row.setdefault("language", None)
        if "notes" in row:
            row["notes"] = json.loads(row["notes"])
    read = [Transcript.from_dict(row) for row in rows]
    assert read == [EMPTY, FULL]
    assert [row["text"] for row in rows] == ["", FULL.text]
    assert rows[1]["warning_codes"] == ["gap"]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def test_every_field_of_the_json_schema_is_a_column() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    from asrcli.batch.export.shards import schema

    described = json.loads(schema_text())
    columns = schema()
    assert set(described["properties"]) == set(columns.names) - {"recording", "output"}
    kinds = described["$defs"]
    for name, kind in (("segments", "segment_fields"), ("gaps", "gap"), ("turns", "turn")):
        fields = columns.field(name).type.value_type
        assert {field.name for field in fields} == set(kinds[kind]["properties"])
    words = columns.field("segments").type.value_type.field("words").type.value_type
    assert {field.name for field in words} == set(kinds["word"]["properties"])


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_shards_have_about_the_size(journal: Journal, tmp_path: Path, kind: Any) -> None:
    if kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    for number in range(7):
        add(journal, f"{number}", FULL)
    rows = [row for row in results(journal) if isinstance(row, ResultRow)]
    names = write_shards(rows, tmp_path / "shards", kind, 3 * rows[0].size)
    assert [path.name for path in names] == [f"part-{number:05d}.{kind}" for number in range(3)]
    assert sorted((tmp_path / "shards").iterdir()) == names
    counts = [
        parquet.read_metadata(path).num_rows if kind == "parquet" else len(path.read_bytes().splitlines())
        for path in names
    ]
    assert counts == [3, 3, 1]


def test_what_has_no_result_is_named(journal: Journal) -> None:
    add(journal, "done", EMPTY)
    add(journal, "missing", EMPTY).unlink()
    add(journal, "text", EMPTY, "txt")
    add(journal, "failed", None)
    add(journal, "other", EMPTY).write_text(dump({"text": "JSON of another program"}))
    add(journal, "rejected", FULL, options="failed o")
    journal.record_failure(journal.recording(journal.path.parent / "rejected.wav"), "warnings")
    found = list(results(journal))
    assert [Path(row.fields["recording"]).stem for row in found if isinstance(row, ResultRow)] == ["done", "rejected"]
    reasons = {Path(one.recording).stem: one.reason for one in found if isinstance(one, MissingResult)}
    folder = journal.path.parent
    assert reasons == {
        "missing": f"{folder}/missing.json is missing",
        "text": "it has no output in the format json",
        "failed": "failed: undecodable",
        "other": f"{folder}/other.json is not of the format json",
        "rejected": "failed: warnings",
    }


def test_an_earlier_export_is_not_mixed_with_a_new_one(journal: Journal, tmp_path: Path) -> None:
    add(journal, "one", EMPTY)
    lines(journal, tmp_path / "shards")
    with pytest.raises(UsageError, match=r"part-00000\.jsonl"):
        write_shards([], tmp_path / "shards", "jsonl", 1)


def test_an_export_that_fails_leaves_nothing(journal: Journal, tmp_path: Path) -> None:
    def rows() -> Any:
        yield ResultRow(EMPTY.to_dict(), 100)
        raise OSError("the disk is lost")

    with pytest.raises(OSError, match="the disk is lost"):
        write_shards(rows(), tmp_path / "shards", "jsonl", 1)
    assert list((tmp_path / "shards").iterdir()) == []


def test_without_pyarrow_the_extra_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="parquet"):
        write_shards([], tmp_path / "shards", "parquet", 1)


def test_the_command(journal: Journal, tmp_path: Path) -> None:
    add(journal, "one", FULL)
    add(journal, "two", None)
    journal.close()

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "asrcli", "journal", "export", str(journal.path.parent), *map(str, arguments)]
        return subprocess.run(command, check=False, capture_output=True, timeout=60)

    printed = run("-")
    assert printed.returncode == 1
    assert json.loads(printed.stdout)["text"] == FULL.text
    assert b"two.wav: failed: undecodable." in printed.stderr
    written = run(tmp_path / "shards", "--shard-size", "1MB")
    assert b"1 results in 1 file of " in written.stderr
    assert (tmp_path / "shards" / "part-00000.jsonl").read_bytes() == printed.stdout
    assert run("-", "--format", "parquet").returncode == 2
