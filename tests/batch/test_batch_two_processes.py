"""Two runs of one command at once share the work, and the later one does not end before all is done."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

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
