"""Admission of requests: a fixed number of workers, a bounded queue, and a fair order between clients.

Work runs in threads. It is asked to stop (its `cancelled` becomes true) when its client has left or its time is over; a
worker is free again when its thread has ended.
"""

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from asrcli.server.errors import BusyError, TookTooLongError

Result = TypeVar("Result")
#: its argument returns whether to stop
Work = Callable[[Callable[[], bool]], Result]

#: seconds in `Retry-After`
_RETRY_AFTER = 2


class Admission:
    """Admits `workers` requests at a time while `max_queue` wait. One a server; used on the event loop."""

    #: no more, whatever `resize` asks for
    MOST_WORKERS = 1000

    def __init__(self, workers: int, max_queue: int) -> None:
        self._free = self._workers = workers
        self._receiving = 0
        self._max_queue = max_queue
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._threads = ThreadPoolExecutor(max(workers, self.MOST_WORKERS), thread_name_prefix="request")
        self._running: set[threading.Event] = set()

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def running(self) -> int:
        """Requests that run."""
        return len(self._running)

    @property
    def full(self) -> bool:
        """Whether one more request would be refused."""
        return self._free <= 0 and self.queued >= self._max_queue

    def refuse_if_full(self) -> None:
        """Refuse a request before its body is read. Raises BusyError: the queue is full."""
        if self.full:
            raise BusyError("The server is busy: its queue is full.", "Try again later.", retry_after=_RETRY_AFTER)

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Hold a place for a body while it is received. Raises BusyError: as many bodies are being received as could be
        run or queued.
        """
        if self._receiving >= self._workers + self._max_queue:
            raise BusyError("The server receives too many recordings.", "Try again later.", retry_after=_RETRY_AFTER)
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    async def run(self, client: str, work: Work[Result], *, timeout: float = 0.0) -> Result:
        """Run `work` in a thread when a worker is free for its client: clients take turns, however many requests each
        has waiting. `timeout` in seconds includes waiting; 0: no limit. Raises BusyError: the queue is full;
        TookTooLongError: the time is over; the work is asked to stop.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout if timeout else None
        await self._wait_for_worker(client, deadline)
        stop = threading.Event()
        self._running.add(stop)
        try:
            done = loop.run_in_executor(self._threads, work, stop.is_set)
        except BaseException:
            self._leave(stop)
            raise
        done.add_done_callback(lambda _: self._leave(stop))
        try:
            return await _within(asyncio.shield(done), deadline)
        except BaseException:
            stop.set()
            done.add_done_callback(forget)
            raise

    async def _wait_for_worker(self, client: str, deadline: float | None) -> None:
        if self._free > 0:
            self._free -= 1
            return
        self.refuse_if_full()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(place)
        try:
            await _within(place, deadline)
        except BaseException:
            if place.done() and not place.cancelled():
                self._pass_on()  # a worker became free at the same moment
            else:
                self._remove(client, place)
            raise

    def _remove(self, client: str, place: asyncio.Future[None]) -> None:
        queue = self._waiting.get(client)
        if queue is not None and place in queue:
            queue.remove(place)
            if not queue:
                del self._waiting[client]

    def _leave(self, stop: threading.Event) -> None:
        self._running.discard(stop)
        self._pass_on()

    def resize(self, workers: int) -> None:
        """Admit so many requests at a time from now on."""
        workers = min(workers, max(self.MOST_WORKERS, self._workers))
        freed, self._workers = workers - self._workers, workers
        self._pass_on(freed)

    def _pass_on(self, freed: int = 1) -> None:
        """Give free workers to the clients that have waited longest since they last got one."""
        self._free += freed
        while self._waiting and self._free > 0:
            client, queue = self._waiting.popitem(last=False)
            place = queue.popleft()
            if queue:
                self._waiting[client] = queue  # at the end of the line
            if not place.done():
                self._free -= 1
                place.set_result(None)

    def close(self) -> None:
        """Ask all work to stop, and wait for its end."""
        for stop in self._running:
            stop.set()
        self._threads.shutdown(wait=True, cancel_futures=True)


async def _within(future: asyncio.Future[Result], deadline: float | None) -> Result:
    if deadline is None:
        return await future
    try:
        return await asyncio.wait_for(future, max(0.0, deadline - asyncio.get_running_loop().time()))
    except TimeoutError as error:
        if future.done() and not future.cancelled():
            raise  # raised by the work itself
        raise TookTooLongError(
            "The request took longer than this server allows.", "Send shorter recordings."
        ) from error


def forget(done: asyncio.Future[Any]) -> None:
    """Retrieve a result that is no longer wanted; asyncio would log it as never retrieved."""
    if not done.cancelled():
        done.exception()
