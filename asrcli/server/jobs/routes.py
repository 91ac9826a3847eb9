"""`/v1/jobs`: long recordings, without holding a connection open."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from asrcli.errors import AsrcliError
from asrcli.formats import FORMATS
from asrcli.server.bounds import MAX_JOB_FIELDS
from asrcli.server.errors import NotFoundError, RequestError, TooLargeError, UnavailableError, problem_of
from asrcli.server.http.json_text import json_response, json_text
from asrcli.server.http.uploads import read_form
from asrcli.server.http.workspaces import Workspace
from asrcli.server.jobs.fields import NAMES, read_job_request
from asrcli.server.jobs.runner import JobRunner, Progress
from asrcli.server.jobs.store import StoredJob
from asrcli.server.protocols.openai.replies import form_of
from asrcli.server.protocols.openai.stream import COMMENT, KEEP_ALIVE, event
from asrcli.server.recognition.transcription import TranscriptionService

router = APIRouter(prefix="/v1/jobs", tags=["Jobs"])

_FORM: dict[str, Any] = {
    "file": {"type": "string", "format": "binary"},
    "url": {"type": "string", "description": "Instead of a file, if the operator allows it."},
    "webhook": {"type": "string", "description": "Notified when the job is finished, with a signature."},
} | {name: {"type": "string"} for name in NAMES}
#: characters of an unknown field's name in a warning
_MAX_SHOWN = 60


def _runner(request: Request) -> JobRunner:
    runner: JobRunner | None = request.app.state.jobs
    if runner is None:
        raise UnavailableError("This server takes no jobs at present: their data folder cannot be used.")
    return runner


@router.post("", summary="Submit a recording", status_code=202, openapi_extra=form_of(_FORM))
async def create(request: Request) -> Response:
    """Accept a recording (`file` or `url`) with any option of `asrcli transcribe`."""
    runner = _runner(request)
    service: TranscriptionService = request.app.state.service
    async with Workspace(runner.store.recordings, service.settings.max_disk) as workspace:
        form = await read_form(request, workspace, service.settings.max_upload)
        given = [(name.replace("-", "_"), value) for name, value in form.fields]
        fields = {name: value for name, value in given if name in NAMES}
        if sum(map(len, fields.values())) > MAX_JOB_FIELDS:
            raise TooLargeError(f"The options have more than {MAX_JOB_FIELDS >> 10} KiB.")
        asked = await asyncio.to_thread(read_job_request, fields)
        await asyncio.to_thread(service.check, asked.model, asked.options)
        upload, url, webhook = form.file("file"), form.get("url"), form.get("webhook")
        if upload is not None and not upload.size:
            upload = None
        if upload is None:
            if not url:
                raise RequestError("`file` and `url` are missing.", "Send one of them.", param="file")
            await service.check_address(url)
        if webhook:
            await _check_webhook(service, webhook)
        job = await runner.store.run(
            runner.store.add,
            client=request.state.client,
            name=upload.name if upload else str(url),
            fields=fields,
            upload=upload.path if upload else None,
            url=None if upload else url,
            webhook=webhook,
        )
    runner.accepted()
    unknown = dict.fromkeys(name[:_MAX_SHOWN] for name, _ in given if name not in _FORM)
    request.state.warnings = warnings = [f"ignored: jobs have no field {name!r}" for name in unknown]
    body = _body(job, Progress()) | ({"warnings": warnings} if warnings else {})
    return await json_response(body, 202, {"location": f"{service.settings.root_path}/v1/jobs/{job.id}"})


@router.get("", summary="The jobs of this client, the newest first")
async def listed(
    request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 20, after: str | None = None
) -> dict[str, Any]:
    """Those of the same key, or of the same address on a server without keys; `after`: older than that job."""
    runner = _runner(request)
    if after is not None:
        await _find(runner, after, "after")  # deleted since the last page: an empty one would look like the end
    jobs = await runner.store.run(runner.store.of_client, request.state.client, limit + 1, after)
    data = [_body(job, runner.progress(job.id)) for job in jobs[:limit]]
    return {"object": "list", "data": data, "has_more": len(jobs) > limit}


@router.get("/{job_id}", summary="State, progress and result")
async def read(request: Request, job_id: str, format: str | None = None) -> Response:  # noqa: A002 -- the parameter's name
    """State, progress and result; with `format` the result alone, as srt, vtt, txt, json, ..."""
    runner = _runner(request)
    job = await _find(runner, job_id)
    if format is not None and format not in FORMATS:
        raise RequestError(f"`format` must be one of {', '.join(FORMATS)}.", param="format")
    if format is not None:
        return await _rendered(request, runner, job, format)
    body = _body(job, runner.progress(job_id))
    if job.state != "done":
        return await json_response(body)
    result = runner.store.result(job_id)  # JSON already
    start = json_text(body)[:-1].encode("utf-8", "replace") + b',"result":' + await runner.store.run(next, result)
    pieces = chain((start,), result, (b"}",))
    return StreamingResponse(_from_threads(runner, pieces), media_type="application/json")


async def _from_threads(runner: JobRunner, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await runner.store.run(next, pieces, b""):
        yield piece


async def _rendered(request: Request, runner: JobRunner, job: StoredJob, name: str) -> Response:
    form = FORMATS[name]
    form.check_installed()
    workspace = request.app.state.service.workspace()
    try:
        path = await runner.rendered(job, name, workspace)
    except BaseException:
        await workspace.close()
        raise
    return _OwnFile(workspace, path, media_type=form.media_type + ("" if form.binary else "; charset=utf-8"))


class _OwnFile(FileResponse):
    """A file of the request's workspace, which is deleted once it is sent."""

    def __init__(self, workspace: Workspace, path: Path, *, media_type: str) -> None:
        super().__init__(path, media_type=media_type)
        self._workspace = workspace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._workspace:
            await super().__call__(scope, receive, send)


@router.delete("/{job_id}", summary="Stop and delete", status_code=204)
async def delete(request: Request, job_id: str) -> Response:
    """Stop the job if it runs, and delete it."""
    runner = _runner(request)
    await _find(runner, job_id)
    await runner.delete(job_id)
    return Response(status_code=204)


@router.get("/{job_id}/events", summary="Progress, as server-sent events")
async def events(request: Request, job_id: str) -> StreamingResponse:
    """Progress as server-sent events until the job is finished or the server ends."""
    runner = _runner(request)
    await _find(runner, job_id)
    state = request.scope["state"]
    follow = runner.follow(job_id, ending=lambda: bool(state.get("ending")))
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(_events(follow, job_id), media_type="text/event-stream", headers=headers)


async def _events(follow: AsyncIterator[tuple[StoredJob, Progress]], job_id: str) -> AsyncIterator[str]:
    last, quiet_since = "", time.monotonic()
    try:
        async for job, progress in follow:
            text = event(_state(job, progress), job.state)
            if text != last:
                yield text
            elif time.monotonic() - quiet_since >= KEEP_ALIVE:
                yield COMMENT
            else:
                continue
            last, quiet_since = text, time.monotonic()
    except KeyError:
        yield event({"id": job_id, "state": "deleted"}, "deleted")
    except AsrcliError as error:
        yield event({"id": job_id, "error": problem_of(error).message}, "error")


async def _find(runner: JobRunner, job_id: str, param: str = "job_id") -> StoredJob:
    try:
        return await runner.store.run(runner.store.get, job_id)
    except KeyError:
        raise NotFoundError("The job does not exist.", param=param) from None


async def _check_webhook(service: TranscriptionService, webhook: str) -> None:
    if service.settings.webhook_secret is None:
        raise RequestError("This server calls no webhooks.", "Poll the job, or read its events.", param="webhook")
    await service.look_up(webhook, "webhook")


def _state(job: StoredJob, progress: Progress) -> dict[str, Any]:
    if job.duration is not None:  # it is done, and its progress is no longer kept
        progress = Progress(job.duration, job.duration)
    body: dict[str, Any] = {
        "id": job.id,
        "state": job.state,
        "progress": _share(job, progress),
        "seconds": round(progress.seconds, 1),
        "duration": progress.duration,
    }
    return body | ({"error": job.error} if job.error else {})


def _share(job: StoredJob, progress: Progress) -> float | None:
    """0..1; None if the duration is unknown."""
    if job.state == "done":
        return 1.0
    if not progress.duration:
        return 0.0 if job.state == "queued" else None
    return round(min(1.0, progress.seconds / progress.duration), 3)


def _body(job: StoredJob, progress: Progress) -> dict[str, Any]:
    body = _state(job, progress) | {"object": "job", "name": job.name, "created": job.created}
    if job.finished is not None:
        body["finished"] = job.finished
    return body
