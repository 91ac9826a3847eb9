"""A server of OpenAI's audio interface that does what a test shows it, and our own, in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from asrcli.backends.remote.check import remote_spec

WELL = {"text": "do re", "language": "english"}


@dataclass
class Asked:
    """One request, as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    #: name -> values of the form; of a file its bytes
    form: dict[str, list[Any]]
    at: float = field(default_factory=time.monotonic)
    #: which connection it came on
    connection: int = 0

    def one(self, name: str) -> Any:
        """The value of a field that came once; None where it did not come."""
        values = self.form.get(name, [])
        assert len(values) <= 1
        return values[0] if values else None


@dataclass
class Mimic:
    """Answers the requests in order with `script`, then with `WELL`.

    An answer is a status and a body (bytes, or what becomes JSON) and perhaps headers; or "cut" (half an answer),
    "reset" (none), "hold" (waits for `go`, then answers well), "endless"; or a function of the request to one of these.
    """

    url: str = ""
    script: list[Any] = field(default_factory=list)
    otherwise: Any = field(default_factory=lambda: (200, WELL))
    asked: list[Asked] = field(default_factory=list)
    models: Any = field(default_factory=lambda: (200, {"data": [{"id": "big"}, {"id": "small"}]}))
    go: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def posts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    def spec(self, **options: Any) -> Any:
        return remote_spec(self.url, options=options)


class _Handler(BaseHTTPRequestHandler):
    mimic: ClassVar[Mimic]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_args: Any) -> None:
        """Tests need no access log."""

    def do_GET(self) -> None:
        self._note({})
        self._say(self.mimic.models)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = self._note(_form(self.headers["Content-Type"], body))
        with self.mimic.lock:
            answer = self.mimic.script.pop(0) if self.mimic.script else self.mimic.otherwise
        if callable(answer):
            answer = answer(asked)
        if answer == "hold":
            self.mimic.go.wait(60)
            answer = (200, WELL)
        if isinstance(answer, str):
            getattr(self, f"_{answer}")()
        else:
            self._say(answer)

    def _note(self, form: dict[str, list[Any]]) -> Asked:
        asked = Asked(self.command, self.path, dict(self.headers), form, connection=self.client_address[1])
        with self.mimic.lock:
            self.mimic.asked.append(asked)
        return asked

    def _say(self, answer: tuple[Any, ...]) -> None:
        status, body, headers = (*answer, {})[:3]
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if isinstance(body, bytes) else {"Content-Type": "application/json"}
        self.send_response(status)
        for name, value in (kind | {"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"text": "half')
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")

    def handle(self) -> None:
        with suppress(OSError, ValueError):  # the client has had enough, or we have closed the connection
            super().handle()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()


def _form(content_type: str, body: bytes) -> dict[str, list[Any]]:
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    form: dict[str, list[Any]] = {}
    for part in message.get_payload():
        name: Any = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        form.setdefault(name, []).append(data if part.get_filename() else data.decode())
    return form


@contextmanager
def mimicking(tls: ssl.SSLContext | None = None) -> Iterator[Mimic]:
    mimic = Mimic()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"mimic": mimic}))
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    mimic.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield mimic
    finally:
        mimic.go.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def secure_mimic() -> Callable[[ssl.SSLContext], Any]:
    """`with secure_mimic(context) as mimic:`: the same behind TLS."""
    return mimicking


@pytest.fixture
def mimic() -> Iterator[Mimic]:
    with mimicking() as found:
        yield found


@dataclass
class Program:
    """`python -m asrcli` in a folder and a home of its own."""

    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "asrcli", *map(str, arguments)]

    def __call__(self, *arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment | (env or {}),
            timeout=100,
            check=False,
        )


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASRCLI_", "XDG_"))}
    homes = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "DATA", "CACHE")}
    return kept | homes | {"HOME": str(folder), "PYTHONWARNINGS": "error"}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    (tmp_path / "work").mkdir()
    return Program(tmp_path / "work", _environment(tmp_path))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, tone_models: Callable[..., Path]) -> Iterator[tuple[str, str]]:
    """Our own server with a model of tones: its address and its key."""
    folder = tmp_path_factory.mktemp("served")
    key = "sesame-of-the-test"
    program = Program(folder, _environment(folder))
    options = ["--port", "0", "--funasr-port", "0", "--log-json", "--api-key", key]
    command = program.command("serve", "--model", tone_models("sense_voice"), *options)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder, env=program.environment) as process:
        try:
            yield _address(process), key
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("event") == "listening":
            return str(event["url"])
    raise AssertionError("the server did not start")


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Wait for something that must come to pass."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait
