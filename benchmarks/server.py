"""The server: throughput against the command line, and what is left of it after thousands of bad requests.

    python -m benchmarks server throughput     8 clients at a time against `asrcli transcribe` on the same files
    python -m benchmarks server hostile        good, broken, huge and hostile requests, then a good one

Both start `asrcli serve` themselves, on a free port. Without --audio they use the reading in moonshine-voice's wheel.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import io
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import moonshine_voice
import numpy as np
import soundfile
import websockets

from benchmarks.measure import descendants_of, memory_of, run

CLIENTS = 8
MAX_UPLOAD = 4 << 20


class Served:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def memory(self) -> int:
        """Bytes of all its processes."""
        return memory_of(self.process.pid)

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
    command = [sys.executable, "-m", "asrcli", "serve", "--port", "0", "--funasr-port", "0", "--log-json",
               "--data-dir", str(folder / "data"), *options]  # fmt: skip
    with (folder / "log").open("w+", encoding="utf-8") as log:
        environment = os.environ | {"TMPDIR": str(temporary)}
        process = subprocess.Popen(command, stderr=log, env=environment, text=True)
        try:
            yield Served(process, _listening(process, folder / "log"))
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


# -- throughput ------------------------------------------------------------------------------------------------------


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

        async def lane() -> None:
            while waiting:
                answer = await upload_good(client, waiting.pop())
                answer.raise_for_status()

        begun = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(CLIENTS)))
        return time.perf_counter() - begun


async def upload_good(client: httpx.AsyncClient, path: Path, **fields: str) -> httpx.Response:
    files = {"file": (path.name, await asyncio.to_thread(path.read_bytes))}
    return await client.post("/v1/audio/transcriptions", files=files, data={"model": "whisper-1", **fields})


# -- hostile ---------------------------------------------------------------------------------------------------------


class Attack:
    """Requests of all kinds against one server."""

    def __init__(self, served: Served, client: httpx.AsyncClient, recording: Path, seed: int) -> None:
        self._client = client
        self._recording = recording
        self._speech = recording.read_bytes()
        quiet = io.BytesIO()
        soundfile.write(quiet, np.zeros(16000 * 600, np.int16), 16000, format="FLAC")
        self._silence = quiet.getvalue()
        self._host, port = served.url.removeprefix("http://").split(":")
        self._port = int(port)
        self._ws = served.url.replace("http", "ws")
        self._random = random.Random(seed)
        self.answers: Counter[str] = Counter()

    async def one(self, number: int) -> None:
        """The next request; what came of it is counted."""
        kinds = self._kinds()
        kind = kinds[number % len(kinds)]
        try:
            told = await kind()
        except (httpx.HTTPError, OSError, websockets.WebSocketException, asyncio.IncompleteReadError) as error:
            told = type(error).__name__
        self.answers[f"{kind.__name__.strip('_')}: {told}"] += 1

    def _kinds(self) -> list[Callable[[], Awaitable[object]]]:
        return [
            self._good, self._streamed, self._left, self._noise, self._cut_short, self._too_large, self._bad_fields,
            self._evil_names, self._no_form, self._liar, self._garbage, self._base64, self._raw, self._ws_good,
            self._ws_bad, self._ws_left, self._job, self._wrong_paths, self._claims, self._half, self._bomb,
        ]  # fmt: skip

    async def _good(self) -> int:
        return (await upload_good(self._client, self._recording)).status_code

    async def _streamed(self) -> int:
        return (await upload_good(self._client, self._recording, stream="true")).status_code

    async def _left(self) -> str:
        """Goes away in the middle of the answer."""
        data = {"stream": "true"}
        files = {"file": self._speech}
        async with self._client.stream("POST", "/v1/audio/transcriptions", files=files, data=data) as answer:
            async for _ in answer.aiter_bytes():
                break
        return "left"

    async def _noise(self) -> int:
        return await self._upload(self._random.randbytes(20_000))

    async def _cut_short(self) -> int:
        return await self._upload(self._speech[: self._random.randrange(1, 2000)])

    async def _too_large(self) -> int:
        return await self._upload(bytes(MAX_UPLOAD + 1))

    async def _upload(self, body: bytes, name: str = "a.wav", **fields: str) -> int:
        return (
            await self._client.post("/v1/audio/transcriptions", files={"file": (name, body)}, data=fields)
        ).status_code

    async def _bad_fields(self) -> int:
        fields = self._random.choice(
            [{"model": "../../etc/passwd"}, {"temperature": "nan"}, {"language": "\x00"}, {"hotwords": "{" * 5000},
             {"response_format": "exe"}, {"prompt": "x" * 200_000}, {"chunking_strategy": "[" * 2000}]
        )  # fmt: skip
        return await self._upload(self._speech, **fields)

    async def _evil_names(self) -> int:
        name = self._random.choice(
            ["../../../tmp/evil", "/etc/passwd", "a\x00b", "con.wav", "-i", "%s%n" * 99, "x" * 9000]
        )
        return await self._upload(self._speech[:3000], name)

    async def _no_form(self) -> int:
        kind = self._random.choice(["application/json", "multipart/form-data", "multipart/form-data; boundary=x", ""])
        body = self._random.choice([b"{}", b"--x\r\n" * 1000, b"[" * 100_000, b"\xff" * 1000])
        headers = {"content-type": kind}
        return (await self._client.post("/v1/audio/transcriptions", content=body, headers=headers)).status_code

    async def _liar(self) -> str:
        """Promises a body that never comes."""
        return await self._bytes(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\nxx"
        )

    async def _garbage(self) -> str:
        return await self._bytes(self._random.randbytes(3000))

    async def _half(self) -> str:
        form = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + self._speech[:5000]
        head = b"POST /v1/jobs HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=b\r\n"
        return await self._bytes(head + b"content-length: 50000\r\n\r\n" + form)

    async def _bytes(self, data: bytes) -> str:
        _, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(data)
        await writer.drain()
        writer.close()
        return "sent"

    async def _base64(self) -> int:
        wav = self._random.choice([base64.b64encode(self._speech).decode(), "!", 7, None, "QUJD" * 50_000])
        return (await self._client.post("/asr", json={"wav": wav})).status_code

    async def _raw(self) -> int:
        body = self._random.choice([self._speech, b"", self._random.randbytes(5000)])
        query = self._random.choice(["", "?format=pcm&sample_rate=1", "?appkey=a&vocabulary_id=" + "x" * 5000])
        return (await self._client.post("/stream/v1/asr" + query, content=body)).status_code

    async def _ws_good(self) -> str:
        async with websockets.connect(self._ws, ping_interval=None, proxy=None) as socket:
            await socket.send(
                json.dumps({"mode": "offline", "wav_name": "a", "wav_format": "wav", "is_speaking": True})
            )
            await socket.send(self._speech)
            await socket.send(json.dumps({"is_speaking": False}))
            return "text" if json.loads(await socket.recv())["text"] else "no text"

    async def _ws_bad(self) -> str:
        path = self._random.choice(["/", "/ws/v1/asr", "/ws/v1/asr/qwen"])
        frames: list[str | bytes] = [
            "[" * 50_000, "{}", '{"header": 1}', '{"type": "start", "payload": 3}', b"\x00" * 999, "START",
            '{"mode": "2pass", "chunk_size": [0, -1], "audio_fs": 1e99, "hotwords": 5}',
        ]  # fmt: skip
        async with websockets.connect(self._ws + path, ping_interval=None, proxy=None) as socket:
            await socket.send(self._random.choice(frames))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.5)
        return "closed"

    async def _ws_left(self) -> str:
        """Goes away without a word in the middle of its sentence."""
        socket = await websockets.connect(self._ws, ping_interval=None, proxy=None)
        await socket.send(json.dumps({"mode": "2pass", "wav_name": "a", "is_speaking": True}))
        await socket.send(self._speech[44:])
        socket.transport.abort()
        return "left"

    async def _job(self) -> int:
        answer = await self._client.post("/v1/jobs", files={"file": self._speech})
        if answer.status_code != 202:
            return answer.status_code
        return (await self._client.delete(f"/v1/jobs/{answer.json()['id']}")).status_code

    async def _wrong_paths(self) -> int:
        path = self._random.choice(
            ["/page/assets/../router.py", "/v1/models/" + "%2e%2e%2f" * 50, "/v1/jobs/x'--", "/docs/.."]
        )
        return (await self._client.request(self._random.choice(["GET", "POST", "PUT", "BREW"]), path)).status_code

    async def _claims(self) -> int:
        """A WAV whose header promises four gigabytes."""
        body = bytearray(self._speech[:20_000])
        body[4:8] = body[40:44] = b"\xff\xff\xff\xff"
        return await self._upload(bytes(body))

    async def _bomb(self) -> int:
        """Ten minutes of silence in a few kilobytes."""
        return await self._upload(self._silence, "a.flac")


def hostile(audio: Path, requests: int, seed: int) -> None:
    """Print what became of the requests, of the memory and of the disk.

    Raises:
        SystemExit: the server did not stand it.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        [recording] = cuts(audio, folder, 1, 3)
        limits = ("--max-upload", str(MAX_UPLOAD >> 20), "--max-duration", "300", "--idle-timeout", "5")
        with serving(folder, *limits) as served:
            answers, before, after, texts = asyncio.run(_attack(served, recording, requests, seed))
            left = [path for path in (folder / "tmp").rglob("*") if path.is_file()]
            kept = list((folder / "data").rglob("recordings/*"))
            restarts = _restarts(served.url)
        for told, count in sorted(answers.items()):
            print(f"{count:6} {told}")
        print(
            f"memory after warm-up {before >> 20} MB, at the end {after >> 20} MB: {100 * (after / before - 1):+.1f} %"
        )
        print(f"files left: {len(left)} temporary, {len(kept)} of jobs; engine restarts: {restarts}")
        for path in left + kept:
            print(f"  {path.relative_to(folder)}")
        print(f"the good request before: {texts[0]!r}\nand after:               {texts[1]!r}")
        failed = [told for told in answers if told.endswith(": 500")]
        if failed or left or kept or texts[0] != texts[1] or after > 1.1 * before:
            raise SystemExit(f"failed: {failed or 'see above'}")


async def _attack(
    served: Served, recording: Path, requests: int, seed: int
) -> tuple[Counter[str], int, int, tuple[str, str]]:
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=served.url, timeout=120, trust_env=False, limits=limits) as client:
        first = (await upload_good(client, recording)).json()["text"]
        attack = Attack(served, client, recording, seed)
        numbers = iter(range(requests))
        before = 0

        async def lane() -> None:
            nonlocal before
            for number in numbers:
                await attack.one(number)
                if number == requests // 4:
                    before = served.memory()

        await asyncio.gather(*(lane() for _ in range(CLIENTS)))
        await asyncio.sleep(8)  # sessions that were left time out
        last = (await upload_good(client, recording)).json()["text"]
        return attack.answers, before, served.memory(), (first, last)


def _restarts(url: str) -> str:
    lines = httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()
    return ", ".join(line.split()[-1] for line in lines if "restart" in line and not line.startswith("#")) or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["throughput", "hostile"])
    parser.add_argument("--audio", type=Path, default=Path(moonshine_voice.__file__).parent / "assets/two_cities.wav")
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.what == "throughput":
        throughput(asked.audio, asked.files, asked.rounds)
    else:
        hostile(asked.audio, asked.requests, asked.seed)


if __name__ == "__main__":
    main()
