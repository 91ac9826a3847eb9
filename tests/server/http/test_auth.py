"""Who may come in."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route
from websockets import Origin
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from asrcli.server.http.auth import OPEN_PATHS
from tests.server.conftest import Running

KEYS = ("first-key", "k2")


@pytest.fixture(scope="module")
def locked(serving: Callable[..., Any]) -> Iterator[Running]:
    with serving(api_keys=KEYS) as server:
        yield server


def every_route(server: Running) -> Iterator[tuple[str, str]]:
    """Method and path of all HTTP routes, included routers' too."""
    for route in server.app.routes:
        for found in getattr(getattr(route, "original_router", None), "routes", [route]):
            if isinstance(found, Route):
                prefix = getattr(getattr(route, "include_context", None), "prefix", "")
                for method in sorted(found.methods - {"HEAD"}):
                    yield method, (prefix + found.path).replace("{name:path}", "x").replace("{job_id}", "x")


def test_every_route_but_health_requires_the_key(locked: Running) -> None:
    seen = set()
    with locked.client() as client:
        for method, path in every_route(locked):
            answer = client.request(method, path)
            if path in OPEN_PATHS:
                assert answer.status_code == 200
            elif path.startswith("/page/assets/"):
                assert answer.status_code == 404, "scripts and styles are the same everywhere, and open"
            else:
                assert answer.status_code == 401, (method, path)
                assert "www-authenticate" in answer.headers
                assert answer.headers["x-request-id"]
            seen.add(path)
    assert {"/health", "/v1/models", "/v1/audio/transcriptions", "/stream/v1/asr", "/asr", "/v1/jobs", "/docs"} <= seen
    with locked.client() as client:
        assert client.get("/openapi.json").status_code == 401


def test_the_shape_of_the_refusal_is_the_protocols(locked: Running) -> None:
    with locked.client() as client:
        assert client.get("/v1/models").json()["error"]["code"] == "invalid_api_key"
        assert client.post("/stream/v1/asr").json()["status"] == 40000001
        assert client.post("/asr").json()["code"] == 1


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_accepted_in_every_place(locked: Running, key: str) -> None:
    basic = base64.b64encode(f"any:{key}".encode()).decode()
    ways = [
        ({"authorization": f"Bearer {key}"}, {}),
        ({"authorization": f"bearer {key}"}, {}),
        ({"authorization": f"Basic {basic}"}, {}),
        ({"authorization": key}, {}),
        ({"x-nls-token": key}, {}),
        ({"api-key": key}, {}),
        ({"x-api-key": key}, {}),
        ({}, {"token": key}),
        ({}, {"x_nls_token": key}),
        ({}, {"X-NLS-Token": key}),
    ]
    with locked.client() as client:
        for headers, query in ways:
            assert client.get("/v1/models", headers=headers, params=query).status_code == 200, (headers, query)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer first-key2"},
        {"authorization": "Basic !!!"},
        {"authorization": "Digest first-key"},
        {"x-nls-token": "first"},
        {"x-nls-token": ""},
        {"authorization": "Basic Og=="},
    ],
)
def test_wrong_keys(locked: Running, headers: dict[str, Any]) -> None:
    with locked.client() as client:
        assert client.get("/v1/models", headers=headers).status_code == 401


def test_browsers_are_asked_for_the_key_on_pages_only(locked: Running) -> None:
    with locked.client(headers={"accept": "text/html"}) as client:
        assert client.get("/docs").headers["www-authenticate"].startswith("Basic")
        assert client.get("/v1/models").headers["www-authenticate"] == "Bearer"


def test_the_key_is_checked_before_the_body_is_sent(locked: Running) -> None:
    with socket.create_connection(("127.0.0.1", locked.port), timeout=30) as line:
        line.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\n"
            b"content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000000\r\n\r\n"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 401 ")


def test_without_keys_every_key_is_accepted(client: httpx.Client) -> None:
    assert client.get("/v1/models", headers={"authorization": "Bearer whatever"}).status_code == 200


def test_without_keys_forms_of_foreign_pages_are_refused(client: httpx.Client, serving: Callable[..., Any]) -> None:
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    for path in ("/v1/audio/transcriptions", "/v1/jobs", "/api/v1/asr"):
        assert client.post(path, headers=foreign).status_code == 403
        assert client.post(path, headers=foreign | {"sec-fetch-site": "same-origin"}).status_code == 400
    assert client.get("/v1/models", headers=foreign).status_code == 200, "the answer cannot be read there"
    with serving(cors_origins=("https://evil.example",)) as server, server.client() as other:
        assert other.post("/v1/jobs", headers=foreign).status_code == 400
    with serving(api_keys=KEYS) as server, server.client(headers={"x-nls-token": "k2"}) as other:
        assert other.post("/v1/jobs", headers=foreign).status_code == 400


def test_websockets_of_foreign_pages_are_refused(server: Running) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{server.ws}/", origin=Origin("https://evil.example"), proxy=None)
    assert refused.value.response.status_code == 403
    assert "--cors-origin" in refused.value.response.body.decode()
    own: tuple[Any, ...] = (
        f"http://127.0.0.1:{server.port}",
        "http://localhost:1337",
        "https://127.0.0.1:8443",
        "http://[::1]:80",
        None,
    )
    for origin in own:
        with connect(f"{server.ws}/", origin=origin, proxy=None) as line:
            line.send('{"mode": "offline", "is_speaking": false}')
            assert json.loads(line.recv(60))["is_final"]
    rebound = {"host": f"rebound.example:{server.port}"}
    with pytest.raises(InvalidStatus):
        connect(
            f"{server.ws}/",
            origin=Origin(f"http://rebound.example:{server.port}"),
            additional_headers=rebound,
            proxy=None,
        )
    with pytest.raises(InvalidStatus):
        connect(f"{server.ws}/", origin=Origin("null"), proxy=None)


def test_pages_opened_as_files_can_be_allowed(serving: Callable[..., Any]) -> None:
    with serving(cors_origins=("null",)) as server, connect(f"{server.ws}/", origin=Origin("null"), proxy=None) as line:
        line.send('{"mode": "offline", "is_speaking": false}')


def test_cors_is_off_unless_configured(server: Running, serving: Callable[..., Any]) -> None:
    headers = {"origin": "https://app.example", "access-control-request-method": "POST"}
    with server.client() as client:
        assert "access-control-allow-origin" not in client.get("/health", headers=headers).headers
    with serving(cors_origins=("https://app.example",), api_keys=KEYS) as open_server, open_server.client() as client:
        preflight = client.options("/v1/models", headers=headers)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        refused = client.get("/v1/models", headers=headers)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://app.example")
        other = client.get("/v1/models", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


REBOUND = {"host": "evil.example:8000"}


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.example:8000"}, {"sec-fetch-site": "same-origin"}])
def test_a_domain_name_that_leads_to_this_machine_is_refused(client: httpx.Client, headers: Any) -> None:
    for answer in (
        client.get("/v1/models", headers=REBOUND | headers),
        client.post("/v1/jobs", headers=REBOUND | headers),
    ):
        assert answer.status_code == 403
        assert "host name" in answer.json()["error"]["message"]
    assert client.get("/health", headers=REBOUND).status_code == 200


def test_sockets_of_a_rebound_name_are_refused(server: Running) -> None:
    address = f"ws://evil.example:{server.port}/"
    for origin in (None, Origin(f"http://evil.example:{server.port}")):
        with socket.create_connection(("127.0.0.1", server.port)) as line, pytest.raises(InvalidStatus) as refused:
            connect(address, sock=line, origin=origin, proxy=None)
        assert refused.value.response.status_code == 403


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no sockets for both IP versions")
def test_a_listener_for_both_ip_versions_sees_ipv4_clients(serving: Any, cities: Path) -> None:
    with serving(host="::", forwarded_allow_ips="127.0.0.1") as server, server.client() as client:
        assert client.get("/v1/models", headers=REBOUND).status_code == 403
        test_sockets_of_a_rebound_name_are_refused(server)
        with cities.open("rb") as file:
            job = client.post("/v1/jobs", files={"file": file}, headers={"x-forwarded-for": "203.0.113.9"}).json()
        assert server.app.state.jobs.store.get(job["id"]).client == "203.0.113.9"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]:80", "localhost:9", "asrcli:8000", "box.local", "x", "a.localhost"]
)
def test_names_that_no_other_site_can_have_are_served(client: httpx.Client, host: Any) -> None:
    assert client.get("/v1/models", headers={"host": host}).status_code == 200


def test_named_hosts_are_served(serving: Callable[..., AbstractContextManager[Running]]) -> None:
    settings = {"allowed_hosts": ("asr.example.com",), "cors_origins": ("https://other.example",)}
    with serving(**settings) as server, server.client() as client:
        for host, status in (("ASR.example.com.", 200), ("other.example:8000", 200), ("evil.example", 403)):
            assert client.get("/v1/models", headers={"host": host}).status_code == status, host
    with serving(api_keys=("k",)) as server, server.client(headers={"authorization": "Bearer k"}) as client:
        assert client.get("/v1/models", headers=REBOUND).status_code == 200, "pages of others have no key"
