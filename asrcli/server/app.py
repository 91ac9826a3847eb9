"""The application: shared objects, routers, middleware and error handlers."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from asrcli import __version__
from asrcli.errors import AsrcliError, CancelledError
from asrcli.server.errors import Problem, problem_of
from asrcli.server.http import monitoring, websocket
from asrcli.server.http.admission import Admission
from asrcli.server.http.auth import ApiKeys, AuthMiddleware, challenge
from asrcli.server.http.monitoring import Metrics, MetricsMiddleware
from asrcli.server.http.paths import PathAliases
from asrcli.server.http.workspaces import Workspaces
from asrcli.server.jobs import routes as jobs
from asrcli.server.jobs.runner import JobRunner
from asrcli.server.jobs.store import JobStore
from asrcli.server.loop_monitor import LoopMonitor
from asrcli.server.page import router as page
from asrcli.server.protocols import sensevoice, whisper_webservice
from asrcli.server.protocols.aliyun import rest as aliyun_rest
from asrcli.server.protocols.deepgram import http as deepgram_http
from asrcli.server.protocols.deepgram.fields import error_body as deepgram_error_body
from asrcli.server.protocols.funasr import http as funasr_http
from asrcli.server.protocols.openai import replies as openai_replies
from asrcli.server.protocols.openai import routes as openai
from asrcli.server.protocols.websocket_frames import WEBSOCKETS, WYOMING
from asrcli.server.recognition.model_pool import ModelPool
from asrcli.server.recognition.transcription import TranscriptionService
from asrcli.server.settings import ServerSettings
from asrcli.server.supervision import Supervisor
from asrcli.storage.user_folders import user_folder

if TYPE_CHECKING:
    from asrcli.cluster.server_nodes import ServerNodes

_log = logging.getLogger("asrcli.server")

#: path prefix -> the form of its errors; the first match counts
ERROR_BODIES: tuple[tuple[str, Callable[[Problem], dict[str, Any]]], ...] = (
    ("/stream/v1/", aliyun_rest.error_body),
    ("/asr", sensevoice.error_body),
    ("/api/v1/asr", sensevoice.error_body),
    ("/recognition", sensevoice.error_body),
    ("/detect-language", sensevoice.error_body),
    ("/v1/listen", deepgram_error_body),
    ("/", openai_replies.error_body),
)

#: for the OpenAPI description only; `AuthMiddleware` checks the keys
_KEY = HTTPBearer(auto_error=False, description="Required if the server has keys.")

#: seconds between two searches for idle models, and the shortest such pause
_SWEEP, _SHORTEST_SWEEP = 5.0, 0.1
#: threads for blocking work other than recognition: files, the job database, models being loaded
_THREADS = 40
#: FastAPI's export of traces, figures and logs, which variables (`FASTAPI_OTEL_AUTO_CONFIGURE`) or other packages turn
#: on: it has paths, which give access to jobs, and texts of errors. Older versions ignore it.
_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
#: nginx's status for a client that closed the connection; no client receives it
_CLIENT_CLOSED = 499


def create_app(settings: ServerSettings) -> FastAPI:
    """The server's application. Nothing is loaded before its lifespan starts.

    `app.state` then holds `settings`, `pool`, `admission`, `metrics`, `service`, `supervisor`, `jobs` (None if they
    cannot be kept), `keys`, and `started` (Unix time).
    """
    app = FastAPI(
        title="asrcli",
        version=__version__,
        summary="Speech to text on your own machine, for the clients you already have.",
        docs_url=None,  # FastAPI's page loads from a CDN; `page` has one without
        redoc_url=None,
        redirect_slashes=False,
        lifespan=partial(_lifespan, settings),
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        telemetry=_NO_TELEMETRY,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.keys = ApiKeys(settings.api_keys)
    app.openapi = partial(_openapi, app.openapi)  # type: ignore[method-assign]
    for module in (monitoring, page, websocket):
        app.include_router(module.router)
    for module in (openai, deepgram_http, jobs, aliyun_rest, sensevoice, funasr_http, whisper_webservice):
        app.include_router(module.router, dependencies=[Depends(_KEY)])
    app.add_exception_handler(AsrcliError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(Exception, _on_error)
    app.router.default = _unknown_path
    # The middleware added last is the outermost.
    app.add_middleware(
        AuthMiddleware,
        keys=app.state.keys,
        origins=settings.cors_origins,
        hosts=settings.allowed_hosts,
        answer=_answer,
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(MetricsMiddleware, metrics=app.state.metrics)
    app.add_middleware(PathAliases, prefix=settings.root_path)
    return app


def _openapi(describe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The description, with the protocols that OpenAPI does not have."""
    return describe() | {"x-websockets": WEBSOCKETS, "x-wyoming": WYOMING}


@asynccontextmanager
async def _lifespan(settings: ServerSettings, app: FastAPI) -> AsyncIterator[None]:
    # asyncio's default has six threads on two cores: six clients waiting for a model would stop everything else.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="server"))
    try:
        workspaces = Workspaces()
        pool = await asyncio.to_thread(ModelPool, settings)
        nodes = await _connect_nodes(settings, pool)
    except AsrcliError as error:
        app.state.failure = error
        raise
    # One worker more than decoding threads: one reads its audio while another waits for its last chunk.
    admission = Admission(pool.threads + 1, settings.max_queue)
    service = TranscriptionService(settings, pool, admission, app.state.metrics)
    service.workspace_root = workspaces.root
    app.state.pool, app.state.admission, app.state.service = pool, admission, service
    app.state.started = int(time.time())
    app.state.jobs, app.state.loading = None, bool(settings.preload)
    app.state.supervisor = supervisor = Supervisor(app.state.metrics)
    monitor = LoopMonitor()
    app.state.metrics.watch(pool, admission, supervisor.failing, monitor)
    await _open_jobs(app, service)
    if nodes is not None:
        service.nodes = nodes
        app.state.metrics.watch_nodes(nodes)
        supervisor.repeat("cluster", partial(_follow_nodes, nodes, admission, pool.threads + 1))
    supervisor.repeat("model sweeper", partial(_drop_idle_models, pool))
    preloading = asyncio.create_task(_preload(app, pool))
    try:
        with monitor:
            yield
    finally:
        preloading.cancel()
        await supervisor.close()
        if app.state.jobs is not None:
            await app.state.jobs.close()
        await asyncio.to_thread(pool.close)
        await asyncio.to_thread(admission.close)
        if nodes is not None:
            await asyncio.to_thread(nodes.close)
        workspaces.close()


async def _open_jobs(app: FastAPI, service: TranscriptionService) -> None:
    """Open the job store; if that fails, serve without jobs and try again in the background."""
    folder = service.settings.data_dir or user_folder("data") / "jobs"
    supervisor: Supervisor = app.state.supervisor

    async def attempt() -> None:
        store = await asyncio.to_thread(JobStore, folder, service.settings.max_disk)
        app.state.jobs = runner = JobRunner(service, store, supervisor)
        runner.start()

    try:
        await attempt()
    except AsrcliError as error:
        supervisor.failed("jobs", error)
        supervisor.once("jobs", attempt, before=error)


async def _connect_nodes(settings: ServerSettings, pool: ModelPool) -> ServerNodes | None:
    """The engines of `--cluster`. Raises MissingExtraError: Ray is not installed; ClusterError: no cluster answers."""
    if settings.cluster is None:
        return None
    from asrcli.cluster.server_nodes import ServerNodes

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports to its makers otherwise
    try:
        nodes = ServerNodes(
            settings.cluster, pool.spec(None), settings.model_dir, settings.models_file, settings.num_threads
        )
        await asyncio.to_thread(nodes.connect)
    except AsrcliError:
        pool.close()
        raise
    return nodes


async def _follow_nodes(nodes: ServerNodes, admission: Admission, own_workers: int) -> None:
    try:
        await nodes.follow()
    finally:
        admission.resize(own_workers + nodes.threads)


async def _preload(app: FastAPI, pool: ModelPool) -> None:
    try:
        await asyncio.to_thread(pool.preload)
    except AsrcliError as error:
        _log.error("preloading failed: %s", error)  # requests for this model get the error; other models work
    finally:
        app.state.loading = False


async def _drop_idle_models(pool: ModelPool) -> None:
    await asyncio.sleep(max(_SHORTEST_SWEEP, min(_SWEEP, pool.settings.model_ttl or _SWEEP)))
    pool.drop_idle()


# -- errors ----------------------------------------------------------------------------------------------------------


def _answer(scope: Scope, problem: Problem) -> ASGIApp:
    headers = problem.headers() | (challenge(scope) if problem.status == 401 else {})
    if text := whisper_webservice.refusal(scope, problem, headers):
        return text
    body = next(body for prefix, body in ERROR_BODIES if scope["path"].startswith(prefix))
    return JSONResponse(body(problem), problem.status, headers)


def respond(request: Request, problem: Problem) -> Response:
    """A problem in the form of the path's protocol."""
    response = _answer(request.scope, problem)
    assert isinstance(response, Response)
    response.headers["x-request-id"] = request.state.request_id
    return response


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, CancelledError):
        return Response(status_code=_CLIENT_CLOSED)
    return respond(request, problem_of(error))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    response = respond(request, Problem(error.status_code, f"{error.detail}: {request.url.path[:200]}", code))
    response.headers.update(error.headers or {})
    return response


async def _unknown_path(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        raise HTTPException(404)
    problem = Problem(404, f"No WebSocket is served here. Paths: {', '.join(websocket.PATHS)}.", "not_found")
    await _answer(scope, problem)(scope, receive, send)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = str(first["loc"][-1]) if first["loc"] else None
    return respond(request, Problem(400, f"{field}: {first['msg']}.", "invalid_request", field))


async def _on_gone(request: Request, error: Exception) -> Response:
    del request, error
    return Response(status_code=_CLIENT_CLOSED)
