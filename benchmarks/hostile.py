"""The server under hostile load: what is left of it afterwards.

    python -m benchmarks hostile soak --seconds 1800     good, broken, huge, cut and hostile requests at full load
    python -m benchmarks hostile connections             memory under 200 connections that never finish a request

Both start `asrcli serve` themselves, on a free port, and fail if a bar is missed. Without --audio they use the reading
in moonshine-voice's wheel.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import io
import itertools
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import numpy as np
import soundfile
import websockets

from benchmarks.server import READING, Served, cuts, serving, upload_good

MAX_UPLOAD = 4 << 20
#: requests at a time
LANES = 24
#: growth of memory, descriptors and threads from the first quarter to the end that is no leak, and beside it
GROWTH, SPARE = 1.1, 2
#: bars of `connections`: factor of the memory at rest, and MB of the documented bounds beside it (192 MiB of messages,
#: 64 MiB of form fields)
FACTOR, BOUNDS = 1.3, 256


class Attack:
    """Requests of all kinds against one server."""

    def __init__(self, url: str, client: httpx.AsyncClient, recording: Path, seed: int) -> None:
        self._client = client
        self._recording = recording
        self._speech = recording.read_bytes()
        quiet = io.BytesIO()
        soundfile.write(quiet, np.zeros(16000 * 600, np.int16), 16000, format="FLAC")
        self._silence = quiet.getvalue()
        self._host, port = url.removeprefix("http://").split(":")
        self._port = int(port)
        self._ws = url.replace("http", "ws")
        self._random = random.Random(seed)
        self.answers: Counter[str] = Counter()
        #: text of the recording
        self.expected = ""

    async def prepare(self) -> None:
        """Transcribe the recording once."""
        self.expected = (await upload_good(self._client, self._recording)).json()["text"]

    async def run(self, until: float, clients: int) -> None:
        """Requests of all kinds, `clients` at a time, until a moment of `time.monotonic`."""
        numbers = itertools.count()

        async def client() -> None:
            while time.monotonic() < until:
                await self.one(next(numbers))

        await asyncio.gather(*(client() for _ in range(clients)))

    async def one(self, number: int) -> None:
        """The next request; what came of it is counted."""
        kinds = self._kinds()
        kind = kinds[number % len(kinds)]
        try:
            reported = await kind()
        except (httpx.HTTPError, OSError, websockets.WebSocketException, asyncio.IncompleteReadError) as error:
            reported = type(error).__name__
        self.answers[f"{kind.__name__.strip('_')}: {reported}"] += 1

    def _kinds(self) -> list[Callable[[], Awaitable[object]]]:
        return [
            self._good, self._streamed, self._left, self._noise, self._cut_short, self._too_large, self._bad_fields,
            self._evil_names, self._no_form, self._liar, self._garbage, self._base64, self._raw, self._ws_good,
            self._ws_bad, self._ws_left, self._job, self._wrong_paths, self._claims, self._half, self._bomb,
        ]  # fmt: skip

    async def _good(self) -> str:
        answer = await upload_good(self._client, self._recording)
        if answer.status_code != 200:
            return str(answer.status_code)
        return "right" if answer.json()["text"] == self.expected else f"WRONG {answer.text[:80]}"

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


# -- soak ------------------------------------------------------------------------------------------------------------


def soak(audio: Path, seconds: float, seed: int) -> None:
    """Print the answers, and resources over time; SystemExit: something leaks, or a good answer is wrong."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        [recording] = cuts(audio, folder, 1, 3)
        limits = ("--max-upload", str(MAX_UPLOAD >> 20), "--max-duration", "300", "--idle-timeout", "5")
        with serving(folder, *limits) as served:
            answers, early, late = asyncio.run(_soak(served, recording, seconds, seed))
            left = [path for path in (folder / "tmp").rglob("*") if path.is_file() and path.name != "lock"]
            left += (folder / "data").rglob("asrcli-recordings/[!.]*")
        for reported, count in sorted(answers.items()):
            print(f"{count:6} {reported}")
        print(f"first quarter: {early}\nat the end:    {late}\nfiles left: {len(left)}")
        failed = [reported for reported in answers if reported.endswith(": 500") or "WRONG" in reported]
        failed += [name for name, value in late.items() if value > GROWTH * early[name] + SPARE]
        failed += map(str, left)
        if failed:
            raise SystemExit(f"failed: {failed}")


async def _soak(
    served: Served, recording: Path, seconds: float, seed: int
) -> tuple[Counter[str], dict[str, int], dict[str, int]]:
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=served.url, timeout=120, trust_env=False, limits=limits) as client:
        attack = Attack(served.url, client, recording, seed)
        await attack.prepare()
        started = time.monotonic()
        await attack.run(started + seconds / 4, LANES)
        early = await _at_rest(served)
        for part in (2, 3, 4):
            await attack.run(started + part * seconds / 4, LANES)
            print(f"{part * seconds / 4:6.0f} s: {served.resources()}", flush=True)
        late = await _at_rest(served)
        await attack.one(0)  # a good request
        return attack.answers, early, late


async def _at_rest(served: Served) -> dict[str, int]:
    """Resources once sessions that were left have timed out; no threads of pools."""
    await asyncio.sleep(8)
    return served.resources() | {"threads": served.own_threads()}


# -- connections -----------------------------------------------------------------------------------------------------


def connections(count: int, seconds: float) -> None:
    """Print the memory of the server process; SystemExit: it is over the bar."""
    with tempfile.TemporaryDirectory() as made, serving(Path(made)) as served:
        idle = served.resources()["MB"]
        peak = asyncio.run(_hold(served, count, seconds))
        health = httpx.get(f"{served.url}/health", trust_env=False).json()
    bar = FACTOR * idle + BOUNDS
    print(f"idle {idle} MB; at most {peak} MB under {count} connections for {seconds:g} s; bar {bar:.0f} MB; {health}")
    if peak > bar or health["status"] != "ok":
        raise SystemExit("failed")


async def _hold(served: Served, count: int, seconds: float) -> int:
    host, port = served.url.removeprefix("http://").split(":")
    until = time.monotonic() + seconds
    ways = [_drip_head, _drip_form, _drip_json, _unread, _huge_message]

    async def one(number: int) -> None:
        while time.monotonic() < until:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                reader, writer = await asyncio.open_connection(host, int(port))
                try:
                    async with asyncio.timeout(max(0.1, until - time.monotonic())):
                        await ways[number % len(ways)](reader, writer)
                finally:
                    writer.transport.abort()  # closing would wait for what the server does not read
            await asyncio.sleep(0.1)

    peak = 0

    async def watch() -> None:
        nonlocal peak
        while time.monotonic() < until:
            peak = max(peak, served.resources()["MB"])
            await asyncio.sleep(0.2)

    await asyncio.gather(watch(), *(one(number) for number in range(count)))
    return peak


async def _drip(writer: asyncio.StreamWriter, data: bytes, size: int = 65536, pause: float = 0.5) -> None:
    while not writer.is_closing():
        writer.write(data[:size])
        await writer.drain()
        await asyncio.sleep(pause)


async def _drip_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\n")
    await _drip(writer, b"x: y\r\n")


async def _drip_form(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=b\r\n"
    writer.write(head + b'content-length: 99999999\r\n\r\n--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n')
    await _drip(writer, bytes(65536))


async def _drip_json(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST /asr HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 60000000\r\n\r\n")
    await _drip(writer, b"[" * 65536)


async def _unread(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Many requests on a connection whose answers are never read."""
    await _drip(writer, b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n" * 100)


async def _huge_message(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A WebSocket message of 16 MiB that never ends."""
    writer.write(
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x82\xff" + (16 << 20).to_bytes(8, "big") + bytes(4))
    await _drip(writer, bytes(1 << 20), 1 << 20, 0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["soak", "connections"])
    parser.add_argument("--audio", type=Path, default=READING)
    parser.add_argument("--seconds", type=float, help="1800 for soak, 60 for connections")
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.what == "soak":
        soak(asked.audio, asked.seconds or 1800, asked.seed)
    else:
        connections(asked.connections, asked.seconds or 60)


if __name__ == "__main__":
    main()
