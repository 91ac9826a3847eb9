"""A real HTTP server on the loopback, which can misbehave on cue."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


def tar_of(files: dict[str, bytes], mode: Any = "w:bz2") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@dataclass
class Server:
    """What is served, what goes wrong, and what was asked.

    `faults[path]` is used up one request at a time; then the path is served well. A fault is a tuple:
    ("status", 503[, headers]), ("cut", n) after n bytes of the body, ("stall", n) then waits for `go`, ("lie", offset)
    answers another range, ("redirect", url), ("no-range",) sends it all, ("endless",).
    """

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    #: (path, Range or "") of every request
    requests: list[tuple[str, str]] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)

    def serve(self, path: str, data: bytes, *faults: tuple[Any, ...]) -> str:
        self.files[path] = data
        self.etags[path] = f'"{hash(data):x}"'
        self.faults[path] = list(faults)
        return self.base + path


class _Handler(BaseHTTPRequestHandler):
    server_state: ClassVar[Server]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: Any) -> None:
        """Tests need no access log."""

    def do_GET(self) -> None:
        self.close_connection = True
        state, wanted = self.server_state, self.headers.get("Range", "")
        path = self.path.split("?")[0]
        state.requests.append((path, wanted))
        if path not in state.files:
            self._head(404, 0)
            return
        data = state.files[path]
        faults = state.faults.get(path, [])
        fault = faults.pop(0) if faults else ("",)
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        if self.headers.get("If-Range", state.etags[path]) != state.etags[path] or fault[0] == "no-range":
            start = 0
        self._answer(path, data, start, fault)

    def _answer(self, path: str, data: bytes, start: int, fault: tuple[Any, ...]) -> None:
        kind = fault[0]
        if kind == "status":
            self._head(fault[1], 0, **(fault[2] if len(fault) > 2 else {}))
            return
        if kind == "redirect":
            self._head(302, 0, Location=fault[1])
            return
        if kind == "endless":
            self._head(200, None)
            while True:
                self.wfile.write(b"\0" * 65536)
        if start and start >= len(data):
            self._head(416, 0, **{"Content-Range": f"bytes */{len(data)}"})
            return
        body = data[start:]
        ranged = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        if kind == "lie" and start:
            body = data[fault[1] :]
            ranged = {"Content-Range": f"bytes {fault[1]}-{len(data) - 1}/{len(data)}"}
        validator = {"ETag": etag} if (etag := self.server_state.etags[path]) else {}
        self._head(206 if ranged else 200, len(body), **validator, **ranged)
        if kind in {"cut", "stall"}:
            self.wfile.write(body[: fault[1]])
            self.wfile.flush()
            if kind == "cut":
                return
            self.server_state.go.wait(60)
            body = body[fault[1] :]
        self.wfile.write(body)

    def _head(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client has had enough
            super().handle()


@contextmanager
def serving() -> Iterator[Server]:
    state = Server()
    handler = type("Handler", (_Handler,), {"server_state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        httpd.daemon_threads = True
        state.base = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            state.go.set()
            httpd.shutdown()
            thread.join()
