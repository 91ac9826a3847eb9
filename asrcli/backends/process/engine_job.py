"""A job of the engine client: where its samples are, who waits for it, and the message to the engine."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class EngineJob:
    """Positions and lengths are in samples of the shared buffer."""

    service: str
    length: int
    request: Any
    priority: int
    order: int
    #: gets results so far
    growing: Callable[[Any], None] | None = None
    #: unique among the jobs of a client, 0 until it has a place
    id: int = 0
    start: int = 0
    future: Future[Any] = field(default_factory=Future)

    def message(self) -> tuple[Any, ...]:
        """For the engine process, see `worker`."""
        place, growing = (self.service, self.start, self.length), self.growing is not None
        return ("job", self.id, *place, self.request, self.priority, self.order, growing)


def fail(future: Future[Any], error: Exception) -> None:
    """Give a future its exception, unless it was cancelled."""
    if future.set_running_or_notify_cancel():
        future.set_exception(error)


def answer(future: Future[Any], result: Any, error: Exception | None) -> None:
    """Give a future its result, or the exception if there is one, unless it was cancelled."""
    if error is not None:
        fail(future, error)
    elif future.set_running_or_notify_cancel():
        future.set_result(result)
