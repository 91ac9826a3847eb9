"""The engines of a cluster: an actor a node or GPU. Files go to the least busy one; those of a lost one to others."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from math import inf
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from typing import Any, Self

from asrcli import __version__
from asrcli.batch.events import FileProgress
from asrcli.batch.results import ResultLostError
from asrcli.batch.stop_signal import DroppedError
from asrcli.cluster.engine_actor import EngineActor, WorkFactory
from asrcli.cluster.pooled_engine import Place, PooledEngine
from asrcli.errors import AsrcliError, ClusterError, EngineCrashError

#: how often an actor may end on a node that is alive before its file, or the node, is given up
_MOST_CRASHES = 5
#: seconds: between two looks at the nodes, until a cluster without a free node is reported, between reports
_LOOK_EVERY, _NOTICE_AFTER, _REPORT_EVERY = 1.0, 15.0, 0.25
#: a file is also given to an idle engine after so many seconds, and so many times the usual time
RACE_AFTER, RACE_FACTOR = 30.0, 3.0
_POLL = 0.5


class ActorPool:
    """Opens an engine on every node, also on those that join later. Thread-safe; a context manager."""

    def __init__(
        self,
        ray: Any,
        factory: WorkFactory,
        *,
        jobs: int | None = None,
        gpus: bool = False,
        segments: bool = False,
        split_after: float = inf,
        on_notice: Callable[[str], None] = lambda _message: None,
    ) -> None:
        """`factory`, called on the nodes, opens an engine; `jobs`: CPUs that an engine asks for, and its decoding
        threads (None: those of the node); `gpus`: on nodes with GPUs one engine a GPU; `segments`: report segments;
        `split_after`: idle engines help with recordings longer than this, in seconds. `on_notice` is called in a thread
        of the pool.
        """
        self._ray, self._jobs, self._gpus, self._split_after = ray, jobs, gpus, split_after
        self._new_actor = partial(ray.remote(EngineActor).options, max_restarts=0)
        self._arguments = {"factory": factory, "folder": Path.cwd(), "segments": segments}
        self._on_notice = on_notice
        #: receives the progress of the files, in a thread of the pool
        self.on_progress: Callable[[FileProgress], None] = lambda _event: None
        self._engines: dict[Place, PooledEngine] = {}
        self._crashes: Counter[Place] = Counter()
        self._refused: dict[Place, AsrcliError] = {}
        self._failure: AsrcliError | None = None
        self._waiting = 0
        #: seconds that finished files took, and their seconds of audio
        self._took, self._finished = 0.0, 0.0
        #: whether an engine was lost, which may have left temporary files
        self.lost_engines = False
        self._closed = False
        self._changed = Condition()
        self._inbox: SimpleQueue[tuple[PooledEngine, Future[Any]] | None] = SimpleQueue()
        self._look()
        self._supervisor = Thread(target=self._supervise, name="cluster", daemon=True)
        self._supervisor.start()

    @property
    def slots(self) -> int:
        """Files that the present engines have at once."""
        with self._changed:
            return sum(engine.slots for engine in self._engines.values())

    @property
    def ready(self) -> list[PooledEngine]:
        """The engines that take work. Raises ClusterError: no node can be used, or the connection is lost."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            return [engine for engine in self._engines.values() if engine.ready]

    def close(self) -> None:
        """End the engines."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._inbox.put(None)
        self._supervisor.join()
        for engine in self._engines.values():
            self._kill(engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- calls -------------------------------------------------------------------------------------------------------

    def ask(
        self,
        call: Callable[[Any], Any],
        name: str,
        *,
        seconds: float = 0.0,
        dropped: Callable[[], bool] = lambda: False,
        discard: Callable[[Any], Any] | None = None,
    ) -> tuple[PooledEngine, Any]:
        """Call a method of an engine: `call(actor)` returns Ray's reference to the result. Where an engine is lost,
        another is called. A call that can be undone with `discard` is made on a second engine, too, if it is slow and
        no other file is waiting; the first result counts. `seconds` of audio, `name` of the file.

        Raises DroppedError: `dropped` has returned true; EngineCrashError: the call has ended several engines;
        ClusterError: no engine can be used.
        """
        attempts: dict[Future[Any], PooledEngine] = {}
        crashes, started = 0, time.monotonic()
        try:
            while crashes < _MOST_CRASHES:
                engine: PooledEngine | None = None
                if not attempts:
                    engine = self._take(seconds, dropped)
                elif discard is not None and len(attempts) == 1 and self._is_slow(time.monotonic() - started, seconds):
                    engine = self._take_idle(attempts.values(), seconds)
                if engine is not None:
                    attempts[call(engine.actor).future()] = engine
                for future in wait(attempts, _POLL, FIRST_COMPLETED).done:
                    engine = attempts.pop(future)
                    self._give_back(engine, seconds)
                    error = self._loss(future)
                    if error is None:
                        self._count(time.monotonic() - started, seconds)
                        return engine, future.result()
                    crashes += self.lose(engine, error)
                if dropped():
                    raise DroppedError
        finally:
            for engine in attempts.values():
                self._give_back(engine, seconds)
                if discard is not None:
                    discard(engine.actor)
        message = f"{name}: {crashes} processes of the cluster ended while it was transcribed."
        raise EngineCrashError(message, "They may lack memory: use fewer --jobs or a smaller model.")

    def _loss(self, future: Future[Any]) -> Exception | None:
        """The error by which an engine is lost; None for a result, and for an error of the call itself: Ray's client
        raises one that a call has returned.
        """
        error, kinds = future.exception(), self._ray.exceptions
        if isinstance(error, Exception) and isinstance(error, kinds.RayError):
            return None if isinstance(error, kinds.RayTaskError) else error
        return None

    def result(self, engine: PooledEngine, reference: Any) -> Any:
        """What a call of this engine returns. Raises ResultLostError: the engine is lost."""
        future = reference.future()
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

    def _take_idle(self, others: Collection[PooledEngine], seconds: float) -> PooledEngine | None:
        with self._changed:
            if self._waiting:
                return None
            idle = (one for one in self._engines.values() if one.ready and not one.busy and one not in others)
            engine = next(idle, None)
            return None if engine is None else self._occupy(engine, seconds)

    def _occupy(self, engine: PooledEngine, seconds: float) -> PooledEngine:
        engine.busy += 1
        engine.load += seconds
        return engine

    def _give_back(self, engine: PooledEngine, seconds: float) -> None:
        with self._changed:
            engine.busy -= 1
            engine.load -= seconds
            self._changed.notify()

    def _is_slow(self, elapsed: float, seconds: float) -> bool:
        usual = self._took / self._finished * seconds if self._finished else elapsed
        return elapsed > max(RACE_AFTER, RACE_FACTOR * usual)

    def _count(self, took: float, seconds: float) -> None:
        if seconds:
            with self._changed:
                self._took += took
                self._finished += seconds

    # -- engines -----------------------------------------------------------------------------------------------------

    def _supervise(self) -> None:
        """Follow the nodes and what the engines report, until `close`."""
        looked = busy = time.monotonic()
        noticed = False
        try:
            while not self._closed:
                with contextlib.suppress(Empty):
                    message = self._inbox.get(timeout=_LOOK_EVERY)
                    if message is not None:
                        self._receive(*message)
                now = time.monotonic()
                if now - looked >= _LOOK_EVERY and not self._closed:
                    looked = now
                    self._look()
                if any(engine.ready for engine in list(self._engines.values())) or not self._waiting:
                    busy = now
                elif now - busy > _NOTICE_AFTER and not noticed:
                    noticed = True
                    self._on_notice("Waiting for a node of the cluster with free CPUs.")
        except Exception as error:  # noqa: BLE001 -- without its supervisor the batch would wait for ever
            self._fail(
                ClusterError(
                    f"The connection to the Ray cluster is lost: {' '.join(str(error).split())[:300]}",
                    "Run the same command again: finished files are kept.",
                )
            )

    def _look(self) -> None:
        """Start an engine on nodes that have none."""
        nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        for node in nodes:
            gpus = int(node["Resources"].get("GPU", 0)) if self._gpus else 0
            for number in range(max(1, gpus)):
                place = (node["NodeID"], number)
                if place not in self._engines and place not in self._refused:
                    self._start(place, node, gpus)
        alive = {node["NodeID"] for node in nodes}
        refused = [error for (node_id, _), error in self._refused.items() if node_id in alive]
        if refused and not self._engines:
            self._fail(refused[-1])

    def _start(self, place: Place, node: Any, gpus: int) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        share = max(1, int(node["Resources"]["CPU"]) // max(1, gpus))
        jobs = min(self._jobs or share, share)
        engine = PooledEngine(place, node["NodeManagerHostname"], None, jobs)
        engine.actor = self._new_actor(
            num_cpus=jobs,
            num_gpus=1 if gpus else 0,
            max_concurrency=4 * engine.slots + 4,
            scheduling_strategy=NodeAffinitySchedulingStrategy(place[0], soft=False),
        ).remote(jobs=jobs, **self._arguments)
        with self._changed:
            self._engines[place] = engine
        self._expect(engine, engine.actor.start.remote(__version__))

    def _expect(self, engine: PooledEngine, reference: Any) -> None:
        reference.future().add_done_callback(lambda future: self._inbox.put((engine, future)))

    def _receive(self, engine: PooledEngine, future: Future[Any]) -> None:
        """Take the answer to `start`, then those to `progress`."""
        error = future.exception()
        if isinstance(error, self._ray.exceptions.RayError):  # of the call itself, too: it reports nothing any more
            self.lose(engine, error)
        if engine.lost:
            return
        reply = future.result()
        if isinstance(reply, AsrcliError):
            self._refuse(engine, reply)
            return
        if not engine.ready:
            with self._changed:
                engine.ready = True
                self._changed.notify_all()
        for event in reply or ():
            self.on_progress(event)
            engine.long |= (event.total or event.done) > self._split_after
        pause = max(_REPORT_EVERY, len(self._engines) / 200)  # the driver takes so many reports
        self._expect(engine, engine.actor.progress.remote(pause, self._helpers(engine)))

    def _helpers(self, engine: PooledEngine) -> dict[int, Any]:
        """The actors that do jobs for an engine: idle ones, while it has a long recording in work."""
        with self._changed:
            engine.long = engine.long and engine.busy > 0
            return engine.helpers(self._engines.values()) if engine.long and not self._waiting else {}

    def lose(self, engine: PooledEngine, error: Exception) -> bool:
        """Take an engine out of the pool; whether its node is alive, so that the process alone has ended."""
        alive = any(node["NodeID"] == engine.place[0] and node["Alive"] for node in self._ray.nodes())
        with self._changed:
            if engine.lost or self._closed:
                return alive
            engine.lost = self.lost_engines = True
            del self._engines[engine.place]
        self._kill(engine)
        if not alive:
            self._on_notice(f"{engine.host}: the node is lost; other nodes do its files.")
            return False
        self._crashes[engine.place] += 1
        reason = f"{engine.host}: the engine's process has ended: {' '.join(str(error).split())[:300]}"
        if self._crashes[engine.place] >= _MOST_CRASHES:
            self._refuse(
                engine, ClusterError(reason, "Check that node: it needs enough memory, and the same version of asrcli.")
            )
        else:
            self._on_notice(f"{reason} It is started again.")
        return True

    def _refuse(self, engine: PooledEngine, error: AsrcliError) -> None:
        """Do without an engine's node."""
        with self._changed:
            self._refused[engine.place] = ClusterError(f"{engine.host}: {error.message}", error.hint)
            self._engines.pop(engine.place, None)
            engine.lost = True
        self._kill(engine)
        self._on_notice(f"{engine.host} is not used: {error}")

    def _kill(self, engine: PooledEngine) -> None:
        with contextlib.suppress(Exception):  # it has ended, or the connection has
            self._ray.kill(engine.actor)

    def _fail(self, error: AsrcliError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()
