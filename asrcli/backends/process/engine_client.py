"""Client of the engine process: submit audio, get futures; crashes of the engine cost one job.

sherpa-onnx calls `exit()` in hundreds of places, so it runs in a child process (`worker`). When the child exits, what
it was doing is done again one at a time in a new child (`recovery`): the job with which that exits fails with
`EngineCrashError`, and the model with which it exits is refused.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from asrcli.audio.types import Samples
from asrcli.backends.process.engine_job import EngineJob, answer, fail
from asrcli.backends.process.engine_process import EngineProcess, PrestartedEngine, buffer_size, prestart
from asrcli.backends.process.engine_services import EngineServices
from asrcli.backends.process.model_failure import model_failure
from asrcli.backends.process.recovery import Recovery
from asrcli.backends.process.shared_audio_buffer import SharedAudioBuffer
from asrcli.backends.process.synchronization import OrderedCondition
from asrcli.errors import (
    AsrcliError,
    EngineClosedError,
    EngineCrashError,
    EngineError,
    MachineError,
    ModelCrashError,
    machine_error,
)


class EngineClient(contextlib.AbstractContextManager["EngineClient"]):
    """An engine process of `threads` decoding threads and its services. Thread-safe; a context manager. `submit` waits
    while `max_in_flight` jobs are not answered: that bounds memory and fills every thread and batch. `prestarted` is a
    process with as many threads; None: one is started. Raises OSError: the system starts no process.
    """

    def __init__(
        self, threads: int, max_in_flight: int | None = None, *, prestarted: PrestartedEngine | None = None
    ) -> None:
        prestarted = prestarted or prestart(threads)
        self.threads = threads
        self.restarts = 0
        self._limit = max_in_flight or 2 * threads + 2
        self._changed = OrderedCondition()
        self._buffer_fd = prestarted.buffer_fd
        with prestarted:
            self._buffer = SharedAudioBuffer(self._buffer_fd, buffer_size())
            prestarted.taken = True
        self._services = EngineServices()
        self._in_flight: dict[int, EngineJob] = {}
        self._recovery = Recovery()
        self._failure: AsrcliError | None = None
        self._next_id = 0
        self._closed = False
        self._child = self._start_reader(prestarted.child)

    @property
    def failure(self) -> AsrcliError | None:
        """Why there is no engine process; None: there is one. The next `load` tries to start one again."""
        return self._failure

    @property
    def in_flight(self) -> int:
        """Jobs that are not answered."""
        return len(self._in_flight)

    @property
    def process_id(self) -> int:
        """Of the current engine process."""
        return self._child.process.pid

    def load(self, name: str, kind: str, spec: Any) -> Future[dict[str, Any]]:
        """Load a service under a name; jobs may be submitted at once, and wait. The kind is that of a backend, or
        "module:function" of another service. The future holds {"batch_size": int, "backend": str}, or the error with
        which the engine refused. Raises EngineError: the engine is closed; MachineError: no process can be started.
        """
        with self._changed:
            if self._closed:
                raise EngineClosedError("the engine was closed")
            if self._failure is not None:
                self._start_again()
            future = self._services.add(name, kind, spec)
            if self._recovery.at_work:
                self._recovery.add((), [name])
            else:
                self._ask(name)
        future.add_done_callback(self._raise_limit)
        return future

    def has(self, name: str) -> bool:
        """Whether a service is loaded under this name, or loading. False once it could not be reloaded."""
        with self._changed:
            return name in self._services.specs

    def backend(self, name: str) -> str | None:
        """The engine that runs a service; None until it is loaded."""
        return self._services.backend(name)

    def notices(self, name: str) -> tuple[str, ...]:
        """What the user should know of how a service was loaded; empty until it is."""
        return self._services.notices(name)

    def unload(self, name: str) -> None:
        """Release a service and its memory once its running jobs are done."""
        with self._changed:
            lost = self._services.remove(name)
            self._send("unload", name)
            lost += self._drop_orphans() if self._recovery.at_work else []
        for future in lost:
            fail(future, EngineClosedError(f"the model {name} was unloaded"))

    def submit(
        self, name: str, samples: Samples, request: Any = None, *, priority: int = 0, order: int = 0,
        growing: Callable[[Any], None] | None = None,
    ) -> Future[Any]:  # fmt: skip
        """Submit float32 samples, (samples,) at 16 kHz, to a loaded service; copies them, and waits while too many jobs
        are in flight. Jobs of lower `priority` go first, and of those the ones of lower `order` (the first file of a
        batch). `growing` gets results so far, in a thread of the client, from services that report them. Raises
        EngineError: the engine is closed, the job is larger than the shared buffer, or the service is not loaded (the
        error with which loading failed, if it did).
        """
        if len(samples) > self._buffer.capacity:
            raise EngineError(f"a chunk of {len(samples)} samples does not fit the engine's buffer")
        job = EngineJob(name, len(samples), request, priority, order, growing)
        with self._changed:
            self._allocate(job, samples)
            self._in_flight[job.id] = job
            self._send(*job.message())
        return job.future

    def cancel(self, future: Future[Any]) -> None:
        """Cancel a job that no thread has started, or that its service can abort; the future fails with EngineError."""
        with self._changed:
            for job in filter(lambda job: job.future is future, self._in_flight.values()):
                self._send("cancel", job.id)

    def close(self) -> None:
        """End the engine process; unanswered futures fail with `EngineError`. Does nothing while the interpreter ends:
        threads are stopped that may hold the lock, and the engine process ends when the connection does.
        """
        if sys.is_finalizing():
            return
        with self._changed:
            if self._closed:
                return
            self._closed, held = True, [*self._in_flight.values(), *self._recovery.jobs]
            abandoned = [*(job.future for job in held), *self._services.loading.values()]
            self._recovery = Recovery()
            self._in_flight.clear()
            self._changed.notify_all()
        self._child.end()
        self._reader.join(timeout=5)
        os.close(self._buffer_fd)
        for future in abandoned:
            fail(future, EngineClosedError("the engine was closed"))

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- submitting -------------------------------------------------------------------------------------------------

    def _allocate(self, job: EngineJob, samples: Samples) -> None:
        """Wait for room, and give the job its place and number."""
        start = None

        def allocated() -> bool:
            nonlocal start
            if self._closed:
                raise EngineClosedError("the engine was closed")
            if self._failure is not None:
                raise self._failure
            if job.service not in self._services.specs:
                raise self._services.refused.get(job.service) or EngineError(f"no service {job.service!r} is loaded")
            if not self._recovery.at_work and len(self._in_flight) < self._limit:
                start = self._buffer.allocate(job.length) if job.length else 0
            return start is not None

        self._changed.wait_for_turn(allocated, job.priority, job.order)
        assert start is not None
        self._buffer.view(start, job.length)[:] = samples
        self._next_id += 1
        job.id, job.start = self._next_id, start

    def _ask(self, name: str) -> None:
        self._services.asked.add(name)
        self._send("load", name, *self._services.specs[name])

    def _send(self, *message: Any) -> None:
        # The reader sees the end of the connection, and restarts the child.
        with contextlib.suppress(OSError):
            self._child.connection.send(message)

    def _start_reader(self, child: EngineProcess) -> EngineProcess:
        self._reader = threading.Thread(target=self._read, args=(child,), name="engine-reader", daemon=True)
        self._reader.start()
        return child

    def _read(self, child: EngineProcess) -> None:
        while True:
            try:
                message = child.connection.recv()
            except (EOFError, OSError):
                break
            if message[0] == "done":
                self._on_done(message[1])
            elif message[0] == "growing":
                self._on_growing(*message[1:])
            elif message[0] == "loaded":
                self._on_loaded(*message[1:])
        self._on_exit(child)

    def _on_growing(self, job_id: int, result: Any) -> None:
        with self._changed:
            job = self._in_flight.get(job_id)
        if job is not None and job.growing:
            job.growing(result)

    def _on_done(self, answers: Iterable[tuple[int, Any, Exception | None]]) -> None:
        done: list[tuple[Future[Any], Any, Exception | None]] = []
        with self._changed:
            for job_id, result, error in answers:
                job = self._in_flight.pop(job_id, None)
                if self._recovery.job is not None and self._recovery.job.id == job_id:
                    job = self._recovery.done()
                    self._go_on()
                if job is not None:
                    self._buffer.release(job.start, job.length)
                    if error is None:
                        self._services.succeeded(job.service)
                    done.append((job.future, result, error))
            self._changed.notify_all()
        for future, result, error in done:
            answer(future, result, error)

    def _on_loaded(self, name: str, info: dict[str, Any] | None, error: Exception | None) -> None:
        with self._changed:
            if self._closed:
                return
            if self._recovery.load == name:
                self._recovery.done()
            waiting = self._services.loaded(name, info or {}) if error is None else self._refuse([name], error)
            self._go_on()
        for future in waiting:
            answer(future, info, error)

    def _raise_limit(self, done: Future[dict[str, Any]]) -> None:
        """Allow two batches a thread in flight, now that their size is known, and one job more (see `JobQueue`)."""
        if done.exception() is None:
            with self._changed:
                size = done.result()["batch_size"]
                self._limit = max(self._limit, 2 * self.threads * size + (size > 1))
                self._changed.notify_all()

    def _refuse(self, names: Iterable[str], error: Exception) -> list[Future[Any]]:
        """Remove services that cannot be loaded; the futures of them and their jobs, which the caller fails."""
        waiting = [future for name in names for future in self._services.refuse(name, error)]
        return waiting + self._drop_orphans()

    def _drop_orphans(self) -> list[Future[Any]]:
        """Forget the jobs of services that are gone, those without a start; their futures, which the caller fails."""
        orphans = self._recovery.drop(lambda job: job.service not in self._services.specs)
        orphans += [job for job in self._in_flight.values() if job.service not in self._services.specs]
        for job in orphans:
            self._in_flight.pop(job.id, None)
            self._buffer.release(job.start, job.length)
        self._changed.notify_all()
        return [job.future for job in orphans]

    # -- after a crash -----------------------------------------------------------------------------------------------

    def _on_exit(self, dead: EngineProcess) -> None:
        ended, hint = f"({dead.exit_reason()})", dead.exit_hint()
        dead.connection.close()
        with self._changed:
            job, name = self._suspected()
        problem = f"The engine could not load the model{{}} {ended}."
        # It reads the model's files, which may take some time.
        refusal = model_failure(problem, hint, {**self._services.specs}, [name] if name else [])
        with self._changed:
            if self._closed:
                return
            self.restarts += 1
            self._recovery.later = [*self._in_flight.values()]
            self._services.process_exited()
            failed = [(future, refusal) for future in self._refuse([name] if name else [], refusal)]
            if job is not None:
                self._buffer.release(job.start, job.length)
                failed.append((job.future, EngineCrashError(f"The engine ended its process {ended}.", hint)))
                failed += self._give_up_on(job.service, ended, hint)
            failed += self._restart()
            self._go_on()
            self._changed.notify_all()
        for future, error in failed:
            fail(future, error)

    def _suspected(self) -> tuple[EngineJob | None, str | None]:
        """What ended the child if it did but one thing: a job, or loading the service of a name. Else, all that it did
        is done one at a time.
        """
        if self._recovery.stepping:
            return self._recovery.failed()
        asked, ready = self._services.asked, self._services.ready
        running = [job for job in self._in_flight.values() if job.service in ready]
        if len(asked) == 1 and not running:
            return None, next(iter(asked))
        self._recovery.add([self._in_flight.pop(job.id) for job in running], asked)
        return None, None

    def _give_up_on(self, name: str, ended: str, hint: str) -> list[tuple[Future[Any], AsrcliError]]:
        """Refuse a service that only crashes the engine; returns the futures of its jobs with their error."""
        if not self._services.crashed(name):
            return []
        problem = f"The model{{}} crashes the engine with every chunk {ended}."
        refused = model_failure(problem, hint, self._services.specs, [name], kind=ModelCrashError)
        return [(future, refused) for future in self._refuse([name], refused)]

    def _restart(self) -> list[tuple[Future[Any], AsrcliError]]:
        """Start a new child; if that fails, returns every job's future with its error."""
        try:
            self._start_again()
        except AsrcliError as error:
            return [(future, error) for future in self._refuse([*self._services.specs], error)]
        return []

    def _start_again(self) -> None:
        try:
            self._child = self._start_reader(EngineProcess(self._buffer_fd, self.threads))
        except (OSError, RuntimeError, MemoryError) as error:
            self._failure = machine_error(error) or MachineError(f"The engine cannot be started again: {error}.")
            raise self._failure from error
        self._failure = None

    def _go_on(self) -> None:
        """Begin the next step of a recovery. After the last, the child gets all else at once."""
        step = self._recovery.next(self._services.ready, self._services.specs)
        if isinstance(step, EngineJob):
            self._send(*step.message())
        elif step is not None:
            self._ask(step)
        elif not self._recovery.at_work:
            for name in self._services.unasked():
                self._ask(name)
            for job in self._recovery.take_later():
                if job.id in self._in_flight:
                    self._send(*job.message())
            self._changed.notify_all()
