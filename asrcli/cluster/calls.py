"""Calls of the engines, many in one message.

Through Ray's client a call with its result takes about 3 ms of processor time, and a short file has three. So the calls
that an engine gets within some milliseconds travel together, and so do results (`CallRunner.finished`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from threading import Condition, Lock
from typing import Any

from asrcli.batch.worker import as_asrcli_error

#: calls of a node that run at once; an engine has fewer files, but those that are given up take a moment to end
_MOST_RUNNING = 128
#: methods that take no time worth mentioning: their results are the answer to the message
_SHORT = frozenset({"commit", "discard"})

#: numbers of calls, and their results
Replies = list[tuple[int, Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """A method to be called on a node."""

    number: int
    method: str
    arguments: tuple[Any, ...]


class CallRunner:
    """The calls on a node. Thread-safe."""

    def __init__(self, target: object) -> None:
        """`target` has the methods."""
        self._target = target
        self._threads = ThreadPoolExecutor(_MOST_RUNNING, thread_name_prefix="calls")
        self._changed = Condition()
        self._running = 0
        self._finished: Replies = []

    def start(self, calls: Sequence[Call]) -> Replies:
        """Start calls; the results of short ones."""
        replies: Replies = []
        for call in calls:
            if call.method in _SHORT:
                replies.append((call.number, self._result(call)))
            else:
                with self._changed:
                    self._running += 1
                self._threads.submit(self._run, call)
        return replies

    def _run(self, call: Call) -> None:
        result = self._result(call)
        with self._changed:
            self._running -= 1
            self._finished.append((call.number, result))
            self._changed.notify_all()

    def _result(self, call: Call) -> Any:
        try:
            return getattr(self._target, call.method)(*call.arguments)
        except Exception as error:  # noqa: BLE001 -- raised, it would end the other calls of the message as well
            return as_asrcli_error(call.method, error)

    def finished(self, pause: float) -> Replies:
        """The results of the other calls, after a pause in seconds; at once if no more calls run than have finished,
        so that the engine does not wait for work.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._finished and len(self._finished) >= self._running, pause)
            replies, self._finished = self._finished, []
        return replies


class EngineCalls:
    """The calls of one engine that have no result. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = count()
        self._unsent: list[Call] = []
        self._open: dict[int, Future[Any]] = {}

    def add(self, method: str, arguments: tuple[Any, ...]) -> Future[Any]:
        """A further call; its result."""
        future: Future[Any] = Future()
        with self._lock:
            call = Call(next(self._numbers), method, arguments)
            self._unsent.append(call)
            self._open[call.number] = future
        return future

    def take(self) -> list[Call]:
        """Those that are to be sent."""
        with self._lock:
            calls, self._unsent = self._unsent, []
        return calls

    def settle(self, replies: Replies) -> None:
        """Results have arrived."""
        with self._lock:
            settled = [(self._open.pop(number), result) for number, result in replies if number in self._open]
        for future, result in settled:
            future.set_result(result)

    def fail(self, error: BaseException, calls: Sequence[Call] | None = None) -> None:
        """There will be no results of these calls, or of all."""
        with self._lock:
            numbers = list(self._open) if calls is None else [call.number for call in calls]
            failed = [self._open.pop(number) for number in numbers if number in self._open]
        for future in failed:
            future.set_exception(error)
