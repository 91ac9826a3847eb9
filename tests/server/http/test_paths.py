"""Paths as gateways and clients of other servers write them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.server.conftest import Running


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        "/v1/audio/transcriptions/",
        "//v1//audio/transcriptions",
        "/v1/v1/audio/transcriptions",
        "/audio/transcriptions",
        "/inference",
        "/inference/",
        "/openai/deployments/whisper/audio/transcriptions?api-version=2024-06-01",
        "/openai/v1/audio/transcriptions",
        "/openai/deployments/team%2Fwhisper/audio/transcriptions",
        "/api/v1/audio/transcriptions",
        "/v1/inference",
    ],
)
def test_recordings_are_transcribed_at_each_spelling_of_the_path(client: httpx.Client, cities: Path, path: str) -> None:
    with cities.open("rb") as file:
        answer = client.post(path, files={"file": file}, data={"response_format": "json"})
    assert answer.status_code == 200
    assert "worst of times" in answer.json()["text"].lower()


def test_aliases_need_the_key_too(serving: Callable[..., Any]) -> None:
    with serving(api_keys=("k",)) as server, server.client() as client:
        for path in ("/v1/models/", "/models", "/v1/v1/models"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"api-key": "k"}).status_code == 200
        assert client.get("/health/").status_code == 200


def test_a_socket_at_an_unknown_path_gets_404_with_the_paths(server: Running) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"{server.ws}/v1/live", proxy=None):
        pass
    answer = refused.value.response
    assert answer.status_code == 404
    assert "/ws/v1/asr" in json.loads(answer.body)["error"]["message"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET http://localhost/health", 200),
        ("GET HTTP://localhost:8000/health/?a=b", 200),
        ("GET https://localhost", 200),
        ("OPTIONS *", 404),
        ("CONNECT example.org:443", 404),
        ("GET health", 200),
        ("GET ?format=srt", 200),
    ],
)
def test_targets_that_are_no_path(server: Running, caplog: pytest.LogCaptureFixture, line: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw:
        raw.sendall(f"{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        with raw.makefile("rb") as answer:
            head = answer.readline()
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert "unexpected error" not in caplog.text


def test_no_redirects(client: httpx.Client) -> None:
    for path in ("/v1/models/", "/health/", "/docs/", "/v1/jobs/x/"):
        assert client.get(path, follow_redirects=False).status_code not in {301, 302, 307, 308}


def test_an_event_stream_ends_when_the_server_does(serving: Callable[..., Any], long_cities: Path) -> None:
    with serving(drain_timeout=300) as server, server.client() as client:
        server.app.state.jobs._places = 0  # the job stays queued
        with long_cities.open("rb") as file:
            job = client.post("/v1/jobs", files={"file": file}).json()["id"]
        with client.stream("GET", f"/v1/jobs/{job}/events") as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("event: ")
            server.stop()
            list(lines)  # ends long before the drain timeout, and the server with it


@pytest.fixture(scope="module")
def prefixed(serving: Callable[..., AbstractContextManager[Running]]) -> Iterator[Any]:
    with serving(root_path="/speech", forwarded_allow_ips="127.0.0.1/32") as server:
        yield server


@pytest.mark.parametrize("prefix", ["", "/speech"])
def test_a_proxy_may_pass_its_prefix_or_remove_it(prefixed: Any, cities: Path, prefix: Any) -> None:
    with prefixed.client() as client, cities.open("rb") as file:
        job = client.post(f"{prefix}/v1/jobs", files={"file": file}, headers={"x-forwarded-for": "203.0.113.9"})
        assert job.headers["location"] == f"/speech/v1/jobs/{job.json()['id']}"
        assert client.get(job.headers["location"]).status_code == 200
        assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/speech"}]
        assert client.get(f"{prefix}/").status_code == 200
    with connect(f"{prefixed.ws}{prefix}/", proxy=None) as line:
        line.send('{"mode": "2pass", "is_speaking": false}')
        assert json.loads(line.recv(60))["is_final"]


def test_only_proxies_that_are_named_choose_the_client(prefixed: Any, server: Running, cities: Path) -> None:
    for found, name in ((prefixed, "203.0.113.9"), (server, "127.0.0.1")):
        with found.client() as client, cities.open("rb") as file:
            headers = {"x-forwarded-for": "198.51.100.7, 203.0.113.9", "x-forwarded-proto": "https"}
            job = client.post("/v1/jobs", files={"file": file}, headers=headers).json()["id"]
            assert found.app.state.jobs.store.get(job).client == name


def form(client: Any, body: Any, kind: str = "multipart/form-data; boundary=b") -> Any:
    return client.post("/v1/audio/transcriptions", content=body, headers={"content-type": kind})


@pytest.mark.parametrize(
    "preamble", [b"This is a multipart message.\r\n", b"\r\n", b"--bb\r\n" * 5000, b"-" * 99999 + b"\r\n"]
)
def test_what_precedes_the_first_boundary_is_ignored(client: httpx.Client, cities: Path, preamble: Any) -> None:
    part = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    answer = form(client, preamble + part + cities.read_bytes() + b"\r\n--b--\r\nThe end.")
    assert "best of times" in answer.text.lower()


def test_a_missing_boundary_is_named(client: httpx.Client) -> None:
    for body, kind in (
        (b"--b", "multipart/form-data"),
        (b"RIFF" * 99, "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data; boundary=b"),
    ):
        answer = form(client, body, kind)
        assert answer.status_code == 400
        assert "boundary" in answer.json()["error"]["message"]
