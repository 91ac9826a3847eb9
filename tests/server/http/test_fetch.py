"""Recordings by address: from public places only, in bounded time and size."""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from asrcli.errors import (
    CancelledError,
    FetchError,
    FetchForbiddenError,
    FetchSizeError,
    FetchTimeoutError,
    MachineError,
)
from asrcli.storage.fetch import Guard, check_url, fetch

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
PUBLIC_ONLY = Guard(max_bytes=1 << 20, max_seconds=20)
OPEN = Guard(max_bytes=1 << 20, max_seconds=20, networks=LOOPBACK)


class _Site(BaseHTTPRequestHandler):
    """A web server of all kinds of manners."""

    server: Any

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.seen.append(self.path)
        getattr(self, parts.path.strip("/").replace("-", "_") or "file")(parse_qs(parts.query))

    def file(self, _query: dict[str, Any]) -> None:
        self._head(200, {"content-length": str(len(self.server.body))})
        self.wfile.write(self.server.body)

    def go(self, query: dict[str, Any]) -> None:
        self._head(302, {"location": query["to"][0], "content-length": "0"})

    def missing(self, _query: dict[Any, Any]) -> None:
        self._head(404, {"content-length": "0"})

    def endless(self, _query: dict[Any, Any]) -> None:
        self._head(200, {"transfer-encoding": "chunked"})
        try:
            while True:
                self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        except OSError:
            self.close_connection = True

    def claims(self, _query: dict[Any, Any]) -> None:
        self._head(200, {"content-length": str(1 << 40)})
        self.close_connection = True

    def breaks_off(self, _query: dict[Any, Any]) -> None:
        self._head(200, {"content-length": "1000"})
        self.wfile.write(b"x" * 10)
        self.close_connection = True

    def drips(self, _query: dict[Any, Any]) -> None:
        try:
            while not self.server.over.wait(0.05):
                self.wfile.write(b"H")
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True

    def _head(self, status: int, headers: dict[str, Any]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: str) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.body, server.over, server.seen = b"sound" * 100, threading.Event(), []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def get(url: str, tmp_path: Path, guard: Guard = OPEN, cancelled: Callable[..., Any] = lambda: False) -> int:
    return fetch(url, tmp_path / "got", guard, cancelled)


def test_a_recording_comes_whole(site: Any, tmp_path: Path) -> None:
    assert get(f"{site.url}/file?a=b%20c", tmp_path) == 500
    assert (tmp_path / "got").read_bytes() == site.body
    assert site.seen == ["/file?a=b%20c"]


def test_redirects_are_followed_and_counted(site: Any, tmp_path: Path) -> None:
    assert get(f"{site.url}/go?to=/file", tmp_path) == 500
    loop = f"{site.url}/go?to=/go%3Fto=/go"
    with pytest.raises(FetchError):
        get(loop, tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a", "file:///etc/passwd", "gopher://x/", "//example.com/a", "example.com", "",
        "http://", "http://user:secret@example.com/a", "http://exa mple.com/", "http://example.com:0x50/",
        "http://example.com/\r\nhost: evil", "http://[::1/", "http://example.com:99999/",
        "http://" + "a" * 300 + ".com/",
    ],
)  # fmt: skip
def test_what_is_no_address(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError):
        get(url, tmp_path, PUBLIC_ONLY)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "[::1]", "[::]",
        "[fe80::1]", "[fc00::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "[2001:db8::1]", "localhost",
    ],
)  # fmt: skip
def test_private_places_in_every_spelling(host: str, tmp_path: Path) -> None:
    with pytest.raises(FetchForbiddenError):
        check_url(f"http://{host}/latest/meta-data", PUBLIC_ONLY)
    with pytest.raises(FetchForbiddenError):
        get(f"http://{host}:80/", tmp_path, PUBLIC_ONLY)


def test_public_places_are_public() -> None:
    for address in ("8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808"):
        assert PUBLIC_ONLY.allows(ipaddress.ip_address(address)), address


def test_a_redirect_into_a_private_place(site: Any, tmp_path: Path) -> None:
    only_site = Guard(1 << 20, 20, (ipaddress.ip_network("127.0.0.1/32"),))
    for target in (f"http://127.0.0.2:{site.server_port}/file", "http://10.0.0.1/", "file:///etc/passwd"):
        with pytest.raises(FetchError):
            get(f"{site.url}/go?to={target}", tmp_path, only_site)
    assert all(path.startswith("/go") for path in site.seen), "nothing was fetched from there"


def test_a_name_that_changes_its_mind(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to the address that was checked, however the name answers the second time."""
    real = socket.getaddrinfo
    asked = []

    def rebinding(host: str, *rest: Any, **options: Any) -> Any:
        if host != "rebind.example":
            return real(host, *rest, **options)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, site.server_port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert get(f"http://rebind.example:{site.server_port}/file", tmp_path) == 500
    assert asked == ["rebind.example"]


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80)) for a in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(FetchForbiddenError):
        check_url("http://mixed.example/", PUBLIC_ONLY)


def test_bounds(site: Any, tmp_path: Path) -> None:
    for path in ("endless", "claims"):
        with pytest.raises(FetchSizeError):
            fetch(f"{site.url}/{path}", tmp_path / path, OPEN, lambda: False)
    # A byte comes long before the line would time out, over and over.
    with pytest.raises(FetchTimeoutError):
        get(f"{site.url}/drips", tmp_path, Guard(1 << 20, 1, LOOPBACK))
    for path in ("missing", "breaks-off"):
        with pytest.raises(FetchError):
            fetch(f"{site.url}/{path}", tmp_path / path, OPEN, lambda: False)
    with pytest.raises(CancelledError):
        fetch(f"{site.url}/file", tmp_path / "cancelled", OPEN, lambda: True)


def test_errors_of_an_address_name_its_field(serving: Callable[..., Any]) -> None:
    private = "http://10.0.0.1/"
    job = {"file": b"RIFF"}
    for allowed in (True, False):
        with serving(allow_url_fetch=allowed, webhook_secret="s") as server, server.client() as client:
            answers = {
                "audio_address": client.post("/v1/audio/transcriptions", data={"audio_address": private}),
                "url": client.post("/v1/jobs", data={"url": private}),
                "webhook": client.post("/v1/jobs", data={"webhook": private}, files=job),
            }
            found = {name: (answer.status_code, answer.json()["error"]["param"]) for name, answer in answers.items()}
            assert found == {name: (403, name) for name in answers}
            deepgram = client.post("/v1/listen", json={"url": private})
            assert (deepgram.status_code, "audio_address" in deepgram.text) == (403, False)


def test_audio_address_from_end_to_end(serving: Callable[..., Any], site: Any, cities: Path) -> None:
    site.body = cities.read_bytes()
    with serving(allow_url_fetch=True, fetch_networks=("127.0.0.1/32",)) as server, server.client() as client:
        asked = {"audio_address": f"{site.url}/file"}
        openai = client.post("/v1/audio/transcriptions", data=asked, files={"file": ("", b"")})
        assert "worst of times" in openai.json()["text"].lower()
        aliyun = client.post("/stream/v1/asr", params=asked | {"appkey": "k"})
        assert "worst of times" in aliyun.json()["result"].lower()
        private = {"audio_address": "http://10.0.0.1/"}
        forbidden = client.post("/v1/audio/transcriptions", data=private, files={"x": b""})
        assert (forbidden.status_code, forbidden.json()["error"]["param"]) == (403, "audio_address")
        for empty in ({}, {"file": ("a.wav", b"")}):  # pages send a part for a file that was not chosen
            job = client.post("/v1/jobs", data={"url": f"{site.url}/file"}, files=empty)
            assert job.status_code == 202
            assert "event: done" in client.get(f"/v1/jobs/{job.json()['id']}/events").text
    with serving(allow_url_fetch=False) as server, server.client() as client:
        refused = client.post("/v1/audio/transcriptions", data=asked, files={"x": b""})
        assert refused.status_code == 403


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit of open files")
def test_a_machine_without_room_for_a_socket_is_not_the_addresses_fault(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(MachineError, match="open"):
            get("http://127.0.0.1:1/file", tmp_path)  # a server's thread could not poll its socket meanwhile
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
