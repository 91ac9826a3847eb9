"""The engine of one run, started when there is work for it: a nightly run that finds nothing new loads no model."""

from __future__ import annotations

from threading import Lock
from typing import Self

from asrcli.backends.process.engine_process import PrestartedEngine
from asrcli.errors import EngineError
from asrcli.model_set import ModelSet
from asrcli.runtime import Runtime
from asrcli.storage.allocator import return_audio_blocks


class LazyRuntime:
    """A `Runtime` that opens on demand. Thread-safe; a context manager."""

    def __init__(self, ensemble: ModelSet, jobs: int, prestarted: PrestartedEngine | None = None) -> None:
        # Here and not in `Runtime`: a process that uses the Python API is not ours.
        return_audio_blocks()
        self._ensemble = ensemble
        self._jobs = jobs
        self._launched = prestarted
        self._runtime: Runtime | None = None
        self._closed = False
        self._lock = Lock()

    def open(self) -> Runtime:
        """The runtime, the same for every caller. Raises EngineError: the run is over; MissingExtraError: a package
        that a text step needs is not installed.
        """
        with self._lock:
            if self._closed:
                raise EngineError("The engine is closed.")
            if self._runtime is None:
                self._runtime = Runtime(self._ensemble, jobs=self._jobs, prestarted=self._launched)
            return self._runtime

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            runtime = self._runtime
        if runtime is not None:
            runtime.close()
