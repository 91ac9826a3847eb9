"""A real server on a port of its own, with the embedded model, in a thread of the test's process."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile as sf
from fastapi import FastAPI

from asrcli.server.app import create_app
from asrcli.server.bounds import LEAST_READ
from asrcli.server.http.uvicorn_protocols import unread
from asrcli.server.loop_monitor import MONITORS, LoopMonitor
from asrcli.server.protocols.wyoming.listener import WyomingListener
from asrcli.server.run import Server, configure, listen
from asrcli.server.settings import ServerSettings

MODEL = "moonshine-tiny-en"


#: CPU seconds for which one callback may hold a server's event loop
LONGEST_CALLBACK = 0.05
#: those of longer ones, and what they did
_slow: list[tuple[float, str]] = []
#: what callbacks that run for long did, by the time of their start
_stacks: dict[float, str] = {}


@pytest.fixture(scope="session", autouse=True)
def _watched_loops() -> Iterator[None]:
    watched: Any = LoopMonitor
    original, ending = watched.note, threading.Event()

    def note(self: Any, seconds: Any, handle: Any) -> None:
        original(self, seconds, handle)
        if seconds > LONGEST_CALLBACK:
            _slow.append((seconds, f"{seconds:.3f} s: {handle!r}\n{_stacks.get(self.started, '')}"))

    sampler = threading.Thread(target=_sample, args=(ending,), name="sampler")
    sampler.start()
    watched.note = note
    yield
    watched.note = original
    ending.set()
    sampler.join()


def _sample(ending: threading.Event) -> None:
    """Keep a stack of each callback that runs for long, to find what it did."""
    while not ending.wait(LONGEST_CALLBACK / 4):
        for thread, monitor in list(MONITORS.items()):
            if monitor.running and time.monotonic() - monitor.started > LONGEST_CALLBACK / 2:
                # Not in a variable: a frame keeps what its function has held.
                stack = traceback.format_stack(sys._current_frames().get(thread))
                _stacks[monitor.started] = "".join(stack[-12:])


@pytest.fixture(autouse=True)
def _loop_stays_free() -> Iterator[None]:
    """No callback may block the event loop of a server: all its clients would wait."""
    _slow.clear()
    _stacks.clear()
    yield
    if _slow:
        limit = LONGEST_CALLBACK * _slowness()
        assert not [what for seconds, what in _slow if seconds > limit], (
            f"callbacks that hold the loop over {limit:.3f} s"
        )


def _slowness() -> float:
    """How many times longer than usual this machine takes for 10 ms of work, at worst: it may be slow, or too busy to
    measure CPU time well.
    """

    def measured(_: int) -> float:
        started = time.thread_time()
        sum(range(1_000_000))
        return time.thread_time() - started

    return max(1.0, *(seconds / 0.01 for seconds in map(measured, range(20))))


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest.fixture(autouse=True)
def _no_error_is_lost() -> Iterator[None]:
    """asyncio logs exceptions that nothing has retrieved, in the operator's log, too."""
    handler = _Records()
    logging.getLogger("asyncio").addHandler(handler)
    yield
    logging.getLogger("asyncio").removeHandler(handler)
    assert not handler.messages


@dataclass
class Running:
    """A server that takes connections."""

    app: FastAPI
    port: int
    secure: bool = False
    #: of the Wyoming listener, if the settings have one (its number there does not count)
    wyoming_port: int = 0
    #: starts the shutdown, as SIGTERM does
    stop: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http{'s' if self.secure else ''}://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws{'s' if self.secure else ''}://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=200, trust_env=False, **options)


@contextmanager
def running(**settings: Any) -> Iterator[Running]:
    """A server with these settings; stopped by its own handle."""
    with tempfile.TemporaryDirectory() as folder:
        own: dict[str, Any] = {"model": MODEL, "drain_timeout": 5, "data_dir": Path(folder)}
        with _running(ServerSettings(port=0, **own | settings)) as server:
            yield server


@contextmanager
def _running(options: ServerSettings) -> Iterator[Running]:
    app = create_app(options)
    socket = listen(options.host, 0)
    started = threading.Event()
    wyoming = WyomingListener(app, listen(options.host, 0)) if options.wyoming_port else None
    server = Server(configure(app, options), started.set, wyoming)
    thread = threading.Thread(target=server.run, args=([socket],), name="server under test")
    thread.start()
    try:
        assert started.wait(60), "the server did not start"
        yield Running(
            app,
            socket.getsockname()[1],
            options.certfile is not None,
            wyoming.listener.getsockname()[1] if wyoming else 0,
            lambda: setattr(server, "should_exit", True),
        )
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "the server did not end"
        if wyoming:
            wyoming.listener.close()


class SlowReader:
    """A client that reads slowly while a server looks at its progress at least twice, and then quickly.

    In the time in which the server wants `LEAST_READ` bytes to be read it reads four times as much, in four pieces.
    """

    #: in place of WRITE_TIMEOUT; long, so that a machine that stops for a moment does not make the client too slow
    PATIENCE = 3.0

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._until = time.monotonic() + 2.5 * self.PATIENCE
        line.settimeout(60)

    @classmethod
    def watch(cls, monkeypatch: pytest.MonkeyPatch, module: Any) -> list[int]:
        """The sizes that `unread` of this module finds from now on, with the patience of this class."""
        looks: list[int] = []

        def look(transport: Any) -> int:
            looks.append(unread(transport))
            return looks[-1]

        monkeypatch.setattr(module, "WRITE_TIMEOUT", cls.PATIENCE)
        monkeypatch.setattr(module, "unread", look)
        return looks

    @staticmethod
    def connect(port: int) -> socket.socket:
        """A connection for which the kernel keeps little."""
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LEAST_READ)
        line.connect(("127.0.0.1", port))
        return line

    def read(self) -> bytes:
        """The next bytes; none at the end."""
        if time.monotonic() > self._until:
            return self._line.recv(1 << 17)
        time.sleep(self.PATIENCE / 4)
        return self._line.recv(LEAST_READ)


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[Running]]:
    """`with serving(api_keys=("k",)) as server:`: a server with settings of one's own."""
    return running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of a module; its model is loaded once."""
    with running(data_dir=tmp_path_factory.mktemp("data"), preload=(MODEL,)) as found:
        yield found


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client() as found:
        yield found


@pytest.fixture(scope="session")
def cities(wheel_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 8 seconds of a reading of "A Tale of Two Cities": the best and the worst of times."""
    return _cut(wheel_audio / "two_cities.wav", tmp_path_factory.mktemp("speech") / "cities.wav", 8)


@pytest.fixture(scope="session")
def long_cities(wheel_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 44 seconds."""
    path = tmp_path_factory.mktemp("speech") / "long.wav"
    shutil.copy(wheel_audio / "two_cities.wav", path)
    return path


@pytest.fixture(scope="session")
def silence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "silence.wav"
    sf.write(path, np.zeros(2 * 16000, np.float32), 16000)
    return path


def _cut(source: Path, target: Path, seconds: float) -> Path:
    samples, rate = sf.read(source, frames=int(seconds * sf.info(source).samplerate))
    sf.write(target, samples, rate, subtype="PCM_16")
    return target


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key
