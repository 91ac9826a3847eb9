"""A real server on a port of its own, with the embedded model, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import gc
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile as sf
from fastapi import FastAPI

from asrcli.server.app import create_app
from asrcli.server.run import Server, configure, listen
from asrcli.server.settings import ServerSettings

MODEL = "moonshine-tiny-en"


#: CPU seconds for which one callback may hold a server's event loop
LONGEST_CALLBACK = 0.05
_slow: list[str] = []


class _Collecting(threading.local):
    """CPU seconds of garbage collections in this thread."""

    seconds = 0.0


_collecting = _Collecting()


def _timed_run(run):
    """`asyncio.Handle._run`, noting callbacks of servers that take too long."""

    def timed(handle):
        started, collecting = time.thread_time(), _collecting.seconds
        try:
            return run(handle)
        finally:
            took = time.thread_time() - started - (_collecting.seconds - collecting)
            if took > LONGEST_CALLBACK and threading.current_thread().name.startswith("server under test"):
                _slow.append(f"{took:.3f} s: {handle!r}")

    return timed


def _time_collection(phase, info):
    """Garbage collection walks over all objects of the tests, too: its time does not count."""
    _collecting.seconds += time.thread_time() * (1 if phase == "stop" else -1)


@pytest.fixture(scope="session", autouse=True)
def _watched_loops():
    original = asyncio.Handle._run
    asyncio.Handle._run = _timed_run(original)
    gc.callbacks.append(_time_collection)
    yield
    gc.callbacks.remove(_time_collection)
    asyncio.Handle._run = original


@pytest.fixture(autouse=True)
def _loop_stays_free():
    """No callback may block the event loop of a server: all its clients would wait."""
    _slow.clear()
    yield
    assert not _slow, "callbacks that hold the event loop"


@dataclass
class Running:
    """A server that takes connections."""

    app: FastAPI
    port: int
    secure: bool = False
    #: starts the shutdown, as SIGTERM does
    stop: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http{'s' if self.secure else ''}://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws{'s' if self.secure else ''}://127.0.0.1:{self.port}"

    def client(self, **options) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False, **options)


@contextmanager
def running(**settings) -> Iterator[Running]:
    """A server with these settings; stopped by its own handle."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"model": MODEL, "drain_timeout": 5, "data_dir": Path(folder)}
        with _running(ServerSettings(port=0, **own | settings)) as server:
            yield server


@contextmanager
def _running(options: ServerSettings) -> Iterator[Running]:
    app = create_app(options)
    socket = listen(options.host, 0)
    started = threading.Event()
    server = Server(configure(app, options), started.set)
    thread = threading.Thread(target=server.run, args=([socket],), name="server under test")
    thread.start()
    try:
        assert started.wait(60), "the server did not start"
        yield Running(
            app, socket.getsockname()[1], options.certfile is not None, lambda: setattr(server, "should_exit", True)
        )
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "the server did not end"


@pytest.fixture(scope="session")
def serving() -> Callable[..., object]:
    """`with serving(api_keys=("k",)) as server:`: a server with settings of one's own."""
    return running


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Running]:
    """One server for the tests of a module; its model is loaded once."""
    with running(data_dir=tmp_path_factory.mktemp("data"), preload=(MODEL,)) as found:
        yield found


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client() as found:
        yield found


@pytest.fixture(scope="session")
def cities(wheel_audio, tmp_path_factory) -> Path:
    """The first 8 seconds of a reading of "A Tale of Two Cities": the best and the worst of times."""
    return _cut(wheel_audio / "two_cities.wav", tmp_path_factory.mktemp("speech") / "cities.wav", 8)


@pytest.fixture(scope="session")
def long_cities(wheel_audio, tmp_path_factory) -> Path:
    """All 44 seconds."""
    path = tmp_path_factory.mktemp("speech") / "long.wav"
    shutil.copy(wheel_audio / "two_cities.wav", path)
    return path


@pytest.fixture(scope="session")
def silence(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "silence.wav"
    sf.write(path, np.zeros(2 * 16000, np.float32), 16000)
    return path


def _cut(source: Path, target: Path, seconds: float) -> Path:
    samples, rate = sf.read(source, frames=int(seconds * sf.info(source).samplerate))
    sf.write(target, samples, rate, subtype="PCM_16")
    return target
