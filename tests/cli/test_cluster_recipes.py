"""The recipes of docs/cluster.md, run as plain processes: sbatch, ssh and Kubernetes are programs of this test."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from asrcli.cli.request.arguments import TranscribeArguments
from asrcli.options.declarations import declarations
from tests.cli.conftest import Program

PAGE = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
#: starts the tasks of an array as Slurm does, one after the other
SBATCH = """#!/bin/sh
set -e
tasks=${1#--array=}
case $tasks in *-*) tasks=$(seq -s , ${tasks%-*} ${tasks#*-});; esac
export SLURM_ARRAY_TASK_COUNT=$(echo $tasks | tr , '\\n' | wc -l)
export SLURM_ARRAY_TASK_MIN=${tasks%%,*} SLURM_ARRAY_TASK_MAX=${tasks##*,}
for SLURM_ARRAY_TASK_ID in $(echo $tasks | tr , ' '); do
  export SLURM_ARRAY_TASK_ID
  sh -c "$4"
done
"""
SSH = '#!/bin/sh\nshift\nexec sh -c "$*"\n'


def block(heading: str, language: str) -> str:
    """The first code in a language below a heading."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.split(f"## {heading}\n")[1], re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def machine(asrcli: Program, recordings: Path) -> Path:
    """The folder that takes the place of /srv, with programs of its own, and four recordings."""
    calls = asrcli.folder / "srv" / "calls"
    calls.mkdir(parents=True)
    for number in range(4):
        (calls / f"{number}.wav").write_bytes((recordings / "one.wav").read_bytes())
    programs = asrcli.folder / "bin"
    programs.mkdir()
    for name, text in (
        ("sbatch", SBATCH),
        ("ssh", SSH),
        ("asrcli", f'#!/bin/sh\nexec {asrcli.command()[0]} -m asrcli "$@"\n'),
    ):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    asrcli.environment["PATH"] = f"{programs}:{asrcli.environment['PATH']}"
    return calls.parent


def run(asrcli: Program, script: str, **environment: str) -> str:
    done = subprocess.run(
        ["sh", "-e", "-c", script.replace("/srv", str(asrcli.folder / "srv"))],
        env=asrcli.env(**environment), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def texts(machine: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (machine / "text").glob("*.txt")}


ALL = {f"{number}.txt": "fa re mi\n" for number in range(4)}


@pytest.mark.slow
def test_slurm(asrcli: Program, machine: Path) -> None:
    whole, some = block("Slurm", "sh").splitlines()
    errors = run(asrcli, some)
    assert texts(machine).items() < ALL.items()
    errors = run(asrcli, whole)
    assert texts(machine) == ALL
    assert errors.count("asrcli: ") >= 4


@pytest.mark.slow
def test_kubernetes(asrcli: Program, machine: Path) -> None:
    job = yaml.safe_load(block("Kubernetes", "yaml"))
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]
    }
    arguments = [str(word).replace("/srv", str(machine)) for word in container["args"]]
    with ThreadPoolExecutor(2) as pods:
        indices = range(job["spec"]["completions"])
        done = list(pods.map(lambda index: asrcli(*arguments, env={"JOB_COMPLETION_INDEX": str(index)}), indices))
    assert [one.returncode for one in done] == [0] * len(indices), [one.stderr for one in done]
    assert texts(machine) == ALL


@pytest.mark.slow
def test_ssh(asrcli: Program, machine: Path) -> None:
    run(asrcli, block("SSH", "sh"))
    assert texts(machine) == ALL


def test_kuberay() -> None:
    cluster, job = yaml.safe_load_all(block("Ray", "yaml"))
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    head, (workers,) = cluster["spec"]["headGroupSpec"], cluster["spec"]["workerGroupSpecs"]
    assert head["rayStartParams"]["num-cpus"] == "0"  # the head has no engine
    assert 0 == workers["minReplicas"] == workers["replicas"] < workers["maxReplicas"]
    containers: list[dict[str, Any]] = [group["template"]["spec"]["containers"][0] for group in (head, workers)]
    pod = job["spec"]["template"]["spec"]
    assert len({one["image"] for one in [*containers, *pod["containers"]]}) == 1
    (driver,) = pod["containers"]
    options = [word[2:].replace("-", "_") for word in driver["args"] if word.startswith("--")]
    assert set(options) <= set(declarations(TranscribeArguments))
    address = driver["args"][driver["args"].index("--cluster") + 1]
    port = next(port["containerPort"] for port in containers[0]["ports"] if port["name"] == "client")
    assert address == f"ray://{cluster['metadata']['name']}-head-svc:{port}"
