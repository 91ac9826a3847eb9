"""Paths as gateways and clients of other servers write them."""

from __future__ import annotations

import pytest


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
    ],
)
def test_recordings_are_transcribed_at_each_spelling_of_the_path(client, cities, path):
    with cities.open("rb") as file:
        answer = client.post(path, files={"file": file}, data={"response_format": "json"})
    assert answer.status_code == 200
    assert "worst of times" in answer.json()["text"].lower()


def test_aliases_need_the_key_too(serving):
    with serving(api_keys=("k",)) as server, server.client() as client:
        for path in ("/v1/models/", "/models", "/v1/v1/models"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"api-key": "k"}).status_code == 200
        assert client.get("/health/").status_code == 200


def test_no_redirects(client):
    for path in ("/v1/models/", "/health/", "/docs/", "/v1/jobs/x/"):
        assert client.get(path, follow_redirects=False).status_code not in {301, 302, 307, 308}


def test_an_event_stream_ends_when_the_server_does(serving, long_cities):
    with serving(drain_timeout=300) as server, server.client() as client:
        server.app.state.jobs._places = 0  # the job stays queued
        with long_cities.open("rb") as file:
            job = client.post("/v1/jobs", files={"file": file}).json()["id"]
        with client.stream("GET", f"/v1/jobs/{job}/events") as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("event: ")
            server.stop()
            list(lines)  # ends long before the drain timeout, and the server with it
