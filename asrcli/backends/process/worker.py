"""The engine process: services, a queue, and threads that decode. Started by `engine_process`.

Messages, each a pickled tuple, parent to child: ("import", module, ...), ("load", name, kind, spec), ("unload", name),
("job", id, name, start, length, request, priority, order, growing), ("cancel", id). Child to parent: ("loaded", name,
info, error), ("growing", id, result), ("done", ((id, result, error), ...)), one for each batch. The process exits when
the connection ends.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from asrcli.backends.process import engine_log
from asrcli.backends.process.batches import JobQueue, PendingJob, engine_error
from asrcli.backends.process.shared_audio_buffer import SharedAudioBuffer
from asrcli.backends.registry import loader_of
from asrcli.backends.types import DecodeJob, SchedulingService, Service
from asrcli.errors import AsrcliError, EngineClosedError, EngineError, machine_error
from asrcli.storage.allocator import return_small_blocks

#: seconds between two returns of freed memory to the system, which take milliseconds
_RETURN_EVERY = 60.0


class EngineWorker:
    """Reads messages from the connection; its threads run the services."""

    def __init__(self, connection: Connection, buffer: SharedAudioBuffer, threads: int) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._buffer = buffer
        self._threads = threads
        self._queue = JobQueue(threads)
        #: jobs that services which form their batches themselves have not answered
        self._started: dict[int, SchedulingService] = {}
        self._returned = time.monotonic()

    def serve(self) -> None:
        for number in range(self._threads):
            threading.Thread(target=self._decode_loop, name=f"decode-{number}", daemon=True).start()
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                return
            self._handle(message)

    def _handle(self, message: tuple[Any, ...]) -> None:
        kind, *rest = message
        if kind == "job":
            self._queue.put(PendingJob(*rest))
        elif kind == "load":
            # In a thread of its own, so that other services run while a large model loads.
            threading.Thread(target=self._load, args=rest, daemon=True).start()
        elif kind == "import":
            threading.Thread(target=_import, args=rest, daemon=True).start()
        elif kind == "unload":
            close = getattr(self._queue.close(rest[0]), "close", None)
            if close is not None:
                close()
        elif kind == "cancel":
            self._cancel(rest[0])

    def _cancel(self, job_id: int) -> None:
        if self._queue.drop(job_id):
            self._send("done", [(job_id, None, EngineClosedError("cancelled"))])
        elif (service := self._started.get(job_id)) is not None:
            service.abort(job_id)

    def _load(self, name: str, kind: str, spec: Any) -> None:
        try:
            service: Service = loader_of(kind)(spec, self._threads)
        except BaseException as error:  # noqa: BLE001 - any exception of an engine, SystemExit too, becomes an answer
            self._send("loaded", name, None, machine_error(error) or _picklable(error))
            return
        # Sent before the first job can run: a crash of that job must not count as a crash while loading.
        info = {"batch_size": service.batch_size, "backend": getattr(service, "backend", kind)}
        info["notices"] = getattr(service, "notices", ())
        self._send("loaded", name, info, None)
        self._queue.open(name, service)

    def _decode_loop(self) -> None:
        while True:
            service, batch = self._queue.take()
            if hasattr(service, "start"):
                for job in batch:
                    self._start(service, job)
                continue
            try:
                results = self._run(service, batch)
            except BaseException as error:  # noqa: BLE001 - as above
                results = [error] * len(batch)
            self._answer([_answer_to(job.id, result) for job, result in zip(batch, results, strict=True)])
            del batch, results
            self._return_memory()

    def _return_memory(self) -> None:
        """Now and then: what lies between blocks in use grows by tens of megabytes in hours."""
        now = time.monotonic()
        if now - self._returned >= _RETURN_EVERY:
            self._returned = now
            return_small_blocks()

    def _start(self, service: Any, job: PendingJob) -> None:
        """Hand a job to a service that answers by itself."""
        self._started[job.id] = service
        growing = partial(self._send, "growing", job.id) if job.growing else None
        samples = self._buffer.view(job.start, job.length)
        try:
            service.start(
                job.id, DecodeJob(samples, job.request, job.priority), partial(self._answer_started, job.id), growing
            )
        except BaseException as error:  # noqa: BLE001 - as above
            self._answer_started(job.id, error)

    def _answer_started(self, job_id: int, result: Any) -> None:
        if self._started.pop(job_id, None) is not None:
            self._answer([_answer_to(job_id, result)])

    def _answer(self, answers: Sequence[tuple[Any, ...]]) -> None:
        """In one message: each wakes the other process."""
        try:
            self._send("done", answers)
        except Exception as error:  # noqa: BLE001 - one of them cannot be pickled
            if len(answers) == 1:
                self._send("done", [(answers[0][0], None, _picklable(error))])
                return
            for answer in answers:
                self._answer([answer])

    def _run(self, service: Service, batch: Sequence[PendingJob]) -> Sequence[Any]:
        results = service.run([DecodeJob(self._buffer.view(job.start, job.length), job.request) for job in batch])
        if len(results) != len(batch):
            raise EngineError(f"The engine returned {len(results)} results for {len(batch)} chunks.")
        return results

    def _send(self, *message: Any) -> None:
        with self._sending:
            try:
                self._connection.send(message)
            except OSError:
                os._exit(0)  # the parent has exited


def _import(*modules: str) -> None:
    """Load modules ahead of their use; a failure is reported by the service that needs them."""
    for module in modules:
        with contextlib.suppress(ImportError):
            import_module(module)


def _answer_to(job_id: int, result: Any) -> tuple[Any, ...]:
    return (job_id, None, _picklable(result)) if isinstance(result, BaseException) else (job_id, result, None)


def _picklable(error: BaseException) -> AsrcliError:
    """An error that can be pickled: our own unchanged, others by name and text."""
    if isinstance(error, AsrcliError):
        return error
    message = f"{type(error).__name__}: {error}"
    return engine_error(message, error) if isinstance(error, Exception) else EngineError(message)


def main() -> None:
    connection_fd, buffer_fd, buffer_size, threads = map(int, sys.argv[1:5])
    # The terminal sends Ctrl-C, and SIGHUP when it closes, to the whole group; the parent decides when to stop.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # Engines print to stdout, which must not mix with results.
    os.dup2(2, 1)
    engine_log.own = engine_log.EngineLog(2)
    buffer = SharedAudioBuffer(buffer_fd, buffer_size)
    EngineWorker(Connection(connection_fd), buffer, threads).serve()
    # Threads may be inside the engine, whose destructors do not wait for them: exit without cleaning up.
    os._exit(0)


if __name__ == "__main__":
    main()
