"""Engines on the nodes of a cluster that recognise chunks for a server, besides its own engine.

The server reads each recording itself, so words and times are the same; only jobs of recognisers are done elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from asrcli.audio.types import Samples
from asrcli.backends.device import uses_gpus, with_device
from asrcli.backends.loaded_models import LoadedModel, LoadedModels
from asrcli.backends.types import ModelSpec
from asrcli.cluster.actor_pool import ActorPool
from asrcli.cluster.connection import connected
from asrcli.cluster.engine_actor import NodeWork
from asrcli.cluster.node_engines import FULL, NodeEngines
from asrcli.cluster.pooled_engine import PooledEngine
from asrcli.errors import AsrcliError, ClusterError, ModelError
from asrcli.models.registry import Registry

_log = logging.getLogger("asrcli.server")

#: seconds between two looks at the nodes, and without a request after which their engines are ended
_LOOK_EVERY, _RELEASE_AFTER = 1.0, 300.0
#: seconds that the end of the server waits for a look at the nodes
_CLOSE_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A recogniser of the server, as a node finds it in its own store."""

    #: in the registry, or a folder
    name: str
    digest: str
    kind: str
    device: str | None


class NodeModels(dict[ServedModel, LoadedModel]):
    """The models of a node, loaded when the server first names them."""

    def __init__(self, loaded: LoadedModels, registry: Registry) -> None:
        super().__init__()
        self._loaded, self._registry = loaded, registry

    def __missing__(self, model: ServedModel) -> LoadedModel:
        spec = with_device(self._registry.resolve(model.name), model.device)
        if spec.digest != model.digest:
            raise ModelError(f"The model {model.name} has other files than on the server.", "Install the same one.")
        self[model] = self._loaded.acquire(spec, model.kind)
        return self[model]


@contextmanager
def node_work(model_dir: Path | None, models_file: Path | None, jobs: int) -> Iterator[NodeWork]:
    """The engine of a node."""
    with contextlib.closing(LoadedModels(jobs)) as loaded:
        yield NodeWork(None, NodeModels(loaded, Registry(model_dir, models_file)))


class ModelOnNodes:
    """A recogniser of the server on all nodes that have it: the `JobEngine` of a cluster."""

    def __init__(self, model: ServedModel, own: LoadedModel) -> None:
        self._model, self._own = model, replace(own)
        self._nodes = NodeEngines({model: self._own})
        #: answers to `load`, by the number of the engine
        self._loads: dict[int, Future[AsrcliError | None]] = {}
        self._refused: set[int] = set()
        self.used = time.monotonic()

    @property
    def in_flight(self) -> int:
        """Jobs at the least busy node that are not answered; very many where there is no room."""
        return min((engine.in_flight for engine in self._own.elsewhere), default=FULL)

    def submit(
        self, name: str, samples: Samples, request: Any = None, *, priority: int = 0, order: int = 0
    ) -> Future[Any]:
        """See `EngineClient.submit`; the own engine does the job if there is no node any more."""
        self.used = time.monotonic()
        engines = self._own.elsewhere or (self._own.engine,)
        engine = min(engines, key=lambda engine: engine.in_flight)
        return engine.submit(name, samples, request, priority=priority, order=order)

    def cancel(self, future: Future[Any]) -> None:
        """Its result is not used."""

    def use(self, engines: Sequence[PooledEngine]) -> None:
        """Use these engines and no others, as soon as they have loaded the model."""
        self._loads = {
            engine.number: self._loads.get(engine.number) or engine.actor.load.remote(self._model).future()
            for engine in engines
        }
        loaded = [engine for engine in engines if self._has(engine)]
        self._nodes.use({one.number: one.actor for one in loaded}, {one.number: one.jobs for one in loaded})

    def _has(self, engine: PooledEngine) -> bool:
        load = self._loads[engine.number]
        if not load.done():
            return False
        error = load.exception() or load.result()  # Ray's client raises an error that is returned
        if isinstance(error, AsrcliError) and engine.number not in self._refused:
            self._refused.add(engine.number)
            _log.warning("%s does not recognise with %s: %s", engine.host, self._model.name, error)
        return error is None


class ServerNodes:
    """The connection of a server to a cluster, and what it uses there. Without the cluster the server works alone."""

    def __init__(
        self, address: str, default: ModelSpec, model_dir: Path | None, models_file: Path | None, jobs: int | None
    ) -> None:
        """`default`: the server's default model, which decides whether engines are on GPUs; `jobs`: CPUs that an engine
        asks for. Raises UsageError: its device has a number.
        """
        self._address = address
        self._new_pool = partial(
            ActorPool,
            factory=partial(node_work, model_dir, models_file),
            jobs=jobs,
            gpus=uses_gpus(default),
            release_after=inf,  # by `_release`, as the pool does not see the requests
            on_notice=_log.warning,
        )
        self._stack = ExitStack()
        self._ray: Any = None
        self._actors: ActorPool | None = None
        self._models: dict[ServedModel, ModelOnNodes] = {}
        self._used = time.monotonic()
        self._lock, self._closed = Lock(), False
        #: engines that are ready, and their decoding threads
        self.engines, self.threads = 0, 0

    def connect(self) -> None:
        """Connect. Raises MissingExtraError: Ray is not installed; ClusterError: no cluster answers."""
        self._ray = self._stack.enter_context(connected(self._address))

    def share(self, model: LoadedModel, name: str, device: str | None) -> None:
        """Let the nodes do jobs of a recogniser in use; `name`: that by which they find it."""
        served = ServedModel(name, model.spec.digest, model.kind, device)
        self._used = time.monotonic()
        model.elsewhere = (self._models.get(served) or self._models.setdefault(served, ModelOnNodes(served, model)),)

    async def follow(self) -> None:
        """Look at the nodes once, and wait. Raises ClusterError: the cluster cannot be used; the next call connects
        again.
        """
        done: Future[None] = Future()
        # In a thread of its own: the end of the server does not wait for a connection.
        Thread(target=self._try_look, args=(done,), name="cluster nodes", daemon=True).start()
        await asyncio.wrap_future(done)
        await asyncio.sleep(_LOOK_EVERY)

    def _try_look(self, done: Future[None]) -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            with self._lock:
                if not self._closed:
                    self._look()
        except Exception as error:  # noqa: BLE001 -- Ray's are of many kinds
            with self._lock:
                self._disconnect()
            reason = getattr(error, "message", None) or " ".join(str(error).split())[:300]
            done.set_exception(ClusterError(reason, "The server works without the cluster, and tries again."))
        else:
            done.set_result(None)

    def _look(self) -> None:
        if self._ray is None:
            self.connect()
        models = list(self._models.values())
        used = max([self._used, *(model.used for model in models)])
        if time.monotonic() - used > _RELEASE_AFTER:
            self._ray.nodes()  # raises if the connection is lost
            self._release()
        elif self._actors is None:
            self._actors = self._new_pool(self._ray)
        self._use(models, [] if self._actors is None else self._actors.ready)

    def _use(self, models: Sequence[ModelOnNodes], engines: Sequence[PooledEngine]) -> None:
        for model in models:
            model.use(engines)
        self.engines, self.threads = len(engines), sum(engine.jobs for engine in engines)

    def _release(self) -> None:
        """End the engines of the nodes."""
        if self._actors is not None:
            self._use(list(self._models.values()), [])
            self._actors.close()
            self._actors = None

    def _disconnect(self) -> None:
        self._ray = None
        with contextlib.suppress(Exception):  # the connection may be lost
            self._release()
        self._actors = None
        with contextlib.suppress(Exception):
            self._stack.close()

    def close(self) -> None:
        """End the engines, and the connection."""
        self._closed = True
        if self._lock.acquire(timeout=_CLOSE_TIMEOUT):
            self._disconnect()
            self._lock.release()
