"""`asrcli serve --cluster`: the answers of a server without a cluster, also when a node or the cluster is lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from asrcli.cluster import server_nodes
from asrcli.cluster.server_nodes import ServerNodes
from asrcli.models.registry import Registry
from tests.cluster.test_long_recordings import cpu_seconds
from tests.cluster.two_nodes import TwoNodes, running_cluster, wait_for

pytestmark = pytest.mark.slow
httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("ray")

#: CPU seconds of an engine that has loaded the model and done some of the work
_WORKED = 1.2


class Server:
    """`asrcli serve` as a process, with one decoding thread."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [
            sys.executable, "-m", "asrcli", "serve", "--port", "0", "--funasr-port", "0", "--num-threads", "1",
            "--data-dir", str(folder), "--log-json", *arguments,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.events: list[dict[str, Any]] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.events.append(json.loads(line))
            if "url" in self.events[-1]:
                break
        assert "url" in self.events[-1], self.events
        self.client = httpx.Client(base_url=self.events[-1]["url"], timeout=110, trust_env=False)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_for(lambda: self.health()["status"] != "loading")

    def _read(self) -> None:
        self.events += map(json.loads, self.process.stderr)

    def health(self) -> dict[str, Any]:
        return self.client.get("/health").json()

    def wait_for_engines(self, count: int) -> None:
        wait_for(lambda: self.health()["node_engines"] == count, 90)

    def transcribe(self, path: Path) -> tuple[str, Any]:
        with path.open("rb") as file:
            reply = self.client.post(
                "/v1/audio/transcriptions", files={"file": (path.name, file)}, data={"response_format": "verbose_json"}
            )
        assert reply.status_code == 200, reply.text
        return path.name, reply.json()

    def close(self) -> None:
        if self.process.returncode is not None:
            return
        self.client.close()
        self.process.terminate()
        assert self.process.wait(60) == 0
        self._reader.join()
        self.process.stderr.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    running = []

    def serve(*arguments: str) -> Server:
        running.append(Server(tmp_path, *arguments))
        return running[-1]

    yield serve
    for server in running:
        server.close()


@pytest.fixture(scope="module")
def recordings(speech: Path) -> list[Path]:
    return sorted(speech.rglob("part*.wav"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, recordings: list[Path]) -> dict[str, Any]:
    """The answers of a server without a cluster, by name."""
    server = Server(tmp_path_factory.mktemp("alone"))
    try:
        assert "node_engines" not in server.health()
        return dict(map(server.transcribe, recordings))
    finally:
        server.close()


def upload(server: Server, recordings: list[Path]) -> Iterator[tuple[str, Any]]:
    """The answers in the order in which they come, of eight clients."""
    with ThreadPoolExecutor(8) as clients:
        for future in as_completed([clients.submit(server.transcribe, path) for path in recordings]):
            yield future.result()


def use_both_nodes(server: Server, cluster: TwoNodes, recordings: list[Path], alone: dict[str, Any]) -> None:
    """Upload until both nodes have loaded the model and done some of the work."""
    server.wait_for_engines(2)
    before = {pid: cpu_seconds(pid) for pid in cluster.engines()}
    assert len(before) == 2

    def all_have_worked() -> bool:
        assert dict(upload(server, recordings)) == alone
        return all(cpu_seconds(pid) - since > _WORKED for pid, since in before.items())

    wait_for(all_have_worked)


@pytest.mark.timeout(240)
def test_nodes_do_some_of_the_work_and_a_lost_one_loses_nothing(
    cluster: TwoNodes, serve: Callable[..., Server], recordings: list[Path], alone: dict[str, Any]
) -> None:
    server = serve("--cluster", cluster.address)
    use_both_nodes(server, cluster, recordings, alone)
    answers = []
    for answer in upload(server, 2 * recordings):
        answers.append(answer)
        if len(answers) == 3:
            cluster.kill_node()
    assert sorted(name for name, _ in answers) == sorted(2 * list(alone))
    assert dict(answers) == alone
    server.wait_for_engines(1)
    cluster.restore()
    use_both_nodes(server, cluster, recordings, alone)
    assert "asrcli_node_engines 2.0" in server.client.get("/metrics").text
    server.close()
    wait_for(lambda: not cluster.engines())


def test_engines_are_released_while_there_are_no_requests(cluster: TwoNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = ServerNodes(cluster.address, Registry().resolve("moonshine-tiny-en"), None, None, None)
    nodes.connect()
    try:
        wait_for(lambda: asyncio.run(nodes.follow()) or nodes.engines == 2)
        assert (nodes.threads, len(cluster.engines())) == (2, 2)
        monkeypatch.setattr(server_nodes, "_RELEASE_AFTER", 0.0)
        asyncio.run(nodes.follow())
        assert (nodes.engines, nodes.threads) == (0, 0)
        wait_for(lambda: not cluster.engines())
        monkeypatch.setattr(server_nodes, "_RELEASE_AFTER", 300.0)
        wait_for(lambda: asyncio.run(nodes.follow()) or nodes.engines == 2)
    finally:
        nodes.close()


@pytest.mark.timeout(240)
def test_without_its_cluster_the_server_works_alone_until_there_is_one(
    serve: Callable[..., Server], recordings: list[Path], alone: dict[str, Any]
) -> None:
    with running_cluster() as cluster:
        server = serve("--cluster", cluster.address)
        use_both_nodes(server, cluster, recordings, alone)
    assert dict(upload(server, recordings)) == alone
    wait_for(lambda: server.health().get("failing") == ["cluster"], 90)
    assert server.health()["node_engines"] == 0
    assert server.client.get("/health/ready").status_code == 200
    with running_cluster(cluster.port) as cluster:
        use_both_nodes(server, cluster, recordings, alone)
        assert server.health()["status"] == "ok"
