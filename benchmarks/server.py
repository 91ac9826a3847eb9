"""Throughput of the server: 8 clients at a time against `asrcli transcribe` on the same files.

It starts `asrcli serve` itself, on a free port. Without --audio it uses the reading in moonshine-voice's wheel.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import moonshine_voice
import numpy as np
import soundfile

from benchmarks.measure import descendants_of, memory_of, run

CLIENTS = 8
READING = Path(moonshine_voice.__file__).parent / "assets/two_cities.wav"
#: Runs the program, which writes the names of its threads into a file when it gets SIGUSR1.
_BOOT = """
import os, runpy, signal, sys, threading
path = sys.argv.pop(1)
def write(*_):
    with open(path + ".part", "w") as file:
        file.write("\\n".join(thread.name for thread in threading.enumerate()))
    os.replace(path + ".part", path)
signal.signal(signal.SIGUSR1, write)
runpy.run_module("asrcli", run_name="__main__", alter_sys=True)
"""
#: names of threads of pools of a fixed size, each once; a pool without a name of its own is none of them
_POOLED = re.compile(r"(?!ThreadPoolExecutor).+_\d+")
#: and those of anyio's pool, which all have this name, and how many it makes
_ANYIO, _MOST_ANYIO = "AnyIO worker thread", 40


class Served:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], url: str, names: Path) -> None:
        self.process = process
        self.url = url
        self._names = names

    def memory(self) -> int:
        """Bytes of all its processes."""
        return memory_of(self.process.pid)

    def resources(self) -> dict[str, int]:
        """What a leak would increase: memory and open files of the server process, its threads and child processes."""
        process = Path(f"/proc/{self.process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text(encoding="ascii").splitlines())
        return {
            "MB": int(status["VmRSS"].split()[0]) >> 10,
            "descriptors": len(list((process / "fd").iterdir())),
            "threads": int(status["Threads"]),
            "processes": len(descendants_of(self.process.pid)),
        }

    def own_threads(self) -> int:
        """Its threads but those of pools, which grow to their fixed sizes as more requests coincide."""
        self._names.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        while not self._names.exists():
            if self.process.poll() is not None:
                raise SystemExit("the server ended")
            time.sleep(0.01)
        names = self._names.read_text(encoding="utf-8").splitlines()
        pooled = len(set(filter(_POOLED.fullmatch, names))) + min(names.count(_ANYIO), _MOST_ANYIO)
        return self.resources()["threads"] - pooled

    def cpu(self) -> float:
        """Seconds of CPU that all its processes have used, those that have ended too."""
        ticks = 0
        for pid in [self.process.pid, *descendants_of(self.process.pid)]:
            with contextlib.suppress(OSError):  # it has just ended
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Served]:
    """`asrcli serve` with its temporary files and data in this folder."""
    temporary = folder / "tmp"
    temporary.mkdir()
    names = folder / "threads"
    command = [sys.executable, "-c", _BOOT, str(names), "serve", "--port", "0", "--funasr-port", "0", "--log-json",
               "--data-dir", str(folder / "data"), *options]  # fmt: skip
    with (folder / "log").open("w+", encoding="utf-8") as log:
        environment = os.environ | {"TMPDIR": str(temporary)}
        process = subprocess.Popen(command, stderr=log, env=environment, text=True)
        try:
            yield Served(process, _listening(process, folder / "log"), names)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _listening(process: subprocess.Popen[str], log: Path) -> str:
    while process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                if "url" in (event := json.loads(line)):
                    _wait_until_loaded(event["url"])
                    return str(event["url"])
        time.sleep(0.1)
    raise SystemExit(f"the server ended: {log.read_text(encoding='utf-8')}")


def _wait_until_loaded(url: str) -> None:
    while httpx.get(f"{url}/health", trust_env=False).json()["status"] != "ok":
        time.sleep(0.1)


def cuts(audio: Path, folder: Path, count: int, seconds: float) -> list[Path]:
    """Recordings of this length from as many places of one."""
    samples, rate = soundfile.read(audio, dtype="float32", always_2d=True)
    length = round(seconds * rate)
    ring = np.concatenate([samples[:, 0], samples[:length, 0]])
    paths = []
    for number in range(count):
        start = round(number / count * len(samples))
        paths.append(folder / f"cut{number:04}.wav")
        soundfile.write(paths[-1], ring[start : start + length], rate, subtype="PCM_16")
    return paths


def throughput(audio: Path, files: int, rounds: int) -> None:
    """Print what both do, and their ratios: by the clock, and by CPU time, which is true on a busy machine too."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        paths = cuts(audio, folder, files, 10)
        output = folder / "out"
        command = [sys.executable, "-m", "asrcli", "transcribe", *map(str, paths), "--quiet", "--overwrite",
                   "--output-dir", str(output)]  # fmt: skip
        walls, cpus = [], []
        with serving(folder) as served:
            asyncio.run(_upload_all(served.url, paths[:CLIENTS]))  # warm
            for _ in range(rounds):
                used = served.cpu()
                wall = asyncio.run(_upload_all(served.url, paths))
                used = served.cpu() - used
                alone = run(command)
                walls.append(alone.wall / wall)
                cpus.append(alone.cpu / used)
                print(f"server {10 * files / wall:6.1f} x real time, {used / files:.2f} s of CPU a file; transcribe "
                      f"{10 * files / alone.wall:6.1f} x, {alone.cpu / files:.2f} s; ratio {walls[-1]:.2f} "
                      f"by the clock, {cpus[-1]:.2f} by CPU", flush=True)  # fmt: skip
        print(f"medians: {statistics.median(walls):.2f} by the clock, {statistics.median(cpus):.2f} by CPU "
              f"({files} files of 10 s, {CLIENTS} clients)")  # fmt: skip


async def _upload_all(url: str, paths: list[Path]) -> float:
    waiting = list(paths)
    async with httpx.AsyncClient(base_url=url, timeout=600, trust_env=False) as client:

        async def upload_next() -> None:
            while waiting:
                answer = await upload_good(client, waiting.pop())
                answer.raise_for_status()

        started = time.perf_counter()
        await asyncio.gather(*(upload_next() for _ in range(CLIENTS)))
        return time.perf_counter() - started


async def upload_good(client: httpx.AsyncClient, path: Path, **fields: str) -> httpx.Response:
    files = {"file": (path.name, await asyncio.to_thread(path.read_bytes))}
    return await client.post("/v1/audio/transcriptions", files=files, data={"model": "whisper-1", **fields})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, default=READING)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    throughput(asked.audio, asked.files, asked.rounds)


if __name__ == "__main__":
    main()
