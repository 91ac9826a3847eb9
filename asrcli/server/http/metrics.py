"""What Prometheus reads at `/metrics`. A registry of its own for each application; no text, no names of clients."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from asrcli.server.http.admission import Admission
    from asrcli.server.recognition.model_pool import ModelPool

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_FACTORS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """The server's figures."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        route = ("method", "route", "status")
        self.requests = Counter("asrcli_requests", "HTTP requests answered.", route, registry=registry)
        self.latency = Histogram(
            "asrcli_request_seconds", "From a request's head to the last byte of its answer.", ("method", "route"),
            buckets=_LATENCIES, registry=registry,
        )  # fmt: skip
        self.sessions = Gauge("asrcli_live_sessions", "Open WebSockets.", registry=registry)
        self.audio = Counter("asrcli_audio_seconds", "Audio recognised.", ("model",), registry=registry)
        self.factor = Histogram(
            "asrcli_real_time_factor", "Working time by audio time, of recordings.", ("model",),
            buckets=_FACTORS, registry=registry,
        )  # fmt: skip
        self.failures = Counter("asrcli_failures", "Recordings that failed.", ("code",), registry=registry)

    def watch(self, pool: ModelPool, admission: Admission) -> None:
        """Read queue and engine whenever somebody asks."""
        gauges = {
            "asrcli_queue_length": ("Requests that wait for a worker.", lambda: admission.queued),
            "asrcli_workers_busy": ("Requests at work.", lambda: admission.running),
            "asrcli_engine_restarts": ("Times the engine process had to be started again.", lambda: pool.restarts),
            "asrcli_models_loaded": ("Models in memory.", lambda: len(pool.loaded)),
        }
        for name, (about, value) in gauges.items():
            Gauge(name, about, registry=self.registry).set_function(value)

    def recognised(self, model: str, audio: float, seconds: float) -> None:
        """Note one recording: seconds of audio and of work."""
        self.audio.labels(model).inc(audio)
        if audio > 0:
            self.factor.labels(model).observe(seconds / audio)

    def render(self) -> bytes:
        """The text format."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Middleware that counts requests by route (never by path: clients choose paths)."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            with self._metrics.sessions.track_inprogress():
                await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in {"GET", "POST", "DELETE", "HEAD", "OPTIONS"} else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.latency.labels(method, route).observe(time.perf_counter() - begun)
