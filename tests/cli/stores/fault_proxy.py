"""A proxy in front of an S3 server that fails in the ways networks and stores do."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_OWN_HEADERS = {"connection", "transfer-encoding", "content-length", "server", "date"}


@dataclass
class Fault:
    """What happens to requests that match "METHOD PATH?QUERY", so many times."""

    kind: str
    pattern: str
    times: int = 1
    #: called before the request is passed on
    before: Callable[[], object] = lambda: None


class FaultProxy(ThreadingHTTPServer):
    """`faults` may be changed at any time; `seen` has all requests; `page`: most keys of a page of a listing."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = port
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self.page: int | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, request: str) -> Fault | None:
        """The fault of a request."""
        with self._lock:
            self.seen.append(request)
            for fault in self.faults:
                if fault.times and re.search(fault.pattern, request):
                    fault.times -= 1
                    return fault
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = self.path
        if self.server.page and "list-type=2" in path:
            path += f"&max-keys={self.server.page}"
        fault = self.server.take(f"{self.command} {path}")
        kind = fault.kind if fault else ""
        if fault:
            fault.before()
        if kind in {"503", "403"}:
            self._refuse(kind)
            return
        if kind == "reset":
            self._hang_up()
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=60)
        with contextlib.closing(connection):
            connection.request(self.command, path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            self._answer(answer, answer.read(), kind)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass_on  # noqa: N815 -- as http.server calls them

    def _refuse(self, kind: str) -> None:
        code = {"503": "ServiceUnavailable", "403": "AccessDenied"}[kind]
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>refused</Message></Error>".encode()
        self.send_response(int(kind))
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _answer(self, answer: http.client.HTTPResponse, data: bytes, kind: str) -> None:
        length = str(len(data)) if self.command != "HEAD" else answer.headers.get("content-length", "0")
        if kind == "truncated" and self.command != "HEAD":  # with headers that agree
            data = data[: len(data) // 2]
            length = str(len(data))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _OWN_HEADERS:
                self.send_header(name, value)
        self.send_header("content-length", length)
        self.end_headers()
        if self.command == "HEAD":
            return
        if kind == "slow":
            for start in range(0, len(data), max(1, len(data) // 4)):
                self.wfile.write(data[start : start + max(1, len(data) // 4)])
                time.sleep(0.1)
        elif kind in {"cut", "cut-reset"}:
            self.wfile.write(data[: len(data) // 2])
            self._hang_up(reset=kind == "cut-reset")
        elif kind == "lost":  # the server has done it, and the answer does not arrive
            self._hang_up()
        else:
            self.wfile.write(data)

    def _hang_up(self, *, reset: bool = True) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            if not reset:
                self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def log_message(self, *_: str) -> None:
        pass
