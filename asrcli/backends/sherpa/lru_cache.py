"""A cache of expensive objects: each is built once for all threads, the least recently used is dropped."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LruCache(Generic[Key, Value]):
    """At most `limit` values made by `build`. Thread-safe; building one delays only its own callers."""

    def __init__(self, build: Callable[[Key], Value], limit: int) -> None:
        self._build = build
        self._limit = limit
        self._lock = threading.Lock()
        self._built: OrderedDict[Key, Future[Value]] = OrderedDict()
        self._prepared: Key | None = None

    def prepare(self, key: Key) -> None:
        """Build a value in advance, to check that it can be built. It is dropped if another key is used first."""
        self.get(key)
        self._prepared = key

    def get(self, key: Key) -> Value:
        """The value of a key. An exception of `build` is raised to all who wait; the next call builds again."""
        with self._lock:
            future = self._built.get(key)
            ours = future is None
            if future is None:
                if self._prepared is not None:
                    self._built.pop(self._prepared, None)
                future = self._built[key] = Future()
            self._built.move_to_end(key)
            self._prepared = None
            while len(self._built) > self._limit:
                # Threads that use it keep it alive.
                self._built.popitem(last=False)
        if ours:
            self._fill(key, future)
        return future.result()

    def _fill(self, key: Key, future: Future[Value]) -> None:
        try:
            future.set_result(self._build(key))
        except BaseException as error:  # noqa: BLE001 - others wait for the result
            with self._lock:
                self._built.pop(key, None)
            future.set_exception(error)
