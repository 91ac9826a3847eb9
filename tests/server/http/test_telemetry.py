"""Nothing of a request is exported: neither by FastAPI's own exporters nor to what another package has installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

pytest.importorskip("fastapi.telemetry", reason="older versions of FastAPI have no telemetry")


def test_no_telemetry_leaves_the_server(serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.trace import NoOpTracer, Tracer, TracerProvider

    class Provider(TracerProvider):
        users: ClassVar[list[str]] = []

        def get_tracer(self, instrumenting_module_name: str, *_: Any, **__: Any) -> Tracer:
            self.users.append(instrumenting_module_name)
            return NoOpTracer()

    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", Provider())
    with TestClient(FastAPI()) as client:
        assert client.get("/openapi.json").status_code == 200
    assert "fastapi" in Provider.users  # where telemetry is not turned off
    Provider.users.clear()
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with serving() as server, server.client() as client:
        assert client.get("/health").status_code == 200
        assert client.get("/none").status_code == 404
    assert Provider.users == []
