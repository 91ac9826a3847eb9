"""How soon `/health` answers under full load: `python -m benchmarks health`.

Clients in a process of their own upload recordings without a pause, more of them than there are workers, live streams
speak, hostile clients send broken requests, and a result of ten hours is rendered again and again; this process asks
for `/health` every 20 ms, on a kept connection and on a new one in turn. Without --audio the recordings are the reading
in moonshine-voice's wheel (44 s).
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import itertools
import json
import multiprocessing
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import soundfile

from asrcli.audio.resample import Resampler
from asrcli.server.jobs.store import JobStore
from asrcli.transcript import Segment, Transcript, Word, join_words
from benchmarks.hostile import MAX_UPLOAD, Attack
from benchmarks.server import READING, serving, upload_good
from benchmarks.streams import RATE, Stream, shifted

#: seconds between two questions
EVERY = 0.02


@dataclass(frozen=True)
class Load:
    """Clients of each kind."""

    uploads: int
    streams: int
    hostile: int
    #: the job whose result is rendered; "": none
    job: str

    def __str__(self) -> str:
        rendered = ", a result of 10 h" if self.job else ""
        return f"{self.uploads} uploads, {self.streams} live streams, {self.hostile} hostile clients{rendered}"


async def _load(url: str, audio: Path, wanted: Load, seconds: float) -> None:
    """Clients of all kinds until the time is over."""
    until = time.monotonic() + seconds
    speech, _ = soundfile.read(audio, dtype="float32")
    served: Counter[int] = Counter()

    async def upload(client: httpx.AsyncClient) -> None:
        while time.monotonic() < until:
            served[(await upload_good(client, audio)).status_code] += 1

    async def speak(number: int) -> None:
        part = shifted(speech, number / wanted.streams, seconds)
        await Stream(url.replace("http", "ws"), part[: round(seconds * RATE)], 0.8).run()

    async def render(client: httpx.AsyncClient) -> None:
        for form in itertools.cycle(["srt", "vtt", "json", "md"]) if wanted.job else ():
            if time.monotonic() > until:
                return
            (await client.get(f"/v1/jobs/{wanted.job}", params={"format": form})).raise_for_status()

    async with httpx.AsyncClient(base_url=url, timeout=600, trust_env=False) as client:
        attack = Attack(url, client, audio, 1)
        work = [*(upload(client) for _ in range(wanted.uploads)), *map(speak, range(wanted.streams))]
        work += [attack.run(until, wanted.hostile), render(client)]
        await asyncio.gather(*work)
    if wanted.uploads and not served[200]:
        raise SystemExit(f"no upload was served: {served}")
    print(f"{served[200]} uploads, {served.total() - served[200]} refused", flush=True)


def _run_load(*arguments: object) -> None:
    asyncio.run(_load(*arguments))  # type: ignore[arg-type]


def ask(url: str, seconds: float) -> list[float]:
    """Latencies of `/health`, seconds."""
    host = urlsplit(url).netloc
    kept = http.client.HTTPConnection(host, timeout=60)
    latencies: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        fresh = len(latencies) % 2 == 1
        started = time.perf_counter()
        line = http.client.HTTPConnection(host, timeout=60) if fresh else kept
        line.request("GET", "/health")
        line.getresponse().read()
        latencies.append(time.perf_counter() - started)
        if fresh:
            line.close()
        time.sleep(EVERY)
    kept.close()
    return latencies


def report(what: str, latencies: list[float]) -> float:
    """Print the figures; the 99th percentile in milliseconds."""
    found = sorted(1000 * each for each in latencies)
    median, p95, p99 = (found[int(part * (len(found) - 1))] for part in (0.5, 0.95, 0.99))
    print(f"{what}: {len(found)} questions; median {median:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, "
          f"worst {found[-1]:.1f} ms", flush=True)  # fmt: skip
    return p99


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, default=READING)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--hostile", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=25)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        job = _long_result(Path(made) / "data")
        audio = _as_samples(asked.audio, Path(made) / "reading.wav")
        with serving(Path(made), "--max-upload", str(MAX_UPLOAD >> 20)) as served:
            report("at rest", ask(served.url, 2))
            loads = [Load(asked.clients, 0, 0, ""), Load(asked.clients, asked.streams, asked.hostile, job)]
            for wanted in loads:
                _measure(served.url, audio, wanted, asked.seconds)


def _measure(url: str, audio: Path, wanted: Load, seconds: float) -> None:
    arguments = (url, audio, wanted, seconds)
    load = multiprocessing.get_context("spawn").Process(target=_run_load, args=arguments)
    load.start()
    try:
        time.sleep(4)  # until all have started
        report(str(wanted), ask(url, seconds - 5))
        load.join()
    finally:
        load.kill()


def _as_samples(audio: Path, target: Path) -> Path:
    """16 kHz and one channel: smaller than the largest upload."""
    samples, rate = soundfile.read(audio, dtype="float32", always_2d=True)
    resampler = Resampler(rate, 1)
    speech = np.concatenate([resampler.push(samples.mean(axis=1, keepdims=True)), resampler.finish()])[:, 0]
    soundfile.write(target, speech, RATE, subtype="PCM_16")
    return target


def _long_result(folder: Path) -> str:
    """A finished job whose transcript has ten hours; its id."""
    words = [Word(f"word{number % 1000},", number * 0.4, number * 0.4 + 0.3) for number in range(90_000)]
    segments = tuple(
        Segment(number, part[0].start, part[-1].end, join_words(part), tuple(part))
        for number, part in enumerate(words[start : start + 12] for start in range(0, len(words), 12))
    )
    store = JobStore(folder)
    job = store.add(client="a", name="long", fields={}, upload=None, url="http://example.com/", webhook=None)
    store.finish(job.id, result=json.dumps(Transcript("long", 36000.0, segments).to_dict()))
    store.close()
    return job.id


if __name__ == "__main__":
    main()
