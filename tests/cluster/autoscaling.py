"""A Ray cluster on this machine whose autoscaler starts and ends one-core nodes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from ray.util import get_node_ip_address

from tests.ports import free_port

_STORE = 100 << 20
_MARK = "ASRCLI_TEST_CLUSTER"


def _config(most: int, port: int) -> dict[str, object]:
    """That of Ray's own tests: a provider without a cloud, whose nodes are processes of this machine."""
    node = {"CPU": 1, "object_store_memory": _STORE}
    commands = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    return {
        "cluster_name": "fake",
        "provider": {
            "type": "fake_multinode",
            "use_node_id_as_ip": True,  # all have one address
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "gcs_address": f"{get_node_ip_address()}:{port}",
        },
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {"resources": node, "node_config": {}, "min_workers": 0, "max_workers": most},
        },
        "max_workers": most,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 0.05,
        "auth": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        "rsync_exclude": [],
        "rsync_filter": [],
        **{f"{name}_commands": [] for name in commands},
    }


class AutoscalingCluster:
    """The cluster, known by a variable in the environment of its processes."""

    def __init__(self, port: int, mark: str) -> None:
        self.address = f"ray://127.0.0.1:{port}"
        self._mark = f"{_MARK}={mark}".encode()

    def processes(self) -> dict[int, bytes]:
        """Each with its command line."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self._mark in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes()
        return found

    def nodes(self) -> int:
        """How many nodes the autoscaler has started, besides the head."""
        return sum(command.split(b"\0")[0].endswith(b"/raylet") for command in self.processes().values()) - 1

    def end(self) -> None:
        for pid in self.processes():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def autoscaling_cluster(most: int) -> Iterator[AutoscalingCluster]:
    """A cluster of a head without CPUs, and at most so many nodes."""
    mark = uuid4().hex
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
        port = client = free_port()
        while client == port:
            client = free_port()
        config = Path(folder, "config.json")
        config.write_text(json.dumps(_config(most, port)))
        command = [
            str(Path(sys.executable).with_name("ray")), "start", "--head", "--num-cpus=0", "--include-dashboard=false",
            f"--port={port}", f"--ray-client-server-port={client}", f"--temp-dir={folder}",
            f"--object-store-memory={_STORE}", f"--autoscaling-config={config}",
        ]  # fmt: skip
        environment = os.environ | {
            "RAY_USAGE_STATS_ENABLED": "0", "RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", _MARK: mark,
        }  # fmt: skip
        cluster = AutoscalingCluster(client, mark)
        stack.callback(cluster.end)
        subprocess.run(command, check=True, env=environment, capture_output=True, timeout=90)
        yield cluster
