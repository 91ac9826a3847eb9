"""A full disk is reported as such and corrupts nothing."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_PROGRAM = Path(__file__).with_name("batch_program.py")

# In a mount namespace of its own, so that the small disk ends with the process.
_ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=96k none {disk}
set +e
{run}; echo "code $?"
ls -A {disk}/sub {disk} > {listing}
mkdir {kept}/full; cp -r {disk}/. {kept}/full
mount -o remount,size=10m {disk}
{run}; echo "code $?"
mkdir {kept}/room; cp -r {disk}/. {kept}/room
"""


def _namespaces() -> bool:
    program = shutil.which("unshare")
    return (
        program is not None
        and subprocess.run([program, "-rm", "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not _namespaces(), reason="needs user namespaces (unshare -rm)")
def test_full_disk_then_room_again(
    recordings: Path, expected: Callable[..., dict[Path, str]], program: Any, tmp_path: Path
) -> None:
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    bulk = 20
    run = f"{sys.executable} {_PROGRAM} {recordings} --output-dir {disk} --bulk {bulk} --jobs 1"
    script = _ON_A_SMALL_DISK.format(disk=disk, kept=kept, run=run, listing=tmp_path / "listing")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    first, first_code, second, second_code = done.stdout.splitlines()
    assert (first_code, second_code) == ("code 5", "code 0"), done.stderr
    first, second = json.loads(first), json.loads(second)
    assert first["error"]["code"] == "disk-full"
    assert 0 < first["done"] < 6
    assert second["skipped"] == first["done"]
    assert second["done"] == 6 - first["done"]
    whole = {path.relative_to(recordings): text for path, text in expected(recordings, bulk=bulk).items()}
    for folder in ("full", "room"):
        texts = {path.relative_to(kept / folder): path.read_text() for path in (kept / folder).rglob("*.[tj]*[tn]")}
        assert texts.items() <= whole.items()
        assert len(texts) == (2 * first["done"] if folder == "full" else len(whole))
    assert ".tmp" not in (tmp_path / "listing").read_text()
    for line in (kept / "full" / ".asrcli-journal.jsonl").read_text().splitlines():
        assert json.loads(line)["outputs"]


def test_limit_on_file_sizes_ends_the_batch_like_a_full_disk(
    recordings: Path, outputs_in: Callable[..., dict[Path, str]]
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = [sys.executable, str(_PROGRAM), str(recordings), "--bulk", "50"]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False, timeout=60)
    summary = json.loads(done.stdout)
    assert done.returncode == 5
    assert summary["error"]["code"] == "disk-full"
    assert "ulimit" in summary["error"]["hint"]
    assert outputs_in(recordings) == {}


def test_a_journal_that_cannot_grow_keeps_its_outputs_from_being_named(
    recordings: Path, finish: Callable[..., dict[str, Any]], outputs_in: Callable[..., dict[Path, str]]
) -> None:
    """Without its record an output would pass for someone else's for ever."""
    finish(recordings)
    journal = recordings / ".asrcli-journal.jsonl"
    before = outputs_in(recordings)
    size = journal.stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, size + 10))

    command = [sys.executable, str(_PROGRAM), str(recordings), "--options", "v2", "--jobs", "1"]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 5
    top = {path: text for path, text in outputs_in(recordings).items() if path.parent == recordings}
    assert top.items() <= before.items()
    assert journal.stat().st_size == size, "the line that did not fit was taken back"
    assert finish(recordings, "--options", "v2")["done"] >= 4
