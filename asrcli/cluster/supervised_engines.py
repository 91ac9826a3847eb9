"""An engine on every node of a cluster: started where nodes join, again where it ends, and not kept without work."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from math import inf
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from typing import Any, Self

from asrcli import __version__
from asrcli.batch.events import FileProgress
from asrcli.cluster.call_sender import CallSender
from asrcli.cluster.engine_actor import EngineActor, WorkFactory
from asrcli.cluster.node_demand import NodeDemand
from asrcli.cluster.pooled_engine import Place, PooledEngine
from asrcli.cluster.shipping import ShippedModels
from asrcli.errors import AsrcliError, ClusterError, ModelError

#: how often an actor may end on a node that is alive before the node is given up
MOST_CRASHES = 5
#: seconds: between two looks at the nodes, until a cluster without a free node is reported, between two collections of
#: results and progress
_LOOK_EVERY, _NOTICE_AFTER, _COLLECT_EVERY = 1.0, 15.0, 0.25
#: seconds without work after which an engine is ended, so that an autoscaler can end its node
RELEASE_AFTER = 60.0


class SupervisedEngines:
    """The engines. Thread-safe; a context manager."""

    def __init__(
        self,
        ray: Any,
        factory: WorkFactory,
        *,
        jobs: int | None = None,
        gpus: bool = False,
        segments: bool = False,
        split_after: float = inf,
        ship: Callable[[Callable[[bytes], Any]], ShippedModels] | None = None,
        release_after: float = RELEASE_AFTER,
        on_notice: Callable[[str], None] = lambda _message: None,
    ) -> None:
        """`factory`, called on the nodes, opens an engine; `jobs`: CPUs that an engine asks for, and its decoding
        threads (None: those of the node); `gpus`: on nodes with GPUs one engine a GPU; `segments`: report segments;
        `split_after`: idle engines help with recordings longer than this, in seconds; `ship`: puts the models into
        Ray's object store, for nodes that lack them; `release_after`: seconds without work after which an engine is
        ended. `on_notice` is called in a thread of the pool.
        """
        self._ray, self._jobs, self._gpus, self._split_after = ray, jobs, gpus, split_after
        self._ship, self._release_after = ship, release_after
        self._shipped: ShippedModels | None = None
        self._new_actor = partial(ray.remote(EngineActor).options, max_restarts=0)
        self._arguments = {"factory": factory, "folder": Path.cwd(), "segments": segments}
        self._on_notice = on_notice
        #: receives the progress of the files, in a thread of the pool
        self.on_progress: Callable[[FileProgress], None] = lambda _event: None
        self._engines: dict[Place, PooledEngine] = {}
        self._crashes: Counter[Place] = Counter()
        self._refused: dict[Place, AsrcliError] = {}
        self._failure: AsrcliError | None = None
        #: places whose engines were ended as there was no work for them
        self._released: set[Place] = set()
        self._demand = NodeDemand(ray, gpus=gpus)
        #: files that wait for an engine, and whether a slow one waits for an idle engine
        self._waiting, self._idle_wanted = 0, False
        #: whether an engine was lost, which may have left temporary files
        self.lost_engines = False
        self._closed = False
        self._changed = Condition()
        self._inbox: SimpleQueue[tuple[PooledEngine, Future[Any]] | None] = SimpleQueue()
        self._sender = CallSender()
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
        self._sender.close()
        self._demand.close()
        for engine in self._engines.values():
            self._kill(engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        """Start an engine on nodes that have none; ask for nodes while files wait, end idle engines when none do."""
        nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        self._release()
        for node in nodes:
            gpus = int(node["Resources"].get("GPU", 0)) if self._gpus else 0
            for number in range(max(1, gpus)):
                place = (node["NodeID"], number)
                if place not in self._engines and place not in self._refused and place not in self._released:
                    self._start(place, node, gpus)
        alive = {node["NodeID"] for node in nodes}
        refused = [error for (node_id, _), error in self._refused.items() if node_id in alive]
        if refused and not self._engines:
            self._fail(refused[-1])
        self._ask_for_nodes()

    def _release(self) -> None:
        """End the engines without work, until a file waits again or a slow one needs another engine."""
        with self._changed:
            engines = list(self._engines.values())
            if self._waiting or self._idle_wanted or any(engine.long for engine in engines):
                self._released.clear()
                self._idle_wanted = False  # who wants one asks again and again
                return
            now = time.monotonic()
            idle = [one for one in engines if one.ready and not one.busy and now - one.used > self._release_after]
            for engine in idle:
                engine.lost = True
                del self._engines[engine.place]
                self._released.add(engine.place)
        for engine in idle:
            self._kill(engine)

    def _ask_for_nodes(self) -> None:
        """Offer the files that no engine has room for as demand."""
        with self._changed:
            engines = list(self._engines.values())
            waiting = self._waiting
        slots = engines[0].slots if engines else PooledEngine(("", 0), "", None, self._jobs or 1).slots
        starting = sum(not engine.ready for engine in engines)
        cpus = min((engine.cpus for engine in engines), default=self._jobs or 1) if self._jobs else 1
        self._demand.ask(max(0, -(-waiting // slots) - starting), cpus)

    def _start(self, place: Place, node: Any, gpus: int) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        share = max(1, int(node["Resources"]["CPU"]) // max(1, gpus))
        jobs = min(self._jobs or share, share)
        engine = PooledEngine(place, node["NodeManagerHostname"], None, jobs, cpus=share)
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
        """Take the answer to `start`, then those to `collect`."""
        error = future.exception()
        if isinstance(error, self._ray.exceptions.RayError):  # of the call itself, too: nothing more is collected
            self.lose(engine, error)
        if engine.lost:
            return
        reply = error if isinstance(error, AsrcliError) else future.result()  # which Ray's client raises
        if isinstance(reply, ModelError) and self._ship is not None and not engine.shipped:
            self._send_models(engine)
            return
        if isinstance(reply, AsrcliError):
            self._refuse(engine, reply)
            return
        if not engine.ready:
            with self._changed:
                engine.ready = True
                self._changed.notify_all()
        reports, results = reply or ((), [])
        for event in reports:
            self.on_progress(event)
            engine.long |= (event.total or event.done) > self._split_after
        engine.calls.settle(results)
        pause = max(_COLLECT_EVERY, len(self._engines) / 200)  # the driver takes so many answers
        self._expect(engine, engine.actor.collect.remote(pause, self._helpers(engine)))

    def _send_models(self, engine: PooledEngine) -> None:
        """Start an engine again, with the driver's models."""
        assert self._ship is not None
        if self._shipped is None:
            self._shipped = self._ship(self._ray.put)
        engine.shipped = True
        self._on_notice(f"{engine.host}: the models are sent to it.")
        self._expect(engine, engine.actor.start.remote(__version__, self._shipped))

    def _helpers(self, engine: PooledEngine) -> dict[int, Any]:
        """The actors that do jobs for an engine: idle ones, while it has a long recording in work."""
        with self._changed:
            engine.long = engine.long and engine.busy > 0
            return engine.helpers(self._engines.values()) if engine.long and not self._waiting else {}

    def lose(self, engine: PooledEngine, error: Exception) -> bool:
        """Take an engine out of the pool; whether its node is alive, so that the process alone has ended."""
        engine.calls.fail(error)
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
        if self._crashes[engine.place] >= MOST_CRASHES:
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
            engines = list(self._engines.values())
            self._changed.notify_all()
        for engine in engines:  # nothing collects their results any more
            engine.calls.fail(error)
