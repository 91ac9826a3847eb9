"""Our side of the engine process: submit audio, get futures, survive an engine that ends its own process.

sherpa-onnx leaves by `exit()` at hundreds of places. So it lives in a child (`backends.worker`). When the child dies,
the jobs it held are tried again one at a time in a fresh child; the one that kills it again fails with
`EngineCrashError`, the others never notice.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from asrcli.audio.types import Samples
from asrcli.backends.process.engine_process import ARENA_SIZE, EngineProcess, PrestartedEngine, launch
from asrcli.backends.process.shared_audio_buffer import SharedAudioBuffer
from asrcli.errors import AsrcliError, EngineCrashError, EngineError, MachineError, ModelError, machine_error

#: a model that has killed the engine so often and has not given a single answer is not tried on
_HOPELESS = 3
_OTHER_MODEL = "Download it again (asrcli models verify NAME tells whether it is whole), or take another with --model."


@dataclass(slots=True)
class _Job:
    id: int
    service: str
    start: int
    length: int
    request: Any
    priority: int
    future: Future[Any] = field(default_factory=Future)

    def message(self) -> tuple[Any, ...]:
        return ("job", self.id, self.service, self.start, self.length, self.request, self.priority)


class EngineClient:
    """The engine process as seen from ours. Thread-safe; close it (or use it as a context manager).

    Args:
        threads: decoding threads in the engine process.
        max_in_flight: jobs handed over and not yet answered; `submit` waits beyond that. Enough to keep every thread
            and batch filled, and what bounds memory.
        launched: a process that was started beforehand, for as many threads; None: one is started now.
    """

    def __init__(
        self, threads: int, max_in_flight: int | None = None, *, launched: PrestartedEngine | None = None
    ) -> None:
        launched = launched or launch(threads)
        launched.taken = True
        self.threads = threads
        self.restarts = 0
        self._limit = max_in_flight or 2 * threads + 2
        self._changed = threading.Condition()
        self._arena_fd = launched.arena_fd
        self._arena = SharedAudioBuffer(self._arena_fd, ARENA_SIZE)
        self._services: dict[str, tuple[str, Any]] = {}
        self._refused: dict[str, Exception] = {}
        self._backends: dict[str, str] = {}
        self._loading: dict[str, Future[Any]] = {}
        self._in_flight: dict[int, _Job] = {}
        self._suspects: deque[_Job] = deque()
        self._proven: set[str] = set()  # services that have given an answer
        self._deaths: Counter[str] = Counter()  # of those that have not
        self._broken: AsrcliError | None = None  # why no engine process can be started any more
        self._on_trial: _Job | None = None
        self._next_id = 0
        self._closed = False
        self._child = self._listen_to(launched.child)

    # -- public ------------------------------------------------------------------------------------------------------

    @property
    def process_id(self) -> int:
        """Of the engine process as it is now."""
        return self._child.process.pid

    def load(self, name: str, kind: str, spec: Any) -> Future[dict[str, Any]]:
        """Load a service under a name. Jobs for it may be submitted at once; they wait in the engine.

        The kind is that of a backend, or "module:function" of another service. The future holds
        {"batch_size": int, "backend": str}, or the error with which the engine refused.

        Raises:
            EngineError: the host is closed.
            MachineError: the engine has died, and the system starts no other.
        """
        with self._changed:
            if self._closed:
                raise EngineError("the engine was closed")
            if self._broken is not None:
                raise self._broken
            self._services[name] = (kind, spec)
            self._proven.discard(name)
            del self._deaths[name]
            future: Future[dict[str, Any]] = Future()
            self._loading[name] = future
            self._tell("load", name, kind, spec)
        future.add_done_callback(self._make_room)
        return future

    def has(self, name: str) -> bool:
        """Whether a service is loaded under this name, or about to be. One that could not be loaded anew is gone."""
        with self._changed:
            return name in self._services

    def backend(self, name: str) -> str | None:
        """The engine that runs a service; None until it is loaded."""
        with self._changed:
            return self._backends.get(name)

    def unload(self, name: str) -> None:
        """Drop a service and its memory once its running jobs are done."""
        with self._changed:
            self._services.pop(name, None)
            self._tell("unload", name)

    def submit(self, name: str, samples: Samples, request: Any = None, *, priority: int = 0) -> Future[Any]:
        """Hand a job to a service; waits while too much is in flight.

        Args:
            name: the name that the service was loaded under.
            samples: float32 of shape (samples,) at 16 kHz; copied before this returns.
            request: what the service is asked; plain data.
            priority: lower goes first (live streams before files).

        Raises:
            EngineError: the host is closed, the job is larger than the shared buffer, or the service is not loaded
                (then the error with which loading failed, where it did).
        """
        if len(samples) > self._arena.capacity:
            raise EngineError(f"a chunk of {len(samples)} samples does not fit the engine's buffer")
        with self._changed:
            job = self._admit(name, samples, request, priority)
            self._in_flight[job.id] = job
            self._tell(*job.message())
        return job.future

    def cancel(self, future: Future[Any]) -> None:
        """Drop a job that no thread has begun; its future then fails with `EngineError`."""
        with self._changed:
            for job in self._in_flight.values():
                if job.future is future:
                    self._tell("cancel", job.id)

    def close(self) -> None:
        """End the engine process; unanswered futures fail with `EngineError`."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            abandoned = [*(job.future for job in self._held()), *self._loading.values()]
            self._on_trial = None
            self._loading.clear()
            self._in_flight.clear()
            self._suspects.clear()
            self._changed.notify_all()
        self._child.end()
        self._reader.join(timeout=5)
        os.close(self._arena_fd)
        for future in abandoned:
            _fail(future, EngineError("the engine was closed"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- handing over ------------------------------------------------------------------------------------------------

    def _admit(self, name: str, samples: Samples, request: Any, priority: int) -> _Job:
        length = len(samples)
        while True:
            if self._closed:
                raise EngineError("the engine was closed")
            if self._broken is not None:
                raise self._broken
            if name not in self._services:
                raise self._refused.get(name) or EngineError(f"no service {name!r} is loaded")
            calm = not self._suspects and self._on_trial is None
            if calm and len(self._in_flight) < self._limit:
                start = self._arena.allocate(length) if length else 0
                if start is not None:
                    break
            self._changed.wait()
        self._arena.view(start, length)[:] = samples
        self._next_id += 1
        return _Job(self._next_id, name, start, length, request, priority)

    def _tell(self, *message: Any) -> None:
        # A dead child is dealt with by the reader, which sees the end of the connection.
        with contextlib.suppress(OSError):
            self._child.connection.send(message)

    def _listen_to(self, child: EngineProcess) -> EngineProcess:
        self._reader = threading.Thread(target=self._read, args=(child,), name="engine-reader", daemon=True)
        self._reader.start()
        return child

    # -- answers -----------------------------------------------------------------------------------------------------

    def _read(self, child: EngineProcess) -> None:
        while True:
            try:
                message = child.connection.recv()
            except (EOFError, OSError):
                break
            if message[0] == "done":
                self._answer(*message[1:])
            elif message[0] == "loaded":
                self._answer_load(*message[1:])
        self._revive(child)

    def _answer(self, job_id: int, result: Any, error: Exception | None) -> None:
        with self._changed:
            if self._on_trial is not None and self._on_trial.id == job_id:
                job = self._on_trial
                self._on_trial = None
                self._try_next_suspect()
            else:
                found = self._in_flight.pop(job_id, None)
                if found is None:
                    return
                job = found
            self._arena.release(job.start, job.length)
            if error is None:
                self._proven.add(job.service)
            self._changed.notify_all()
        if error is not None:
            _fail(job.future, error)
        elif job.future.set_running_or_notify_cancel():
            job.future.set_result(result)

    def _answer_load(self, name: str, info: dict[str, Any] | None, error: Exception | None) -> None:
        with self._changed:
            future = self._loading.pop(name, None)
            if future is None:
                return  # closed meanwhile
            if info is not None:
                self._backends[name] = info["backend"]
            lost = [] if error is None else self._refuse([name], error)
        if error is None:
            future.set_result(info)
        else:
            for loser in [future, *lost]:
                _fail(loser, error)

    def _make_room(self, done: Future[dict[str, Any]]) -> None:
        """Let whole batches be in flight, now that it is known how large they are."""
        if done.exception() is None:
            with self._changed:
                self._limit = max(self._limit, 2 * self.threads * done.result()["batch_size"])
                self._changed.notify_all()

    def _refuse(self, names: Iterable[str], error: Exception) -> list[Future[Any]]:
        """Strike services that cannot be loaded off the list; the futures of their jobs, to be failed."""
        for name in names:
            self._services.pop(name, None)
            self._refused[name] = error
        lost = [job for job in self._held() if job.service not in self._services]
        for job in lost:
            self._in_flight.pop(job.id, None)
            self._arena.release(job.start, job.length)
        self._suspects = deque(job for job in self._suspects if job.service in self._services)
        if self._on_trial in lost:
            self._on_trial = None
            self._try_next_suspect()
        self._changed.notify_all()
        return [job.future for job in lost]

    def _held(self) -> list[_Job]:
        on_trial = [self._on_trial] if self._on_trial is not None else []
        return [*self._in_flight.values(), *self._suspects, *on_trial]

    # -- after a crash -----------------------------------------------------------------------------------------------

    def _revive(self, dead: EngineProcess) -> None:
        ended = f"({dead.last_words()})"
        dead.connection.close()
        hint = "Perhaps memory ran out: use fewer --jobs or a smaller model." if "signal 9" in ended else ""
        refusal = ModelError(f"The engine could not load the model {ended}.", hint or _OTHER_MODEL)
        with self._changed:
            if self._closed:
                return
            self.restarts += 1
            condemned, self._on_trial = self._on_trial, None
            self._suspects.extend(self._in_flight.values())
            self._in_flight.clear()
            # A service that was loading when the child died would only kill the next one as well. With a job on trial
            # it was that job, and the services that come back after its first crash are innocent.
            loading, self._loading = ({}, self._loading) if condemned is not None else (self._loading, {})
            failed: list[tuple[Future[Any], AsrcliError]] = [(future, refusal) for future in loading.values()]
            failed += [(future, refusal) for future in self._refuse(loading, refusal)]
            if condemned is not None:
                self._arena.release(condemned.start, condemned.length)
                failed.append((condemned.future, EngineCrashError(f"The engine ended its process {ended}.", hint)))
                failed += self._give_up_on(condemned.service, ended, hint)
            failed += self._restart()
            self._try_next_suspect()
            self._changed.notify_all()
        for future, error in failed:
            _fail(future, error)

    def _give_up_on(self, name: str, ended: str, hint: str) -> list[tuple[Future[Any], AsrcliError]]:
        """Refuse a service that does nothing but kill the engine; its jobs, to be failed."""
        if name in self._proven or name not in self._services:
            return []
        self._deaths[name] += 1
        if self._deaths[name] < _HOPELESS:
            return []
        hopeless = ModelError(f"The model ends the engine's process at every chunk {ended}.", hint or _OTHER_MODEL)
        loading = [self._loading.pop(name)] if name in self._loading else []
        return [(future, hopeless) for future in [*loading, *self._refuse([name], hopeless)]]

    def _restart(self) -> list[tuple[Future[Any], AsrcliError]]:
        """A fresh child with all services; where the system grants none, every job's future, to be failed."""
        try:
            self._child = self._listen_to(EngineProcess(self._arena_fd, self.threads))
        except (OSError, RuntimeError, MemoryError) as error:
            self._broken = machine_error(error) or MachineError(f"The engine cannot be started again: {error}.")
            loading, self._loading = list(self._loading.values()), {}
            lost = [*loading, *self._refuse(list(self._services), self._broken)]
            return [(future, self._broken) for future in lost]
        for name, (kind, spec) in self._services.items():
            self._loading.setdefault(name, Future())
            self._tell("load", name, kind, spec)
        return []

    def _try_next_suspect(self) -> None:
        if self._suspects:
            self._on_trial = self._suspects.popleft()
            self._tell(*self._on_trial.message())


def _fail(future: Future[Any], error: Exception) -> None:
    if future.set_running_or_notify_cancel():
        future.set_exception(error)
