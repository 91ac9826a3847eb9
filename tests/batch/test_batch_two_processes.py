"""Two runs of one command at once share the work, and the later one does not end before all is done."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asrcli.batch.journal import Journal


def test_two_at_once_do_each_input_once(
    recordings: Path,
    start: Callable[..., subprocess.Popen[str]],
    assert_complete: Callable[[Path], None],
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    runs = [start(recordings, "--pace", 0.2, "--log", log) for _ in range(2)]
    summaries = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert Counter(log.read_text().splitlines()).most_common(1)[0][1] == 1
    assert sum(summary["done"] for summary in summaries) == 6
    assert all(summary["done"] + summary["skipped"] == 6 for summary in summaries)
    assert_complete(recordings)


def test_what_a_killed_run_had_in_work_is_taken_over(
    recordings: Path,
    start: Callable[..., subprocess.Popen[str]],
    start_and_hold: Callable[[Path], subprocess.Popen[str]],
    assert_complete: Callable[[Path], None],
) -> None:
    stuck = start_and_hold(recordings)
    second = start(recordings)
    # The second has done all that the first does not hold.
    while len(list(recordings.rglob("*.json"))) < 4:
        assert second.poll() is None, "it waits for the inputs that the first run has"
        time.sleep(0.01)
    stuck.kill()
    assert json.loads(second.communicate(timeout=60)[0])["done"] == 6
    assert_complete(recordings)


def test_every_line_of_a_journal_written_by_several_processes_is_whole(
    recordings: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    runs = [start(recordings, "--options", f"v{number}", "--existing", "overwrite") for number in range(4)]
    assert [run.wait(timeout=60) for run in runs] == [0] * 4
    lines = (recordings / ".asrcli-journal.jsonl").read_text().splitlines()
    assert {json.loads(line)["options"] for line in lines} == {"v0", "v1", "v2", "v3"}
    assert len(lines) == 4 * 4
    assert Journal(recordings / ".asrcli-journal.jsonl", read_only=True).notices == []


_OTHER = """
import sys
from pathlib import Path
from asrcli.batch.journal import Journal
from asrcli.batch.journal.records import OutputRecord
from asrcli.batch.cache_key import CacheKey
folder = Path(sys.argv[1])
journal = Journal(folder / "journal.jsonl")
journal.record(
    journal.recording(folder / "a.mp3"), CacheKey(model="m", options="o"), 1.0,
    [OutputRecord("txt", folder / "a.txt", 3, "hash")],
)
print(journal.claim(folder / "a.txt"), flush=True)
for line in sys.stdin:
    print(journal.claim(folder / line.strip()), flush=True)
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.jsonl")
    yield journal
    journal.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has recorded a.txt and claims it."""
    (tmp_path / "a.mp3").write_bytes(b"sound")
    command = [sys.executable, "-c", _OTHER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_what_another_process_records_is_seen(tmp_path: Path, journal: Journal, other: subprocess.Popen[str]) -> None:
    assert not journal.written(tmp_path / "a.txt")
    journal.refresh()
    assert journal.written(tmp_path / "a.txt")


def test_a_claim_holds_until_its_process_ends(tmp_path: Path, journal: Journal, other: subprocess.Popen[str]) -> None:
    assert not journal.claim(tmp_path / "a.txt")
    assert journal.claim(tmp_path / "b.txt")
    other.kill()
    other.wait()
    assert journal.claim(tmp_path / "a.txt")


def test_a_claim_holds_while_the_journal_is_read(
    tmp_path: Path, journal: Journal, other: subprocess.Popen[str]
) -> None:
    """As `watch` does to name what has arrived: some locks of a process end when it closes any handle of the file."""
    assert journal.claim(tmp_path / "b.txt")
    Journal(journal.path, read_only=True).close()
    other.stdin.write("b.txt\n")
    other.stdin.flush()
    assert other.stdout.readline() == "False\n"
