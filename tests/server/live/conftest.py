"""What live clients send to the real server of the folder above, and how they listen."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import websockets

from asrcli.audio.resample import Resampler
from tests.server.conftest import Running

#: seconds that an answer may take; generous, as machines that test are slow
PATIENCE = 200.0


@pytest.fixture(scope="session")
def speech(wheel_audio: Path) -> np.ndarray:
    """Twelve seconds of "It was the best of times, it was the worst of times ...", float32 at 16 kHz."""
    samples, rate = soundfile.read(wheel_audio / "two_cities.wav", dtype="float32")
    resampler = Resampler(rate, 1)
    return np.concatenate([resampler.push(samples[: 12 * rate, None]), resampler.finish()])[:, 0]


def pcm(samples: np.ndarray) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


@pytest.fixture(scope="session")
def said(speech: np.ndarray) -> bytes:
    """Four seconds at 24 kHz."""
    at = np.arange(0, 4, 1 / 24000) * 16000
    return pcm(np.interp(at, np.arange(len(speech)), speech).astype(np.float32))


def silence(seconds: float) -> bytes:
    return bytes(round(seconds * 16000) * 2)


def plain(text: str) -> str:
    """Words alone."""
    return " ".join("".join(char for char in word if char.isalnum()).lower() for word in text.split())


class Client:
    """A WebSocket client that speaks JSON."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def send_json(self, body: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(body))

    async def play(self, data: bytes, frame: int = 6400) -> None:
        for start in range(0, len(data), frame):
            await self.socket.send(data[start : start + frame])

    async def speak(self, data: bytes, haste: float = 2.0) -> None:
        """Send audio about as fast as it is spoken, in frames of 60 ms."""
        started = time.monotonic()
        for start in range(0, len(data), 1920):
            await asyncio.sleep(max(0.0, started + start / 32000 / haste - time.monotonic()))
            await self.socket.send(data[start : start + 1920])

    async def hear(self) -> dict[str, Any]:
        return json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE))

    async def hear_until(self, last: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """All messages up to the one for which `last` holds."""
        heard = [await self.hear()]
        while not last(heard[-1]):
            heard.append(await self.hear())
        return heard

    async def gone(self) -> int:
        """Wait for the server to hang up; the close code."""
        await asyncio.wait_for(self.socket.wait_closed(), PATIENCE)
        return self.socket.close_code


@pytest.fixture
def talk(server: Running) -> Callable[..., Any]:
    """`talk(path, story)`: run an async story with a client connected there."""

    def run(path: str, story: Callable[..., Any], *, to: Running = server, **options: Any) -> Any:
        async def connected() -> Any:
            waits: dict[str, Any] = {"open_timeout": PATIENCE, "ping_interval": None}
            async with websockets.connect(to.ws + path, max_size=None, **waits | options) as socket:
                return await story(Client(socket))

        return asyncio.run(connected())

    return run
