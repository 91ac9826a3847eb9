"""Health and metrics: `/health`, `/health/live`, `/health/ready`, and `/metrics` for Prometheus.

Metrics never hold text or names of clients.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asrcli.server.bounds import MAX_BODY_READ
from asrcli.server.logs import log_request, start_request

if TYPE_CHECKING:
    from asrcli.cluster.server_nodes import ServerNodes
    from asrcli.server.http.admission import Admission
    from asrcli.server.loop_monitor import LoopMonitor
    from asrcli.server.recognition.model_pool import ModelPool

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_FACTORS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)

router = APIRouter(tags=["Operation"])


@router.get("/health", summary="State of the server")
@router.head("/health", include_in_schema=False)
@router.get("/healthz", include_in_schema=False)
async def health(request: Request) -> dict[str, Any]:
    """Always 200, without a key. "loading": models are being preloaded; "degraded": what `failing` names fails."""
    return _state(request)


@router.get("/health/live", summary="Whether the process answers")
async def live() -> dict[str, str]:
    """Always 200, without a key."""
    return {"status": "ok"}


@router.get("/health/ready", summary="Whether requests are taken")
async def ready(request: Request) -> Response:
    """503 while models are being preloaded and while the engine does not start; without a key."""
    state = _state(request)
    ready = state["status"] == "ok" or (state["status"] == "degraded" and "engine" not in state["failing"])
    return JSONResponse(state, 200 if ready else 503)


def _state(request: Request) -> dict[str, Any]:
    state = request.app.state
    failing = list(state.supervisor.failing)
    if state.pool.models.failure is not None:
        failing.append("engine")
    nodes = {} if state.service.nodes is None else {"node_engines": state.service.nodes.engines}
    if failing:
        return {"status": "degraded", "failing": failing, **nodes}
    return {"status": "loading" if state.loading else "ok", **nodes}


@router.get("/metrics", summary="Metrics for Prometheus")
async def metrics(request: Request) -> Response:
    """Metrics in Prometheus's text format."""
    found = request.app.state.metrics
    return Response(found.render(), media_type=found.content_type)


class Metrics:
    """One registry an application."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        route = ("method", "route", "status")
        self.requests = Counter("asrcli_requests", "HTTP requests answered.", route, registry=registry)
        self.latency = Histogram(
            "asrcli_request_seconds", "Time from a request's head to the last byte of its answer.", ("method", "route"),
            buckets=_LATENCIES, registry=registry,
        )  # fmt: skip
        self.sessions = Gauge("asrcli_live_sessions", "Open WebSockets and Wyoming connections.", registry=registry)
        self.audio = Counter("asrcli_audio_seconds", "Audio recognised.", ("model",), registry=registry)
        self.factor = Histogram(
            "asrcli_real_time_factor", "Wall time of recognition divided by audio duration.", ("model",),
            buckets=_FACTORS, registry=registry,
        )  # fmt: skip
        self.background_failures = Counter(
            "asrcli_background_failures", "Failures of background tasks.", ("task",), registry=registry
        )
        self.failures = Counter("asrcli_failures", "Recordings that failed.", ("code",), registry=registry)

    def watch(self, pool: ModelPool, admission: Admission, failing: Collection[str], monitor: LoopMonitor) -> None:
        """Read queue, engine and background tasks when metrics are requested."""
        gauges = {
            "asrcli_queue_length": ("Requests waiting for a worker.", lambda: admission.queued),
            "asrcli_workers_busy": ("Requests being worked on.", lambda: admission.running),
            "asrcli_engine_restarts": ("Restarts of the engine process.", lambda: pool.models.restarts),
            "asrcli_models_loaded": ("Models in memory.", lambda: len(pool.models.names)),
            "asrcli_longest_callback_seconds": (
                "CPU time of the longest callback of the event loop since the start.",
                lambda: monitor.longest,
            ),
            "asrcli_background_failing": ("Background tasks that fail at present.", lambda: len(failing)),
        }
        for name, (about, value) in gauges.items():
            Gauge(name, about, registry=self.registry).set_function(value)

    def watch_nodes(self, nodes: ServerNodes) -> None:
        """Read the number of engines on the nodes of a cluster when metrics are requested."""
        gauge = Gauge("asrcli_node_engines", "Engines in use on the nodes of the cluster.", registry=self.registry)
        gauge.set_function(lambda: nodes.engines)

    def recognised(self, model: str, audio: float, seconds: float) -> None:
        """Count one recording: seconds of audio, and of wall time."""
        self.audio.labels(model).inc(audio)
        if audio > 0:
            self.factor.labels(model).observe(seconds / audio)

    def render(self) -> bytes:
        """The text format."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Middleware that counts requests by route (never by path: clients choose paths), and sends long bodies in pieces:
    one write of 60 MB holds the event loop for 0.1 s.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        start_request()
        if scope["type"] == "websocket":
            try:
                with self._metrics.sessions.track_inprogress():
                    await self._app(scope, receive, send)
            finally:
                log_request("connection", time.perf_counter() - started, **_request_fields(scope))
            return
        status, sent = 500, 0

        async def noted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            body = message.get("body", b"")
            sent += len(body)
            *first, last = range(0, len(body), MAX_BODY_READ) or (0,)
            for start in first:
                await send({**message, "body": body[start : start + MAX_BODY_READ], "more_body": True})
            await send({**message, "body": body[last:]} if first else message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in {"GET", "POST", "DELETE", "HEAD", "OPTIONS"} else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            took = time.perf_counter() - started
            self._metrics.latency.labels(method, route).observe(took)
            fields = _request_fields(scope) | {"method": method, "route": route, "status": status, "bytes": sent}
            log_request("request", took, **fields)


def _request_fields(scope: Scope) -> dict[str, Any]:
    client = scope["client"][0] if scope.get("client") else None
    path = getattr(scope.get("route"), "path", "other")
    return {"request_id": scope.get("state", {}).get("request_id"), "client": client, "route": path}
