"""How threads wait for each other: a lock that many hold together or one alone, waiting in order, and a
cache whose values are built once.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from typing import Generic, TypeVar


class OrderedCondition(threading.Condition):
    """A condition for which threads wait in order: room that becomes free is taken by the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count()
        self._waiting: list[tuple[int, ...]] = []

    def wait_for_turn(self, free: Callable[[], bool], *order: int) -> None:
        """Wait, with the lock held, until `free` returns true and no thread with a lower order waits.

        What `free` raises ends the wait.
        """
        ticket = (*order, next(self._numbers))
        self._waiting.append(ticket)
        try:
            self.wait_for(lambda: ticket == min(self._waiting) and free())
        finally:
            self._waiting.remove(ticket)
            self.notify_all()  # there may be room for the next as well


class SharedLock:
    """Held by many threads at once with `shared`, by one with `exclusive`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holders = 0
        self._waiting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock beside others; waits for a thread that wants it alone."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting == 0)
            self._holders += 1
        try:
            yield
        finally:
            with self._changed:
                self._holders -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock alone."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._holders == 0)
                yield
            finally:
                self._waiting -= 1
                self._changed.notify_all()


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
