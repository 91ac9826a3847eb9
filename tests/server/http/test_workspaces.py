"""The folders of servers that start and end at the same time."""

from __future__ import annotations

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asrcli.server.http.workspaces import Workspace, Workspaces


def test_servers_that_start_together_leave_each_others_folders_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def start_and_end(_: int) -> None:
        for _ in range(100):
            workspaces = Workspaces()
            assert workspaces.root.is_dir()
            workspaces.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start_and_end, range(8)))
    assert list(tmp_path.iterdir()) == []


def test_only_what_servers_write_is_deleted_of_a_folder_that_looks_like_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = tmp_path / "asrcli-serve-a1b2c3d4" / "requests" / "request-a1b2c3d4" / "1"
    mine = [tmp_path / "asrcli-serve-notes" / "requests" / name for name in ("talk.wav", "request-a1b2c3d4/notes.txt")]
    for path in (own, *mine):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
        (tmp_path / path.relative_to(tmp_path).parts[0] / "lock").touch()
    Workspaces().close()
    assert [path.read_text() for path in mine] == ["text", "text"]
    assert not own.parents[2].exists(), "of a killed server"


def test_a_folder_that_the_system_has_deleted_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    workspaces = Workspaces()
    shutil.rmtree(workspaces.root.parent)

    async def work() -> None:
        async with Workspace(workspaces.root) as workspace:
            assert workspace.new_file().parent.is_dir()

    asyncio.run(work())
    workspaces.close()
    assert list(tmp_path.iterdir()) == []


def test_files_are_deleted_outside_the_event_loop_even_if_the_request_is_cancelled(tmp_path: Path) -> None:
    async def work() -> None:
        workspace = Workspace(tmp_path)
        for _ in range(500):
            workspace.new_file().touch()
        closing = asyncio.ensure_future(workspace.close())
        await asyncio.sleep(0)
        assert not closing.done(), "the loop is not held"
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)

    asyncio.run(work())
    assert list(tmp_path.iterdir()) == []
