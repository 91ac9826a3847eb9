"""Runs programs and measures them: wall time, CPU time of all their processes, memory of all their processes."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One run of a program."""

    #: seconds
    wall: float
    #: seconds of CPU, of the program and all processes it waited for
    cpu: float
    #: what it printed
    output: str
    #: (seconds since the start, bytes) of all its processes, where asked for
    memory: list[tuple[float, int]] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """Most memory seen, bytes."""
        return max((size for _, size in self.memory), default=0)

    @property
    def quarters(self) -> str:
        """Medians of four quarters of the run, MB."""
        sizes = [size / 1e6 for _, size in self.memory]
        step = max(1, len(sizes) // 4)
        return " ".join(f"{median(sizes[at : at + step]):6.0f}" for at in range(0, 4 * step, step))


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, watch: float | None = None) -> Run:
    """Run a program to its end.

    Args:
        command: program and arguments.
        environment: variables on top of ours.
        watch: look at its memory every so many seconds; None: never, as looking costs.

    Raises:
        SystemExit: it failed; with what it printed.
    """
    with tempfile.TemporaryFile() as printed:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=printed, stderr=printed, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
        )
        memory: list[tuple[float, int]] = []
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, started, watch or 0, memory, ended))
        if watch:
            watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        if watch:
            watcher.join()
        printed.seek(0)
        output = printed.read().decode(errors="replace")
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:3])} ... ended with {process.returncode}:\n{output[-2000:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, output, memory)


def _watch(pid: int, started: float, every: float, memory: list[tuple[float, int]], ended: threading.Event) -> None:
    while not ended.wait(every):
        memory.append((time.perf_counter() - started, memory_of(pid)))


def memory_of(pid: int, *, anonymous: bool = False) -> int:
    """Proportional set size of a process and all its descendants, bytes: what is shared counts once. `anonymous`:
    without the pages of files, whose share depends on what else the machine runs.
    """
    name = "Pss_Anon:" if anonymous else "Pss:"
    total = 0
    for each in [pid, *descendants_of(pid)]:
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue  # it has ended
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith(name))
    return total


def cpu_of(pid: int) -> float:
    """Seconds of CPU that the threads of a running process have used."""
    times = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text(encoding="ascii").split()[0]) for each in times) / 1e9


def peak_of(pid: int) -> int:
    """Most memory that a process has held since its program began, bytes.

    Its rusage would not do: ru_maxrss also counts what it was before exec, which may be the process that started it.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:"))


def descendants_of(pid: int) -> list[int]:
    """Process ids of all children and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text(encoding="ascii").split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants_of(child)]
    return found


def alternate(contestants: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Let each have its turn, round after round, in an order that turns: what else the machine does hits all alike."""
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            runs[name].append(contestants[name]())
    return runs


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios, round by round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def load() -> str:
    """What else the machine is doing, for the reader of figures."""
    return f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}"
