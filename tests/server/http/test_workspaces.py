"""The folders of servers that start and end at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asrcli.server.http.workspaces import Workspaces


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
