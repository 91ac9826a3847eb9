"""Models in engine processes: each is loaded once, shared by all who use it, and released when idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from asrcli.audio.types import Samples
from asrcli.backends.checks import SpeechModel
from asrcli.backends.device import devices_of, on_device
from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.process.engine_process import PrestartedEngine
from asrcli.backends.registry import backend_of, is_streaming
from asrcli.backends.types import ModelSpec
from asrcli.errors import AsrcliError, MachineError, machine_error


@dataclass(slots=True)
class _Entry:
    """A service of an engine process, and how many use it."""

    spec: ModelSpec
    kind: str
    engine: EngineClient
    ready: bool = False
    users: int = 0
    last_used: float = field(default_factory=time.monotonic)
    loading: threading.Lock = field(default_factory=threading.Lock)


class JobEngine(Protocol):
    """The part of `EngineClient` that a model in use needs."""

    @property
    def in_flight(self) -> int: ...
    def submit(
        self, name: str, samples: Samples, request: Any = None, *, priority: int = 0, order: int = 0
    ) -> Future[Any]: ...
    def cancel(self, future: Future[Any]) -> None: ...


@dataclass(slots=True)
class LoadedModel(SpeechModel):
    """A model in use: it stays loaded until `close`. A `pipeline.SpeechBackend` if it is a recogniser."""

    engine: EngineClient
    #: name of the service in the engine process
    service: str
    spec: ModelSpec
    kind: str
    #: of its jobs in the engine's queue; lower goes first
    priority: int
    _release: Callable[[], None]
    #: the same model on further devices, each in an engine process of its own
    replicas: tuple[LoadedModel, ...] = ()
    #: engines on other machines that have the same model
    elsewhere: tuple[JobEngine, ...] = ()

    @property
    def _engines(self) -> list[JobEngine]:
        return [self.engine, *(replica.engine for replica in self.replicas), *self.elsewhere]

    @property
    def backend(self) -> str:
        """The engine that runs the model: the backend's kind, or that of its fallback."""
        return self.engine.backend(self.service) or self.kind

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of how it was loaded; empty until it is."""
        return self.engine.notices(self.service)

    def submit(
        self,
        samples: Samples,
        request: Any = None,
        *,
        order: int = 0,
        growing: Callable[[Any], None] | None = None,
    ) -> Future[Any]:
        """Submit a job to the engine with the fewest jobs, see `EngineClient.submit`; engines on other machines report
        no results so far.
        """
        engine = min(self._engines, key=lambda engine: engine.in_flight)
        if isinstance(engine, EngineClient):
            return engine.submit(self.service, samples, request, priority=self.priority, order=order, growing=growing)
        return engine.submit(self.service, samples, request, priority=self.priority, order=order)

    def cancel(self, future: Future[Any]) -> None:
        """Cancel a job that no thread has started, see `EngineClient.cancel`."""
        for engine in self._engines:
            engine.cancel(future)

    def close(self) -> None:
        """Release the model; further calls do nothing."""
        release, self._release = self._release, _nothing
        release()
        for replica in self.replicas:
            replica.close()


def _nothing() -> None:
    """The second release of a model."""


class LoadedModels:
    """The loaded models and their engine processes of `threads` decoding threads, which are started on first use unless
    one is `prestarted`. Thread-safe.
    """

    def __init__(self, threads: int, *, prestarted: PrestartedEngine | None = None) -> None:
        self.threads = threads
        self._prestarted = prestarted
        self._lock = threading.Lock()
        self._engine: EngineClient | None = None
        self._speaker_engine: EngineClient | None = None
        #: of further devices, by their place in the option
        self._further: list[EngineClient] = []
        self._entries: dict[tuple[str, EngineClient], _Entry] = {}

    # -- engine processes --------------------------------------------------------------------------------------------

    @property
    def engine(self) -> EngineClient:
        """The engine process, started if there is none. Raises MachineError: the system starts no process."""
        with self._lock:
            if self._engine is None:
                self._engine = _start(self.threads, self._prestarted)
            return self._engine

    @property
    def speaker_engine(self) -> EngineClient:
        """A process for diarization: segmentation holds the interpreter, while recognition must continue. Raises
        MachineError: the system starts no process.
        """
        with self._lock:
            if self._speaker_engine is None:
                self._speaker_engine = _start(self.threads, None)
            return self._speaker_engine

    @property
    def engines(self) -> list[EngineClient]:
        """Those that have been started."""
        return [engine for engine in (self._engine, self._speaker_engine, *self._further) if engine is not None]

    @property
    def restarts(self) -> int:
        """How often an engine process had to be restarted."""
        return sum(engine.restarts for engine in self.engines)

    @property
    def failure(self) -> AsrcliError | None:
        """Why an engine process that has ended could not be started again; None: all are running."""
        return next((engine.failure for engine in self.engines if engine.failure is not None), None)

    @property
    def names(self) -> list[str]:
        """Names of the services in memory."""
        with self._lock:
            return list(dict.fromkeys(name for (name, _), entry in self._entries.items() if entry.ready))

    def close(self) -> None:
        """End the engine processes; unanswered jobs fail."""
        for engine in self.engines:
            engine.close()

    # -- models ------------------------------------------------------------------------------------------------------

    def acquire(
        self,
        spec: ModelSpec,
        kind: str | None = None,
        *,
        purpose: str = "",
        engine: EngineClient | None = None,
        priority: int = 0,
        wait: bool = True,
    ) -> LoadedModel:
        """Load a model unless it is loaded. `kind` is that of the service (`EngineClient.load`; None: the model's
        backend); `purpose` separates services of one model (a Whisper that recognises, and one that identifies
        languages); `engine` is the process; `priority` of its jobs: lower goes first; without `wait`, a failure to load
        fails its jobs. Raises ModelError: its files are damaged; EngineError: the engine could not load it;
        MachineError: the engine process cannot be started. A model on several devices has an engine process on each.
        """
        devices = devices_of(spec) if "device" in spec.options else []
        if is_streaming(spec.type):  # the jobs of a stream belong to one process
            spec = on_device(spec, devices[0]) if devices else spec
        elif len(devices) > 1:
            more = partial(self.acquire, kind=kind, purpose=purpose, priority=priority, wait=wait)
            return self._acquire_on([on_device(spec, device) for device in devices], more)
        engine = engine or self.engine
        kind = kind or backend_of(spec.type, spec.backend).kind
        name = f"{spec.name} ({purpose})" if purpose else spec.name
        with self._lock:
            entry = self._entries.setdefault((name, engine), _Entry(spec, kind, engine))
            entry.users += 1  # from here on it is not released
        try:
            with entry.loading:
                if not entry.ready or not engine.has(name):
                    loading = engine.load(name, entry.kind, entry.spec)
                    if wait:
                        loading.result()
                    entry.ready = True
        except BaseException:
            self._release(entry)
            raise
        return LoadedModel(engine, name, entry.spec, entry.kind, priority, partial(self._release, entry))

    def _acquire_on(self, specs: Sequence[ModelSpec], acquire: Callable[..., LoadedModel]) -> LoadedModel:
        with self._lock:
            while len(self._further) < len(specs) - 1:
                self._further.append(_start(self.threads, None))
        with ExitStack() as stack:
            models = [
                stack.enter_context(acquire(spec, engine=engine))
                for spec, engine in zip(specs, [self.engine, *self._further], strict=False)
            ]
            stack.pop_all()
        models[0].replicas = tuple(models[1:])
        return models[0]

    def _release(self, entry: _Entry) -> None:
        with self._lock:
            entry.users -= 1
            entry.last_used = time.monotonic()

    def unload_idle(self, seconds: float) -> list[str]:
        """Unload services that were not in use for so long; their names."""
        unloaded = []
        with self._lock:
            for (name, _), entry in self._entries.items():
                if entry.ready and not entry.users and time.monotonic() - entry.last_used >= seconds:
                    entry.ready = False
                    entry.engine.unload(name)
                    unloaded.append(name)
        return unloaded


def _start(threads: int, prestarted: PrestartedEngine | None) -> EngineClient:
    try:
        return EngineClient(threads, prestarted=prestarted)
    except OSError as error:
        raise machine_error(error) or MachineError(f"The engine process cannot be started: {error}.") from error
