"""Work that waits is demand for nodes, and engines without work are ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.two_nodes import TwoNodes, wait_for

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="needs the extra cluster")

from asrcli.batch.recording import hash_file  # noqa: E402
from asrcli.cluster.actor_pool import ActorPool  # noqa: E402
from asrcli.cluster.connection import connected  # noqa: E402
from asrcli.cluster.server_nodes import node_work  # noqa: E402
from tests.cluster.autoscaling import autoscaling_cluster  # noqa: E402


@pytest.mark.timeout(300)
def test_an_autoscaler_starts_nodes_for_a_batch_and_ends_them(
    speech: Path, tmp_path: Path, assert_same: Callable[[], None]
) -> None:
    with autoscaling_cluster(2) as cluster:
        assert cluster.nodes() == 0
        command = [
            sys.executable, "-m", "asrcli", "transcribe", str(speech), "-d", str(tmp_path / "out"),
            "--format", "txt,srt,json", "--cluster", cluster.address,
        ]  # fmt: skip
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        try:
            wait_for(lambda: cluster.nodes() or process.poll() is not None, 120)
            assert cluster.nodes() in {1, 2}
            _, errors = process.communicate(timeout=110)
        finally:
            process.kill()
            process.stderr.close()
        assert process.returncode == 1, errors  # one file is no recording
        assert_same()
        wait_for(lambda: cluster.nodes() == 0)


def test_engines_without_work_are_ended_and_started_again(cluster: TwoNodes, speech: Path) -> None:
    path = speech / "part0.wav"
    factory: Any = partial(node_work, None, None)
    with connected(cluster.address) as ray, ActorPool(ray, factory, release_after=0.2) as pool:
        for _ in range(2):
            assert pool.ask("digest", path, name="part0")[1] == hash_file(path)
            wait_for(lambda: not cluster.engines())
            assert not pool.lost_engines
