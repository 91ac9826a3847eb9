"""Admission of requests: a fixed number of workers, a bounded queue, and a fair order between clients.

Work runs in threads. It is asked to stop (its `cancelled` becomes true) when its client has left or its time is over. A
worker is free again when its thread has ended, or when its recording has been read and the engine has its last chunks:
with the chunks of the workers alone, the engine's batches would not be full.
"""

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from asrcli.server.bounds import LEAST_SENT, MAX_AWAITED, MESSAGE_TIMEOUT
from asrcli.server.errors import BusyError, TookTooLongError

Result = TypeVar("Result")

#: seconds in `Retry-After`
_RETRY_AFTER = 2


class Admitted:
    """Work that waits for a worker or has one. Its methods may be called in any thread."""

    def __init__(self, on_read: Callable[["Admitted"], None]) -> None:
        loop = asyncio.get_running_loop()
        #: set when it gets a worker
        self.granted: asyncio.Future[None] = loop.create_future()
        self.has_read = False
        self._stop = threading.Event()
        self._report = partial(loop.call_soon_threadsafe, on_read, self)

    def cancelled(self) -> bool:
        """Whether to stop."""
        return self._stop.is_set()

    def read(self) -> None:
        """The recording has been read: what is left is to wait for the engine."""
        self._report()

    def stop(self) -> None:
        """Ask the work to stop."""
        self._stop.set()


Work = Callable[[Admitted], Result]


class Arrival:
    """A body while it is received."""

    def __init__(self) -> None:
        #: whether another one has got its place
        self.replaced = False
        self._since, self._size, self._was_slow = time.monotonic(), 0, False

    def add(self, size: int) -> None:
        """Count bytes that were received."""
        self._size += size
        if time.monotonic() - self._since >= MESSAGE_TIMEOUT:
            self._was_slow = self._size < LEAST_SENT
            self._since, self._size = time.monotonic(), 0

    @property
    def slow(self) -> bool:
        """Whether less than `LEAST_SENT` bytes were received in the last `MESSAGE_TIMEOUT` seconds."""
        over = time.monotonic() - self._since >= MESSAGE_TIMEOUT
        return self._size < LEAST_SENT if over else self._was_slow


class Admission:
    """Admits `workers` requests at a time while `max_queue` wait. One a server; used on the event loop."""

    #: no more, whatever `resize` asks for
    MOST_WORKERS = 1000

    def __init__(self, workers: int, max_queue: int) -> None:
        self._workers = workers
        #: the bodies that are being received, the oldest first
        self._arrivals: dict[Arrival, None] = {}
        self._max_queue = max_queue
        self._waiting: OrderedDict[str, deque[Admitted]] = OrderedDict()
        most = max(workers, self.MOST_WORKERS)
        self._threads = ThreadPoolExecutor(most * (1 + MAX_AWAITED), thread_name_prefix="request")
        self._running: set[Admitted] = set()
        #: of those, the ones whose recordings have been read
        self._awaiting = 0

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

    @property
    def receiving(self) -> int:
        """Bodies that are being received."""
        return len(self._arrivals)

    @contextmanager
    def receive(self) -> Iterator[Arrival]:
        """Hold a place for a body while it is received; if there is none, take that of one that arrives slowly. Raises
        BusyError: as many bodies are being received as could be run or queued.
        """
        if len(self._arrivals) >= self._workers + self._max_queue:
            slow = next((arrival for arrival in self._arrivals if arrival.slow), None)
            if slow is None:
                raise BusyError(
                    "The server receives too many recordings.", "Try again later.", retry_after=_RETRY_AFTER
                )
            slow.replaced = True
            del self._arrivals[slow]
        arrival = Arrival()
        self._arrivals[arrival] = None
        try:
            yield arrival
        finally:
            self._arrivals.pop(arrival, None)

    async def run(self, client: str, work: Work[Result], *, timeout: float = 0.0) -> Result:
        """Run `work` in a thread when a worker is free for its client: clients take turns, however many requests each
        has waiting. `timeout` in seconds includes waiting; 0: no limit. Raises BusyError: the queue is full;
        TookTooLongError: the time is over; the work is asked to stop.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout if timeout else None
        admitted = Admitted(self._has_read)
        await self._wait_for_worker(client, admitted, deadline)
        try:
            done = loop.run_in_executor(self._threads, work, admitted)
        except BaseException:
            self._leave(admitted)
            raise
        done.add_done_callback(lambda _: self._leave(admitted))
        try:
            return await _within(asyncio.shield(done), deadline)
        except BaseException:
            admitted.stop()
            done.add_done_callback(forget)
            raise

    @property
    def _free(self) -> int:
        """Free workers; below 0 after there have become fewer."""
        awaiting = min(self._awaiting, MAX_AWAITED * self._workers)
        return self._workers - (len(self._running) - awaiting)

    async def _wait_for_worker(self, client: str, admitted: Admitted, deadline: float | None) -> None:
        if self._free > 0:
            self._running.add(admitted)
            return
        self.refuse_if_full()
        self._waiting.setdefault(client, deque()).append(admitted)
        try:
            await _within(admitted.granted, deadline)
        except BaseException:
            if admitted in self._running:
                self._leave(admitted)  # a worker became free at the same moment
            else:
                self._remove(client, admitted)
            raise

    def _remove(self, client: str, admitted: Admitted) -> None:
        queue = self._waiting.get(client)
        if queue is not None and admitted in queue:
            queue.remove(admitted)
            if not queue:
                del self._waiting[client]

    def _has_read(self, admitted: Admitted) -> None:
        if admitted in self._running and not admitted.has_read:
            admitted.has_read = True
            self._awaiting += 1
            self._pass_on()

    def _leave(self, admitted: Admitted) -> None:
        self._running.discard(admitted)
        self._awaiting -= admitted.has_read
        self._pass_on()

    def resize(self, workers: int) -> None:
        """Admit so many requests at a time from now on."""
        self._workers = min(workers, max(self.MOST_WORKERS, self._workers))
        self._pass_on()

    def _pass_on(self) -> None:
        """Give free workers to the clients that have waited longest since they last got one."""
        while self._waiting and self._free > 0:
            client, queue = self._waiting.popitem(last=False)
            admitted = queue.popleft()
            if queue:
                self._waiting[client] = queue  # at the end of the line
            if not admitted.granted.done():
                self._running.add(admitted)
                admitted.granted.set_result(None)

    def close(self) -> None:
        """Ask all work to stop, and wait for its end."""
        for admitted in self._running:
            admitted.stop()
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
