"""Engines of other nodes that do jobs for this one: chunks and diarization windows of a long recording.

A node with a long recording in work reads it alone, as on one machine, so its words, times and speakers are the same.
Only jobs of its models are done elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from types import MappingProxyType
from typing import Any

from asrcli.audio.types import Samples
from asrcli.backends.loaded_models import LoadedModel
from asrcli.backends.process.engine_client import EngineClient
from asrcli.errors import EngineClosedError, MachineError

#: jobs that an engine has at once for another node, for each decoding thread and at most
_JOBS_PER_THREAD, _MOST_JOBS = 8, 128
#: `in_flight` of an engine without room
FULL = 1 << 30
#: a job is also done here after so many seconds, and so many times the usual time
_RACE_AFTER, _RACE_FACTOR = 20.0, 3.0
_LOOK_EVERY = 1.0


@dataclass(eq=False, slots=True)
class _NodeJob:
    """A job at another node."""

    service: str
    samples: Samples
    request: Any
    priority: int
    order: int
    future: Future[Any] = field(default_factory=Future)
    started: float = field(default_factory=time.monotonic)
    #: whether the own engine has it, too
    repeated: bool = False


class NodeEngine:
    """`submit` of `EngineClient`, at the engine of another node. The own engine does a job that is lost or late."""

    def __init__(self, actor: Any, purpose: Any, own: EngineClient, threads: int) -> None:
        """`threads`: decoding threads of that engine."""
        self._actor, self._purpose, self._own, self._threads = actor, purpose, own, threads
        self._limit = min(_JOBS_PER_THREAD * threads, _MOST_JOBS)
        self._lock = Lock()
        self._jobs: set[_NodeJob] = set()
        self._lost: SimpleQueue[_NodeJob] = SimpleQueue()
        #: seconds that the finished jobs took, and their number
        self._took, self._finished = 0.0, 0

    @property
    def in_flight(self) -> int:
        """Jobs that are not answered, in the measure of the own engine's threads; very many where there is no room."""
        count = len(self._jobs)
        return -(-count * self._own.threads // self._threads) if count < self._limit else FULL

    def submit(
        self, name: str, samples: Samples, request: Any = None, *, priority: int = 0, order: int = 0
    ) -> Future[Any]:
        """See `EngineClient.submit`; does not wait."""
        job = _NodeJob(name, samples, request, priority, order)
        with self._lock:
            self._jobs.add(job)
        try:
            reply = self._actor.do.remote(self._purpose, samples, request, priority, order).future()
        except Exception:  # noqa: BLE001 -- the connection to the cluster is lost
            self._lost.put(job)
        else:
            reply.add_done_callback(partial(self._receive, job))
        return job.future

    def cancel(self, future: Future[Any]) -> None:
        """Its result is not used."""

    def _receive(self, job: _NodeJob, reply: Future[Any]) -> None:
        result = reply.exception() or reply.result()
        if reply.exception() is not None or isinstance(result, EngineClosedError | MachineError):
            self._lost.put(job)  # of the engine or its node, not of the job
            return
        self._took += time.monotonic() - job.started
        self._finished += 1
        self._settle(job, result)

    def _settle(self, job: _NodeJob, result: Any) -> None:
        """The first result counts."""
        with self._lock:
            if job not in self._jobs:
                return
            self._jobs.remove(job)
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)

    def look(self) -> None:
        """Do the jobs that are lost or late here. Waits while the own engine is busy."""
        while True:
            try:
                self._repeat(self._lost.get_nowait())
            except Empty:
                break
        now, usual = time.monotonic(), self._took / max(1, self._finished)
        with self._lock:
            late = [job for job in self._jobs if now - job.started > max(_RACE_AFTER, _RACE_FACTOR * usual)]
        for job in late:
            self._repeat(job)

    def _repeat(self, job: _NodeJob) -> None:
        with self._lock:
            if job.repeated or job not in self._jobs:
                return
            job.repeated = True
        try:
            future = self._own.submit(job.service, job.samples, job.request, priority=job.priority, order=job.order)
        except Exception as error:  # noqa: BLE001 -- the job's, as every error of an engine is
            self._settle(job, error)
            return
        future.add_done_callback(lambda done: self._settle(job, done.exception() or done.result()))


class NodeEngines:
    """The engines that a node uses besides its own."""

    def __init__(self, models: Mapping[Any, LoadedModel]) -> None:
        """`models`: the node's own, by what they are for."""
        self._models = models
        self._others: dict[int, dict[Any, NodeEngine]] = {}
        #: also those that are not used any more, but have jobs
        self._watched: list[NodeEngine] = []
        Thread(target=self._watch, name="node engines", daemon=True).start()

    def use(self, actors: Mapping[int, Any], threads: Mapping[int, int] = MappingProxyType({})) -> None:
        """Use the engines of these actors and no others, by number; jobs at others are awaited. `threads`: their
        decoding threads, where they are not those of the own engine.
        """
        for key in self._others.keys() - actors.keys():
            del self._others[key]
        for key in actors.keys() - self._others.keys():
            self._others[key] = {
                purpose: NodeEngine(actors[key], purpose, model.engine, threads.get(key, model.engine.threads))
                for purpose, model in self._models.items()
            }
        for purpose, model in self._models.items():
            model.elsewhere = tuple(engines[purpose] for engines in self._others.values())
        used = [engine for engines in self._others.values() for engine in engines.values()]
        self._watched = used + [engine for engine in self._watched if engine.in_flight and engine not in used]

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY)
            for engine in self._watched:
                engine.look()
