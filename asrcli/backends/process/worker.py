"""The engine process: services, a queue, and threads that decode. Started by `backends.host`, never by hand.

Messages, each a pickled tuple, parent to child: ("import", module, ...), ("load", name, kind, spec), ("unload", name),
("job", id, name, start, length, request, priority), ("cancel", id). Child to parent: ("loaded", name, info, error),
("done", id, result, error). The end of the connection is the order to leave.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from asrcli.backends.process import engine_log
from asrcli.backends.process.batches import JobQueue, PendingJob
from asrcli.backends.process.shared_audio_buffer import SharedAudioBuffer
from asrcli.backends.registry import loader_of
from asrcli.backends.types import DecodeJob, Service
from asrcli.errors import AsrcliError, EngineError


class EngineWorker:
    """Reads orders from the connection; `threads` of its own do the work."""

    def __init__(self, connection: Connection, arena: SharedAudioBuffer, threads: int) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._arena = arena
        self._threads = threads
        self._queue = JobQueue(threads)

    def serve(self) -> None:
        for number in range(self._threads):
            threading.Thread(target=self._decode_loop, name=f"decode-{number}", daemon=True).start()
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                return
            self._obey(message)

    def _obey(self, message: tuple[Any, ...]) -> None:
        order, *rest = message
        if order == "job":
            self._queue.put(PendingJob(*rest))
        elif order == "load":
            # In a thread of its own: other services go on while a large model loads.
            threading.Thread(target=self._load, args=rest, daemon=True).start()
        elif order == "import":
            threading.Thread(target=_import, args=rest, daemon=True).start()
        elif order == "unload":
            self._queue.close(rest[0])
        elif order == "cancel" and self._queue.drop(rest[0]):
            self._send("done", rest[0], None, EngineError("cancelled"))

    def _load(self, name: str, kind: str, spec: Any) -> None:
        try:
            service: Service = loader_of(kind)(spec, self._threads)
        except Exception as error:  # noqa: BLE001 - whatever an engine raises becomes an answer
            self._send("loaded", name, None, _plain(error))
            return
        # Said before the first job can run: a crash of that job must not pass for a crash while loading.
        info = {"batch_size": service.batch_size, "backend": getattr(service, "backend", kind)}
        self._send("loaded", name, info, None)
        self._queue.open(name, service)

    def _decode_loop(self) -> None:
        while True:
            service, batch = self._queue.take()
            try:
                results = service.run(
                    [DecodeJob(self._arena.view(job.start, job.length), job.request) for job in batch]
                )
            except Exception as error:  # noqa: BLE001 - as above
                results = [_plain(error)] * len(batch)
            for job, result in zip(batch, results, strict=True):
                if isinstance(result, Exception):
                    self._send("done", job.id, None, _plain(result))
                else:
                    self._send("done", job.id, result, None)

    def _send(self, *message: Any) -> None:
        with self._sending:
            try:
                self._connection.send(message)
            except OSError:
                os._exit(0)  # the parent is gone, and with it every reason to go on


def _import(*modules: str) -> None:
    """Load modules ahead of their use; where that fails, the service that needs them will say so."""
    for module in modules:
        with contextlib.suppress(ImportError):
            import_module(module)


def _plain(error: Exception) -> AsrcliError:
    """An error that survives pickling: ours as they are, others by name and text."""
    if isinstance(error, AsrcliError):
        return error
    return EngineError(f"{type(error).__name__}: {error}")


def main() -> None:
    connection_fd, arena_fd, arena_size, threads = map(int, sys.argv[1:5])
    # The terminal sends Ctrl-C to the whole group; when to stop is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Engines print to stdout; results of ours must never be mixed with that.
    os.dup2(2, 1)
    engine_log.own = engine_log.EngineLog(2)
    arena = SharedAudioBuffer(arena_fd, arena_size)
    EngineWorker(Connection(connection_fd), arena, threads).serve()
    # Threads may be inside the engine, whose destructors do not wait for them: leave without cleaning up.
    os._exit(0)


if __name__ == "__main__":
    main()
