"""A Ray cluster of two one-core nodes on this machine, against `--jobs 2` without one.

    python -m benchmarks cluster [--files 200] [--rounds 3]

Files of 10 s. Throughput is that between the first and the last finished file, so that neither the start of Ray nor
the loading of models counts. A run without a cluster, one through Ray's client (`--cluster ray://…`) and one on a node
of the cluster (`--cluster auto`) take turns. Needs the extra `cluster`, and two cores without other work.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.corpora import cut_files
from benchmarks.measure import load, median

_SECONDS = 10.0
_PORT = 10123
_PROGRAM = Path(__file__).parents[1] / "tests" / "cluster" / "cluster_program.py"


def main() -> None:
    """Print the throughput of each round, and the median of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(load())
    ratios: dict[str, list[float]] = {"ray://": [], "auto": []}
    with tempfile.TemporaryDirectory(prefix="asrcli-cluster-") as folder:
        recordings = Path(folder, "in")
        recordings.mkdir()
        cut_files(recordings, arguments.files, _SECONDS, seed=6)
        for number in range(arguments.rounds):
            alone = throughput(recordings, Path(folder, f"alone{number}"), "--jobs", "2")
            for kind, found in ratios.items():
                with two_nodes() as (address, node_address):
                    os.environ["RAY_ADDRESS"] = node_address  # which `auto` uses
                    out = Path(folder, f"{kind[:4]}{number}")
                    shared = throughput(recordings, out, "--cluster", "auto" if kind == "auto" else address)
                found.append(shared / alone)
                print(f"{alone:8.1f} {shared:8.1f} x real time, {kind} ratio {found[-1]:.2f}", flush=True)
    for kind, found in ratios.items():
        print(f"{kind} median of the ratios: {median(found):.2f}")


@contextmanager
def two_nodes() -> Iterator[tuple[str, str]]:
    """The addresses of a cluster of two one-core nodes on this machine: for clients, for nodes."""
    with subprocess.Popen(
        [sys.executable, str(_PROGRAM), "2", str(_PORT)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
    ) as cluster:  # fmt: skip
        assert cluster.stdout is not None
        started = json.loads(cluster.stdout.readline())  # the nodes are there
        try:
            yield f"ray://127.0.0.1:{_PORT}", started["address"]
        finally:
            cluster.communicate()


def throughput(recordings: Path, out: Path, *options: str) -> float:
    """Seconds of audio a second, between the first and the last finished file."""
    _, *times = run_times(recordings, out, *options)
    return _SECONDS * (len(times) - 1) / (times[-1] - times[0])


def run_times(recordings: Path, out: Path, *options: str) -> list[float]:
    """When the first file was open, and when each was finished, in seconds of one clock."""
    command = [sys.executable, "-m", "asrcli", "transcribe", str(recordings), "-d", str(out), "--log-json", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        times: list[float] = []
        for line in process.stderr:
            event = json.loads(line)["event"] if line.startswith("{") else ""
            if event == "file_done" or (event == "file_progress" and not times):
                times.append(time.monotonic())
    assert process.returncode == 0, f"exit status {process.returncode}"
    return times


if __name__ == "__main__":
    main()
