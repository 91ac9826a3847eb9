"""A Ray cluster of one-core nodes on this machine, as a program.

Prints the processes of its nodes as a line of JSON. Reads commands from stdin: "add" starts a node and
prints the line again. Ends with its stdin.
"""

from __future__ import annotations

import json
import sys

from ray.cluster_utils import Cluster

_STORE = 100 << 20


def main(nodes: int, port: int) -> None:
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "include_dashboard": False,
            "ray_client_server_port": port,
            "object_store_memory": _STORE,
        },
    )
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=1, object_store_memory=_STORE)
        while True:
            raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.worker_nodes]
            sys.stdout.write(json.dumps({"raylets": raylets, "address": cluster.address}) + "\n")
            sys.stdout.flush()
            if sys.stdin.readline() != "add\n":
                break
            cluster.add_node(num_cpus=1, object_store_memory=_STORE)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call, unused-ignore]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
