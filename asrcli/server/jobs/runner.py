"""Runs queued jobs: a few at a time, fairly between clients, at a lower priority than requests."""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from asrcli.errors import AsrcliError
from asrcli.server.bounds import MAX_FETCHES, MAX_NOTICES, MAX_NOTIFIED, MAX_RENDERINGS
from asrcli.server.errors import BusyError, ConflictError, problem_of
from asrcli.server.http.json_text import json_text
from asrcli.server.http.workspaces import Workspace
from asrcli.server.jobs.fields import read_job_request
from asrcli.server.jobs.rendering import render
from asrcli.server.jobs.store import FINAL, JobStore, StoredJob
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService
from asrcli.server.supervision import Supervisor
from asrcli.storage.atomic import disk_errors, private
from asrcli.storage.fetch import Guard, post

_log = logging.getLogger("asrcli.server")

#: priority of a job's chunks in the engine's queue; requests have 0 and live streams -1
_PRIORITY = 1
#: seconds between two attempts to start a job while the queue of requests is full
_BUSY_WAIT = 1.0
#: seconds between two removals of old jobs
_SWEEP = 60.0
#: seconds before each attempt to notify a webhook
_NOTIFY_AFTER = (0, 10, 60, 600, 3600)
#: header `t=UNIXTIME,v1=HEX`, where HEX is HMAC-SHA256 of `UNIXTIME.BODY` with the operator's secret; the time is
#: signed, too, so that old messages cannot be sent again
SIGNATURE = "x-asrcli-signature"


@dataclass(slots=True)
class Progress:
    """Progress of a running job, in seconds of audio."""

    seconds: float = 0.0
    duration: float | None = None


class JobRunner:
    """One a server, at `app.state.jobs`. Used on the event loop; transcription runs in threads. Closes the store."""

    def __init__(self, service: TranscriptionService, store: JobStore, supervisor: Supervisor) -> None:
        self.store = store
        self._service = service
        self._supervisor = supervisor
        # Requests keep one worker, however many jobs run.
        self._places = max(1, min(2, service.pool.threads))
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: jobs whose recordings are fetched: slow addresses must not take the places of other jobs
        self._fetching: set[str] = set()
        self._working = asyncio.Semaphore(self._places)
        self._clients: dict[str, str] = {}
        self._progress: dict[str, Progress] = {}
        self._changed = asyncio.Condition()
        self._wake = asyncio.Event()
        #: held while a job is started or deleted: no job starts between its deletion and its cancellation
        self._starting = asyncio.Lock()
        #: by job
        self._notices: dict[str, asyncio.Task[None]] = {}
        # Not the threads of other requests: those that wait hold no result, and block nothing else.
        self._renderers = ThreadPoolExecutor(MAX_RENDERINGS, thread_name_prefix="render")
        self._notifiers = ThreadPoolExecutor(MAX_NOTIFIED, thread_name_prefix="webhook")

    def start(self) -> None:
        """Start the background tasks."""
        self._wake.set()
        self._supervisor.repeat("job runner", self._start_jobs)
        self._supervisor.repeat("job sweeper", self._sweep)

    def progress(self, job_id: str) -> Progress:
        """Progress of a job."""
        return self._progress.get(job_id, Progress())

    def accepted(self) -> None:
        """A job was added to the store."""
        self._wake.set()

    async def rendered(self, job: StoredJob, name: str, workspace: Workspace) -> Path:
        """A file with a result in the format `name`, text in UTF-8. Raises ConflictError: there is none; NotFoundError:
        it was deleted; BusyError, DiskFullError or OutputError: the file cannot be kept; the others of `render`.
        """
        return await asyncio.get_running_loop().run_in_executor(self._renderers, self._render, job, name, workspace)

    def _render(self, job: StoredJob, name: str, workspace: Workspace) -> Path:
        if job.state != "done":
            raise ConflictError(f"The job is {job.state}: it has no result.")
        path = workspace.new_file()
        with disk_errors(path.parent), open(path, "xb", opener=private) as file:
            for piece in render(self.store.result(job.id), name, read_job_request(job.fields).cues):
                workspace.store(len(piece))
                file.write(piece)
        return path

    async def delete(self, job_id: str) -> None:
        """Stop a job if it runs, and delete it."""
        async with self._starting:
            await self.store.run(self.store.remove, job_id)
            task = self._tasks.get(job_id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._announce()

    async def follow(self, job_id: str, *, ending: Callable[[], bool]) -> AsyncIterator[tuple[StoredJob, Progress]]:
        """The job now and about once a second until it is finished or `ending` is true. Raises KeyError: the job does
        not exist, or was deleted.
        """
        while True:
            job = await self.store.run(self.store.get, job_id)
            yield job, self.progress(job_id)
            if job.state in FINAL or ending():
                return
            async with self._changed:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 1.0)

    async def close(self) -> None:
        """Stop, and requeue running jobs. The supervisor must have been closed."""
        tasks = [*self._tasks.values(), *self._notices.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for threads in (self._renderers, self._notifiers):
            threads.shutdown(wait=False, cancel_futures=True)
        await self.store.run(self.store.close)

    # -- running -----------------------------------------------------------------------------------------------------

    async def _start_jobs(self) -> None:
        """Wait for an occasion, then start as many jobs as may run."""
        await self._wake.wait()
        self._wake.clear()
        try:
            while len(self._tasks) - len(self._fetching) < self._places and await self._start_one():
                pass
        except BaseException:
            self._wake.set()
            raise

    async def _start_one(self) -> bool:
        async with self._starting:
            fetch = len(self._fetching) < MAX_FETCHES
            job = await self.store.run(self.store.next, list(self._clients.values()), fetch=fetch)
            if job is None:
                return False
            if job.url is not None:
                self._fetching.add(job.id)
            self._clients[job.id] = job.client
            self._tasks[job.id] = task = asyncio.create_task(self._run(job), name=job.id)
            task.add_done_callback(self._finished)
            return True

    def _finished(self, task: asyncio.Task[None]) -> None:
        for kept in (self._tasks, self._clients, self._progress):
            kept.pop(task.get_name(), None)
        self._fetching.discard(task.get_name())
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._supervisor.failed("job runner", error)

    async def _run(self, job: StoredJob) -> None:
        self._progress[job.id] = Progress()
        await self._announce()
        try:
            result: str | None = await self._transcribe(job)
            error = None
        except asyncio.CancelledError:
            with suppress(AsrcliError):  # else it is requeued when the next server starts
                await self.store.run(self.store.put_back, job.id)
            raise
        except Exception as failure:  # noqa: BLE001 -- every failure ends the job and is reported to the client
            problem = problem_of(failure)
            result, error = None, {"code": problem.code, "message": problem.message}
        # On a full disk the result waits in memory until there is room.
        finish = partial(self.store.finish, job.id, result=result, error=error)
        await self._supervisor.retry("job store", partial(self.store.run, finish))
        await self._announce()
        if job.webhook:
            await self._supervisor.retry("webhooks", partial(self._notify_of, job.id))

    async def _transcribe(self, job: StoredJob) -> str:
        path = self.store.recording(job.id)
        if job.url is not None:
            await asyncio.to_thread(path.unlink, missing_ok=True)  # incomplete, of an interrupted attempt
            await self._fetch_when_possible(job.url, path)
            await self.store.run(self.store.count, job.id)
            self._fetching.discard(job.id)
            self._wake.set()  # another may be fetched
        async with self._working:
            return await self._recognise(job, path)

    async def _recognise(self, job: StoredJob, path: Path) -> str:
        asked = await asyncio.to_thread(read_job_request, job.fields)
        progress = self._progress[job.id]

        def on_progress(seconds: float, duration: float | None) -> None:
            progress.seconds, progress.duration = seconds, duration

        request = TranscriptionRequest(
            path=path, name=job.name, model=asked.model, options=asked.options, on_progress=on_progress,
            priority=_PRIORITY,
        )  # fmt: skip
        while self._service.admission.full:  # noqa: ASYNC110 -- requests go first; the queue has no event to wait for
            await asyncio.sleep(_BUSY_WAIT)
        limit = self._service.settings.job_timeout
        transcript = await self._service.transcribe(f"job {job.client}", request, timeout=limit)
        return await asyncio.to_thread(lambda: json_text(transcript.to_dict()))

    async def _fetch_when_possible(self, url: str, path: Path) -> None:
        while True:
            try:
                return await self._fetch(url, path)
            except BusyError:
                await asyncio.sleep(_BUSY_WAIT)

    async def _fetch(self, url: str, path: Path) -> None:
        cancelled = False
        fetching = asyncio.ensure_future(self._service.fetch_into(url, path, lambda: cancelled))
        try:
            await asyncio.shield(fetching)
        except asyncio.CancelledError:
            cancelled = True
            fetching.add_done_callback(partial(_discard, path))
            raise

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _sweep(self) -> None:
        await self.store.run(self.store.forget_before, time.time() - self._service.settings.job_ttl)
        await self._notify_again()
        await asyncio.sleep(_SWEEP)

    # -- webhooks ----------------------------------------------------------------------------------------------------

    async def _notify_again(self) -> None:
        """Notify the webhooks of jobs that an earlier server finished, and those for which there was no room."""
        for job in await self.store.run(self.store.to_notify, 2 * MAX_NOTICES):
            self._notify(job)

    async def _notify_of(self, job_id: str) -> None:
        with suppress(KeyError):  # it was deleted
            self._notify(await self.store.run(self.store.get, job_id))

    def _notify(self, job: StoredJob) -> None:
        if job.id in self._notices or len(self._notices) >= MAX_NOTICES:
            return  # in the latter case `_sweep` does it later
        self._notices[job.id] = task = asyncio.create_task(self._deliver(job), name=job.id)
        task.add_done_callback(self._delivered)

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._notices.pop(task.get_name(), None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._supervisor.failed("webhooks", error)

    async def _deliver(self, job: StoredJob) -> None:
        with suppress(KeyError):  # it was deleted
            job = await self.store.run(self.store.get, job.id)
        if job.notified:  # since `_notify_again` has looked
            return
        secret = self._service.settings.webhook_secret
        message = {"id": job.id, "state": job.state, "created": job.created, "finished": job.finished}
        if job.error:
            message["error"] = job.error
        problem = "The server has no --webhook-secret."
        for wait in _NOTIFY_AFTER if secret else ():
            await asyncio.sleep(wait)
            guard = self._service.guard(seconds=30)
            try:
                work = partial(deliver, job.webhook or "", message, secret or "", guard)
                status = await asyncio.get_running_loop().run_in_executor(self._notifiers, work)
            except AsrcliError as error:
                problem = error.message
                continue
            if 200 <= status < 300:
                break
            problem = f"The address answers {status}."
        else:
            _log.error("%s: its webhook was not notified: %s", job.id, problem)
        notified = partial(self.store.set_notified, job.id)
        await self._supervisor.retry("webhooks", partial(self.store.run, notified))


def _discard(path: Path, fetching: asyncio.Future[int]) -> None:
    """Delete what was fetched for a job that no longer runs."""
    if not fetching.cancelled():
        fetching.exception()
    path.unlink(missing_ok=True)


# -- signed notifications of finished jobs ----------------------------------------------------------------------------


def signature(secret: str, body: bytes, moment: int) -> str:
    """The header's value."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signed}"


def deliver(url: str, message: Mapping[str, Any], secret: str, guard: Guard) -> int:
    """Send a message once; the HTTP status of the answer. Raises FetchError: the address is not allowed, or does
    not answer.
    """
    body = json.dumps(message, ensure_ascii=False).encode()
    headers = {"content-type": "application/json", SIGNATURE: signature(secret, body, int(time.time()))}
    return post(url, body, headers, guard)
