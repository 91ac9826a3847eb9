"""How soon `/health` answers while every worker is busy: `python -m benchmarks health`.

Clients in a process of their own upload recordings without a pause, more of them than there are workers, and live
streams speak as well; this process asks for `/health` every 20 ms, on a kept connection and on a new one in turn.
Without --audio the recordings are the reading in moonshine-voice's wheel (44 s).
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import multiprocessing
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import moonshine_voice
import numpy as np
import soundfile

from asrcli.audio.resample import Resampler
from benchmarks.server import serving, upload_good
from benchmarks.streams import RATE, Stream, shifted

#: seconds between two questions
EVERY = 0.02


async def _load(url: str, audio: Path, clients: int, streams: int, seconds: float) -> None:
    """Uploads and streams until the time is over."""
    until = time.monotonic() + seconds
    samples, rate = soundfile.read(audio, dtype="float32", always_2d=True)
    resampler = Resampler(rate, 1)
    speech = np.concatenate([resampler.push(samples.mean(axis=1, keepdims=True)), resampler.finish()])[:, 0]

    async def upload(client: httpx.AsyncClient) -> None:
        while time.monotonic() < until:
            await upload_good(client, audio)

    async def speak(number: int) -> None:
        part = shifted(speech, number / streams, seconds)
        await Stream(url.replace("http", "ws"), part[: round(seconds * RATE)], 0.8).run()

    async with httpx.AsyncClient(base_url=url, timeout=600, trust_env=False) as client:
        await asyncio.gather(*(upload(client) for _ in range(clients)), *(speak(number) for number in range(streams)))


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
        begun = time.perf_counter()
        line = http.client.HTTPConnection(host, timeout=60) if fresh else kept
        line.request("GET", "/health")
        line.getresponse().read()
        latencies.append(time.perf_counter() - begun)
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
    parser.add_argument("--audio", type=Path, default=Path(moonshine_voice.__file__).parent / "assets/two_cities.wav")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=25)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, serving(Path(made)) as served:
        report("at rest", ask(served.url, 2))
        for streams in sorted({0, asked.streams}):
            arguments = (served.url, asked.audio, asked.clients, streams, asked.seconds)
            load = multiprocessing.get_context("spawn").Process(target=_run_load, args=arguments)
            load.start()
            try:
                time.sleep(4)  # until all have begun
                report(
                    f"{asked.clients} uploads and {streams} live streams at a time", ask(served.url, asked.seconds - 5)
                )
                load.join()
            finally:
                load.kill()


if __name__ == "__main__":
    main()
