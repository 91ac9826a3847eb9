"""The pages as HTTP sees them; what they do is tested in a browser (tests/browser)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

HTML = {"accept": "text/html"}
PAGES = ("/", "/ws/v1/asr/test")


def assets_of(client: httpx.Client, path: str) -> set[str]:
    """What a page loads, and what its scripts load."""
    base = httpx.URL(f"http://server{path}")
    found = {str(base.join(name).path) for name in re.findall(r'(?:src|href)="([^"]+\.\w+)"', client.get(path).text)}
    waiting = list(found)
    while waiting:
        asset = waiting.pop()
        for name in re.findall(r'from "([^"]+)"', client.get(asset).text) if asset.endswith(".js") else ():
            path = httpx.URL(f"http://server{asset}").join(name).path
            if path not in found:
                found.add(path)
                waiting.append(path)
    return found


@pytest.mark.parametrize("path", PAGES)
def test_pages_bring_everything_and_allow_nothing_else(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200
    assert client.head(path).status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script[^>]*>[^<]|<style|\son\w+=|style=|https?://", answer.text)
    assets = assets_of(client, path)
    assert len(assets) > 4
    for asset in assets:
        found = client.get(asset)
        assert found.status_code == 200, asset
        assert found.headers["content-type"].startswith(("text/javascript", "text/css", "image/svg+xml"))


def test_the_api_is_described_without_a_network(client: httpx.Client) -> None:
    answer = client.get("/docs", headers=HTML)
    assert answer.status_code == 200
    assert not re.search(r"<script[^>]*>[^<]|<style|\son\w+=|https?://", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "connect-src 'self'" in policy
    assets = assets_of(client, "/docs")
    names = {path.rpartition("/")[2] for path in assets}
    assert names == {"docs.js", "icon.svg", "openapi.json", "swagger-ui-bundle.js", "swagger-ui.css"}
    for asset in assets:
        found = client.get(asset)
        assert found.status_code == 200, asset
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", found.text), asset
    for name in ("redoc.standalone.js", "..%2f__init__.py", "index.html"):
        assert client.get(f"/docs/assets/{name}").status_code == 404
    assert client.get("/redoc").text == client.get("/docs").text
    described = client.get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert described["paths"]["/v1/audio/transcriptions"]["post"]["security"]
    assert "security" not in described["paths"]["/health"]["get"]


def test_nothing_but_assets_is_served_as_such(client: httpx.Client) -> None:
    for name in ("router.py", "..%2frouter.py", "%2e%2e/router.py", "index.html", ""):
        assert client.get(f"/page/assets/{name}").status_code == 404


def test_settings_are_what_the_page_offers(client: httpx.Client) -> None:
    found = client.get("/page/settings").json()
    assert found["models"][0]["id"] == "moonshine-tiny-en"
    assert found["models"][0]["languages"] == ["en"]
    assert found["keyed"] is False
    assert found["max_upload"] == 2 << 30


def test_a_stream_of_verbose_json_carries_the_transcript(client: httpx.Client, cities: Path) -> None:
    with cities.open("rb") as file:
        answer = client.post(
            "/v1/audio/transcriptions",
            files={"file": ("talk.wav", file)},
            data={"stream": "true", "response_format": "verbose_json"},
        )
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    *deltas, done = map(json.loads, lines)
    transcript = done["transcript"]
    assert transcript["schema"] == "asrcli/transcript/1"
    assert transcript["source"] == "talk.wav"
    assert [delta["segment"]["text"] for delta in deltas] == [each["text"] for each in transcript["segments"]]
    assert transcript["segments"][0]["words"][0]["text"] == "It"


def test_with_a_key_pages_ask_for_it_themselves(serving: Callable[..., Any], tmp_path: Path) -> None:
    with serving(api_keys=("sesame",), data_dir=tmp_path) as server, server.client() as client:
        for path in PAGES:
            asking = client.get(path, headers=HTML)
            assert asking.status_code == 401
            # Basic would make the browser ask, with a key that WebSockets never see.
            assert asking.headers["www-authenticate"] == "Bearer"
            assert asking.headers["content-type"].startswith("text/html")
            assert client.get(path, headers=HTML | {"authorization": "Bearer sesame"}).status_code == 200
            # Programs get errors in their own form, and no recording may be sent there.
            assert client.get(path).json()["error"]["code"] == "invalid_api_key"
            assert client.post(path, headers=HTML).status_code == 401
        assert client.get("/page/assets/app.js").status_code == 200
        assert client.get("/page/settings").status_code == 401
        assert client.get("/page/settings", headers={"authorization": "Bearer sesame"}).json()["keyed"] is True
