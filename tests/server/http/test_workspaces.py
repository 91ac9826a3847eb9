"""The folders of servers that start and end at the same time, and what uploads keep in memory."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asrcli.server.bounds import MAX_PARTS
from asrcli.server.http.workspaces import STORED, Workspace, Workspaces
from tests.server.conftest import Running
from tests.server.http.test_bounds import wait_for


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


def test_many_small_files_in_a_form_are_not_kept_in_memory(server: Running) -> None:
    """Each is smaller than what is gathered for one write."""
    part = b'--b\r\ncontent-disposition: form-data; name="files"; filename="a.wav"\r\n\r\n' + bytes(100_000) + b"\r\n"
    head = b"POST /api/v1/asr HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n"
    before, size = STORED.size, (MAX_PARTS - 1) * 100_000
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(head + b"content-length: 99999999\r\n\r\n")
        tracemalloc.start(1)
        try:
            for _ in range(MAX_PARTS - 1):
                line.sendall(part)
            line.sendall(b"--b\r\n")
            wait_for(lambda: STORED.size == before + size)
            wait_for(lambda: tracemalloc.get_traced_memory()[0] < size // 4)
        finally:
            tracemalloc.stop()
    wait_for(lambda: STORED.size == before)
