"""The services of an engine process: what they are loaded from, and how far each has come."""

from collections import Counter
from concurrent.futures import Future
from typing import Any

#: a service that has crashed the engine so often, without a single result, is given up
_MAX_CRASHES = 3


class EngineServices:
    """By name. Not thread-safe: `EngineClient` holds its lock."""

    def __init__(self) -> None:
        #: kind and spec, see `EngineClient.load`
        self.specs: dict[str, tuple[str, Any]] = {}
        #: why others cannot be loaded
        self.refused: dict[str, Exception] = {}
        #: what waits for services to be loaded
        self.loading: dict[str, Future[dict[str, Any]]] = {}
        #: the process was asked to load these and has not answered; it has loaded those
        self.asked: set[str] = set()
        self.ready: set[str] = set()
        #: what the process reported of the services that it has loaded
        self._info: dict[str, dict[str, Any]] = {}
        self._succeeded: set[str] = set()
        self._crashes: Counter[str] = Counter()

    def add(self, name: str, kind: str, spec: Any) -> Future[dict[str, Any]]:
        """A service that is to be loaded; the future holds the report of it."""
        self.specs[name] = (kind, spec)
        self.ready.discard(name)
        self._succeeded.discard(name)
        del self._crashes[name]
        future: Future[dict[str, Any]] = Future()
        self.loading[name] = future
        return future

    def remove(self, name: str) -> list[Future[Any]]:
        """Forget a service that is no longer needed; what waits for it."""
        self.specs.pop(name, None)
        self.ready.discard(name)
        return self._waiting(name)

    def unasked(self) -> list[str]:
        """Those that the process neither has loaded nor was asked to load."""
        return [name for name in self.specs if name not in self.ready | self.asked]

    def loaded(self, name: str, info: dict[str, Any]) -> list[Future[Any]]:
        """The process has loaded a service; what waits for it."""
        self.asked.discard(name)
        self.ready.add(name)
        self._info[name] = info
        return self._waiting(name)

    def refuse(self, name: str, error: Exception) -> list[Future[Any]]:
        """The process cannot load a service; what waits for it."""
        self.asked.discard(name)
        self.refused[name] = error
        return self.remove(name)

    def _waiting(self, name: str) -> list[Future[Any]]:
        return [self.loading.pop(name)] if name in self.loading else []

    def process_exited(self) -> None:
        """A new process has loaded nothing."""
        self.asked.clear()
        self.ready.clear()

    def succeeded(self, name: str) -> None:
        """A service has returned a result."""
        self._succeeded.add(name)

    def crashed(self, name: str) -> bool:
        """A job has crashed the process; whether its service has done nothing else so far, and is to be given up."""
        if name in self._succeeded or name not in self.specs:
            return False
        self._crashes[name] += 1
        return self._crashes[name] >= _MAX_CRASHES

    def backend(self, name: str) -> str | None:
        """The engine that runs a service; None until it is loaded."""
        return self._info.get(name, {}).get("backend")

    def notices(self, name: str) -> tuple[str, ...]:
        """What the user should know of how a service was loaded; empty until it is."""
        return tuple(self._info.get(name, {}).get("notices", ()))
