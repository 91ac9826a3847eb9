"""Calls of the engines of a cluster: files go to the least busy one; those of a lost one to others."""

import time
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from asrcli.batch.results import ResultLostError
from asrcli.batch.stop_signal import DroppedError
from asrcli.cluster.pooled_engine import Pace, PooledEngine
from asrcli.cluster.supervised_engines import MOST_CRASHES, SupervisedEngines
from asrcli.errors import EngineCrashError

_POLL = 0.5


class ActorPool(SupervisedEngines):
    """Opens an engine on every node, also on those that join later, and calls them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """See `SupervisedEngines`."""
        self._pace = Pace()
        super().__init__(*arguments, **options)

    def ask(
        self,
        method: str,
        *arguments: Any,
        name: str,
        seconds: float = 0.0,
        dropped: Callable[[], bool] = lambda: False,
        undo: tuple[Any, ...] = (),
    ) -> tuple[PooledEngine, Any]:
        """Call a method of an engine. Where an engine is lost, another is called. A call that `undo`, a method and its
        arguments, can undo is made on a second engine, too, if it is slow and no other file is waiting; the first
        result counts. `seconds` of audio, `name` of the file.

        Raises DroppedError: `dropped` has returned true; EngineCrashError: the call has ended several engines;
        ClusterError: no engine can be used.
        """
        attempts: dict[Future[Any], PooledEngine] = {}
        crashes, started = 0, time.monotonic()
        try:
            while crashes < MOST_CRASHES:
                engine: PooledEngine | None = None
                if not attempts:
                    engine = self._take(seconds, dropped)
                elif undo and len(attempts) == 1:
                    engine = self._take_idle(attempts.values(), time.monotonic() - started, seconds)
                if engine is not None:
                    attempts[self.call(engine, method, *arguments)] = engine
                for future in wait(attempts, _POLL, FIRST_COMPLETED).done:
                    engine = attempts.pop(future)
                    self._give_back(engine, seconds)
                    error = self._loss(future)
                    if error is None:
                        with self._changed:
                            self._pace.count(time.monotonic() - started, seconds)
                        return engine, future.result()
                    crashes += self.lose(engine, error)
                if dropped():
                    raise DroppedError
        finally:
            for engine in attempts.values():
                self._give_back(engine, seconds)
                if undo:
                    self.call(engine, *undo)
        message = f"{name}: {crashes} processes of the cluster ended while it was transcribed."
        raise EngineCrashError(message, "They may lack memory: use fewer --jobs or a smaller model.")

    def _loss(self, future: Future[Any]) -> Exception | None:
        """The error by which an engine is lost; None for a result, and for an error of the message itself."""
        error, kinds = future.exception(), self._ray.exceptions
        if isinstance(error, Exception) and isinstance(error, kinds.RayError):
            return None if isinstance(error, kinds.RayTaskError) else error
        return None

    def call(self, engine: PooledEngine, method: str, *arguments: Any) -> Future[Any]:
        """Call a method of this engine."""
        return self._sender.call(engine, method, arguments)

    def result(self, engine: PooledEngine, method: str, *arguments: Any) -> Any:
        """What a method of this engine returns. Raises ResultLostError: the engine is lost."""
        future = self.call(engine, method, *arguments)
        wait([future])
        if (error := self._loss(future)) is not None:
            self.lose(engine, error)
            raise ResultLostError from error
        return future.result()

    def _take(self, seconds: float, dropped: Callable[[], bool]) -> PooledEngine:
        """A place at the least busy engine."""
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    if self._failure is not None:
                        raise self._failure
                    if self._closed or dropped():
                        raise DroppedError
                    free = [engine for engine in self._engines.values() if engine.takes(seconds)]
                    if free:
                        return self._occupy(min(free, key=lambda engine: engine.busy / engine.slots), seconds)
                    self._changed.wait(_POLL)
            finally:
                self._waiting -= 1

    def _take_idle(self, others: Collection[PooledEngine], elapsed: float, seconds: float) -> PooledEngine | None:
        """An engine without work for a file that is slow."""
        with self._changed:
            if self._waiting or not self._pace.is_slow(elapsed, seconds):
                return None
            idle = (one for one in self._engines.values() if one.ready and not one.busy and one not in others)
            engine = next(idle, None)
            self._idle_wanted = engine is None
            return None if engine is None else self._occupy(engine, seconds)

    def _occupy(self, engine: PooledEngine, seconds: float) -> PooledEngine:
        engine.busy += 1
        engine.load += seconds
        return engine

    def _give_back(self, engine: PooledEngine, seconds: float) -> None:
        with self._changed:
            engine.busy -= 1
            engine.load -= seconds
            engine.used = time.monotonic()
            self._changed.notify()
