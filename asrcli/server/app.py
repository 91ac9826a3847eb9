"""The application: shared objects, the protocols' routers, and what stands around them."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import platformdirs
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Scope

from asrcli import __version__
from asrcli.errors import AsrcliError, OutputError
from asrcli.pipeline import CancelledError
from asrcli.server import page
from asrcli.server.errors import Problem, problem_of
from asrcli.server.http import health, websocket
from asrcli.server.http.admission import Admission
from asrcli.server.http.auth import ApiKeys, AuthMiddleware, challenge
from asrcli.server.http.metrics import Metrics, MetricsMiddleware
from asrcli.server.jobs import routes as jobs
from asrcli.server.jobs.runner import JobRunner
from asrcli.server.jobs.store import JobStore
from asrcli.server.protocols import sensevoice, whisper_webservice
from asrcli.server.protocols.aliyun import rest as aliyun_rest
from asrcli.server.protocols.funasr import http as funasr_http
from asrcli.server.protocols.openai import replies as openai_replies
from asrcli.server.protocols.openai import routes as openai
from asrcli.server.recognition.model_pool import ModelPool
from asrcli.server.recognition.transcription import TranscriptionService
from asrcli.server.settings import ServerSettings

_log = logging.getLogger("asrcli.server")

#: path prefix -> the shape of its errors; the first that fits
ERROR_BODIES: tuple[tuple[str, Callable[[Problem], dict[str, Any]]], ...] = (
    ("/stream/v1/", aliyun_rest.error_body),
    ("/asr", sensevoice.error_body),
    ("/api/v1/asr", sensevoice.error_body),
    ("/recognition", sensevoice.error_body),
    ("/detect-language", sensevoice.error_body),
    ("/", openai_replies.error_body),
)

#: only tells the API's description of keys: the door has checked them already
_KEY = HTTPBearer(auto_error=False, description="Wanted only where the server has keys.")

#: seconds between two looks for models that nobody uses, where their time is not shorter still
_SWEEP, _LEAST_SWEEP = 5.0, 0.1
#: threads for what blocks, but does no recognition: files, the jobs' database, models that load
_THREADS = 40
#: nginx's word for a client that went away; nobody reads it
_CLIENT_GONE = 499


def create_app(settings: ServerSettings) -> FastAPI:
    """The server's application. Nothing is loaded before its lifespan begins.

    `app.state` then holds `settings`, `pool`, `admission`, `metrics`, `service`, `keys`, and `started` (Unix time).
    """
    app = FastAPI(
        title="asrcli",
        version=__version__,
        summary="Speech to text on your own machine, for the clients you already have.",
        docs_url=None,  # FastAPI's page loads from afar; ours is one of `page`
        redoc_url=None,
        lifespan=partial(_lifespan, settings),
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.keys = ApiKeys(settings.api_keys)
    for module in (health, page, websocket):
        app.include_router(module.router)
    for module in (openai, jobs, aliyun_rest, sensevoice, funasr_http, whisper_webservice):
        app.include_router(module.router, dependencies=[Depends(_KEY)])
    app.add_exception_handler(AsrcliError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(Exception, _on_error)
    # The last that is added is the outermost.
    app.add_middleware(AuthMiddleware, keys=app.state.keys, origins=settings.cors_origins, answer=_answer)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(MetricsMiddleware, metrics=app.state.metrics)
    return app


@asynccontextmanager
async def _lifespan(settings: ServerSettings, app: FastAPI) -> AsyncIterator[None]:
    # asyncio's own has six threads on two cores: six clients that wait for a model to load would stop all the rest.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="server"))
    try:
        pool = await asyncio.to_thread(ModelPool, settings)
    except AsrcliError as error:
        app.state.failure = error
        raise
    # One feeder more than decoding threads: while one waits for its last chunk another reads on.
    admission = Admission(pool.threads + 1, settings.max_queue)
    service = TranscriptionService(settings, pool, admission, app.state.metrics)
    service.workspace_root = Path(tempfile.mkdtemp(prefix="asrcli-serve-"))
    app.state.pool, app.state.admission, app.state.service = pool, admission, service
    app.state.started = int(time.time())
    app.state.metrics.watch(pool, admission)
    app.state.jobs = await _open_jobs(service)
    app.state.loading = bool(settings.preload)
    chores = [asyncio.create_task(_preload(app, pool)), asyncio.create_task(_sweep(pool))]
    try:
        yield
    finally:
        for chore in chores:
            chore.cancel()
        if app.state.jobs is not None:
            await app.state.jobs.close()
        await asyncio.to_thread(pool.close)
        await asyncio.to_thread(admission.close)
        shutil.rmtree(service.workspace_root, ignore_errors=True)


async def _open_jobs(service: TranscriptionService) -> JobRunner | None:
    folder = service.settings.data_dir or platformdirs.user_data_path("asrcli", appauthor=False) / "jobs"
    try:
        store = await asyncio.to_thread(JobStore, folder)
    except OutputError as error:
        _log.warning("no jobs: %s", error)
        return None
    runner = JobRunner(service, store)
    await runner.start()
    return runner


async def _preload(app: FastAPI, pool: ModelPool) -> None:
    try:
        await asyncio.to_thread(pool.preload)
    except AsrcliError as error:
        _log.error("cannot preload: %s", error)  # requests for this model will be told; the others work
    finally:
        app.state.loading = False


async def _sweep(pool: ModelPool) -> None:
    pause = max(_LEAST_SWEEP, min(_SWEEP, pool.settings.model_ttl or _SWEEP))
    while True:
        await asyncio.sleep(pause)
        pool.drop_idle()


# -- errors ----------------------------------------------------------------------------------------------------------


def _answer(scope: Scope, problem: Problem) -> ASGIApp:
    body = next(body for prefix, body in ERROR_BODIES if scope["path"].startswith(prefix))
    headers = problem.headers() | (challenge(scope) if problem.status == 401 else {})
    return JSONResponse(body(problem), problem.status, headers)


def respond(request: Request, problem: Problem) -> Response:
    """A problem in the shape of the path's protocol."""
    response = _answer(request.scope, problem)
    assert isinstance(response, Response)
    response.headers["x-request-id"] = request.state.request_id
    return response


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, CancelledError):
        return Response(status_code=_CLIENT_GONE)
    return respond(request, problem_of(error))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    response = respond(request, Problem(error.status_code, f"{error.detail}: {request.url.path[:200]}", code))
    response.headers.update(error.headers or {})
    return response


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = str(first["loc"][-1]) if first["loc"] else None
    return respond(request, Problem(400, f"{field}: {first['msg']}.", "invalid_request", field))


async def _on_gone(request: Request, error: Exception) -> Response:
    del request, error
    return Response(status_code=_CLIENT_GONE)
