"""A recording that several engines recognise: the outputs of a local run, also when a node is lost."""

from __future__ import annotations

import json
import os
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cluster.two_nodes import TwoNodes, events_to_end, events_until

pytestmark = pytest.mark.slow

Start = Callable[..., subprocess.Popen[str]]
RATE = 16000


def samples_of(path: Path) -> np.ndarray:
    with wave.open(str(path)) as source:
        samples = np.frombuffer(source.readframes(source.getnframes()), np.int16)
        return samples[:: source.getframerate() // RATE]


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory, wheel_audio: Path) -> Path:
    """A folder with five minutes of two speakers, who take turns."""
    folder = tmp_path_factory.mktemp("talk")
    one, other = samples_of(wheel_audio / "two_cities.wav"), samples_of(wheel_audio / "beckett.wav")
    with wave.open(str(folder / "talk.wav"), "wb") as target:
        target.setparams((1, 2, RATE, 0, "NONE", ""))
        for number in range(15):
            start = number * 2 * RATE
            parts = [one[start : start + 12 * RATE], other, np.zeros(RATE // 2)]
            target.writeframes(np.concatenate(parts).astype("<i2").tobytes())
    return folder


@pytest.fixture(scope="session")
def speech(talk: Path) -> Path:
    return talk


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory, speech: Path, run_asrcli: Callable[..., Any]) -> Path:
    folder = tmp_path_factory.mktemp("local")
    done = run_asrcli(speech, "-d", folder, "--format", "txt,srt,json", "--diarize", "-q")
    assert done.returncode == 0, done.stderr
    return folder


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children."""
    total = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if pid in {int(path.parent.name), int(fields[1])}:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def test_it_is_recognised_by_both_nodes(start: Start, cluster: TwoNodes, assert_same: Callable[[], None]) -> None:
    process = start("--diarize", "--split-after", "60")
    events = events_until(process, "file_started", 1)
    engines = cluster.engines()
    before = [cpu_seconds(pid) for pid in engines]
    used = before
    while events[-1]["event"] != "batch_finished":
        events += [json.loads(process.stderr.readline())]
        if events[-1]["event"] == "file_progress":
            used = [cpu_seconds(pid) - since for pid, since in zip(engines, before, strict=True)]
    assert process.wait(60) == 0, events[-3:]
    assert_same()
    assert len(used) == 2
    assert min(used) > max(used) / 10


@pytest.mark.parametrize("number", [0, 1])
def test_a_node_that_is_lost_meanwhile_loses_nothing(
    start: Start, cluster: TwoNodes, assert_same: Callable[[], None], number: int
) -> None:
    """One of the two reads the recording, the other does jobs for it."""
    process = start("--diarize", "--split-after", "60")
    events = events_until(process, "file_progress", 2)
    cluster.kill_node(number)
    events += events_to_end(process)
    assert process.returncode == 0, events[-3:]
    assert_same()
