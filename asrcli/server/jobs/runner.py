"""Works off the jobs: few at a time, in turns between clients, behind the requests that somebody waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asrcli.errors import AsrcliError
from asrcli.server.errors import problem_of
from asrcli.server.jobs.fields import read_job_request
from asrcli.server.jobs.store import FINAL, JobStore, StoredJob
from asrcli.server.jobs.webhook import deliver
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService
from asrcli.transcript import Transcript

#: of a job's chunks in the engine's queue, where requests have 0 and live streams -1
_PRIORITY = 1
#: seconds to wait where the queue of requests is full
_BUSY_WAIT = 1.0
#: seconds between two looks for old jobs
_SWEEP = 60.0
#: seconds before each attempt to tell a webhook
_NOTIFY_AFTER = (0, 10, 60, 600, 3600)


@dataclass(slots=True)
class Progress:
    """How far a running job is; seconds of audio."""

    seconds: float = 0.0
    duration: float | None = None


class JobRunner:
    """Everything but the work runs on the event loop. One for each server, at `app.state.jobs`.

    Args:
        service: does the work.
        store: holds the jobs; belongs to the runner from now on.
    """

    def __init__(self, service: TranscriptionService, store: JobStore) -> None:
        self.store = store
        self._service = service
        # One place is left to requests, whatever the jobs do.
        self._places = max(1, min(2, service.pool.threads))
        self._work: dict[str, asyncio.Task[None]] = {}
        self._clients: dict[str, str] = {}
        self._progress: dict[str, Progress] = {}
        self._news = asyncio.Condition()
        self._wake = asyncio.Event()
        self._chores = [asyncio.create_task(chore()) for chore in (self._hand_out, self._sweep)]
        self._notices: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take up what an earlier server left."""
        for job in await asyncio.to_thread(self.store.to_notify):
            self._notify(job)
        self._wake.set()

    def progress(self, job_id: str) -> Progress:
        """How far a job is."""
        return self._progress.get(job_id, Progress())

    def accepted(self) -> None:
        """There is a new job."""
        self._wake.set()

    async def drop(self, job_id: str) -> None:
        """Stop a job if it runs, and forget it."""
        task = self._work.get(job_id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(self.store.remove, job_id)
        await self._tell()

    async def follow(self, job_id: str) -> AsyncIterator[tuple[StoredJob, Progress]]:
        """The job now, and again whenever something has changed, until its end.

        Raises:
            KeyError: there is no such job, or no longer.
        """
        while True:
            job = await asyncio.to_thread(self.store.get, job_id)
            yield job, self.progress(job_id)
            if job.state in FINAL:
                return
            async with self._news:
                # Progress of other jobs wakes us too; once a second is enough to look.
                with suppress(asyncio.TimeoutError, TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 1.0)

    async def close(self) -> None:
        """Stop, and leave what runs to the next server."""
        tasks = [*self._chores, *self._work.values(), *self._notices]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self.store.close)

    # -- work --------------------------------------------------------------------------------------------------------

    async def _hand_out(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while len(self._work) < self._places:
                job = await asyncio.to_thread(self.store.next, list(self._clients.values()))
                if job is None:
                    break
                self._clients[job.id] = job.client
                self._work[job.id] = task = asyncio.create_task(self._do(job), name=job.id)
                task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        job_id = task.get_name()
        for kept in (self._work, self._clients, self._progress):
            kept.pop(job_id, None)
        self._wake.set()

    async def _do(self, job: StoredJob) -> None:
        self._progress[job.id] = Progress()
        await self._tell()
        try:
            result: dict[str, Any] | None = (await self._transcript(job)).to_dict()
            error = None
        except asyncio.CancelledError:
            await asyncio.to_thread(self.store.put_back, job.id)
            raise
        except Exception as failure:  # noqa: BLE001 -- whatever it is, the job ends here and the client is told
            problem = problem_of(failure)
            result, error = None, {"code": problem.code, "message": problem.message}
        await asyncio.to_thread(self.store.finish, job.id, result=result, error=error)
        await self._tell()
        if job.webhook:
            self._notify(await asyncio.to_thread(self.store.get, job.id))

    async def _transcript(self, job: StoredJob) -> Transcript:
        path = self.store.recording(job.id)
        if job.url is not None:
            await asyncio.to_thread(path.unlink, missing_ok=True)  # half of it, from a server that ended
            await self._fetch(job.url, path)
        wish = read_job_request(job.fields)
        progress = self._progress[job.id]

        def on_progress(seconds: float, duration: float | None) -> None:
            progress.seconds, progress.duration = seconds, duration

        ask = TranscriptionRequest(
            path=path, name=job.name, model=wish.model, options=wish.options, on_progress=on_progress,
            priority=_PRIORITY,
        )  # fmt: skip
        while self._service.admission.full:  # noqa: ASYNC110 -- requests first; nobody tells when the queue has room
            await asyncio.sleep(_BUSY_WAIT)
        return await self._service.transcribe(f"job {job.client}", ask, timeout=0)

    async def _fetch(self, url: str, path: Path) -> None:
        gone = False
        try:
            await asyncio.to_thread(self._service.fetch_now, url, path, lambda: gone)
        except asyncio.CancelledError:
            gone = True
            raise

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _sweep(self) -> None:
        while True:
            await asyncio.to_thread(self.store.forget_before, time.time() - self._service.settings.job_ttl)
            await asyncio.sleep(_SWEEP)

    # -- webhooks ----------------------------------------------------------------------------------------------------

    def _notify(self, job: StoredJob) -> None:
        task = asyncio.create_task(self._deliver(job))
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)

    async def _deliver(self, job: StoredJob) -> None:
        secret = self._service.settings.webhook_secret
        message = {"id": job.id, "state": job.state, "created": job.created, "finished": job.finished}
        if job.error:
            message["error"] = job.error
        for wait in _NOTIFY_AFTER if secret and job.webhook else ():
            await asyncio.sleep(wait)
            with suppress(AsrcliError):
                if await asyncio.to_thread(
                    deliver, job.webhook or "", message, secret or "", self._service.guard(seconds=30)
                ):
                    break
        await asyncio.to_thread(self.store.set_notified, job.id)
