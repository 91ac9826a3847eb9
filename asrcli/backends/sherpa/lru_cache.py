"""A few expensive things kept by key: built once, however many threads ask, the least recently used dropped."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Thing = TypeVar("Thing")


class LruCache(Generic[Key, Thing]):
    """At most `limit` things made by `build`. Thread-safe; building one delays only those who ask for it."""

    def __init__(self, build: Callable[[Key], Thing], limit: int) -> None:
        self._build = build
        self._limit = limit
        self._lock = threading.Lock()
        self._built: OrderedDict[Key, Future[Thing]] = OrderedDict()
        self._prepared: Key | None = None

    def prepare(self, key: Key) -> None:
        """Build one before anybody asks, to see that it can be built. It goes when another is wanted first."""
        self.get(key)
        self._prepared = key

    def get(self, key: Key) -> Thing:
        """The thing of this key; whatever building raises is raised to all who wait for it, and tried again later."""
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
                # Threads that work with it keep it alive until they are done.
                self._built.popitem(last=False)
        if ours:
            self._fill(key, future)
        return future.result()

    def _fill(self, key: Key, future: Future[Thing]) -> None:
        try:
            future.set_result(self._build(key))
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            with self._lock:
                self._built.pop(key, None)
            future.set_exception(error)
