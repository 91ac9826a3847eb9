"""Who may work now: so many at a time, a bounded queue before them, and turns taken between clients.

The work itself runs in threads; the event loop only waits. Work is asked to stop (its `cancelled` turns true) when its
client is gone or its time is over, and its place is given on when its thread has really ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from asrcli.server.errors import BusyError, TookTooLongError

Result = TypeVar("Result")
#: takes the question whether to stop
Work = Callable[[Callable[[], bool]], Result]

#: what `Retry-After` says
_RETRY_AFTER = 2


class Admission:
    """One for each server; everything but the work runs on the event loop.

    Args:
        workers: how many work at a time.
        max_queue: how many may wait.
    """

    def __init__(self, workers: int, max_queue: int) -> None:
        self._free = workers
        self._max_queue = max_queue
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="request")
        self._running: set[threading.Event] = set()

    @property
    def queued(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def running(self) -> int:
        """How many work."""
        return len(self._running)

    @property
    def full(self) -> bool:
        """Whether one more would be refused: worth asking before a body is read."""
        return self._free <= 0 and self.queued >= self._max_queue

    def refuse_if_full(self) -> None:
        """Refuse early.

        Raises:
            BusyError: the queue is full.
        """
        if self.full:
            raise BusyError("The server is busy: its queue is full.", "Try again later.", retry_after=_RETRY_AFTER)

    async def run(self, client: str, work: Work[Result], *, timeout: float = 0.0) -> Result:
        """Do some work when it is its client's turn.

        Args:
            client: between clients turns are taken, however many requests each has waiting.
            work: called in a thread.
            timeout: seconds, waiting included; 0: no limit.

        Raises:
            BusyError: the queue is full.
            TookTooLongError: the time is over; the work is asked to stop.
            Whatever the work raises.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout if timeout else None
        await self._turn(client, deadline)
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
            done.add_done_callback(_forget)
            raise

    async def _turn(self, client: str, deadline: float | None) -> None:
        if self._free > 0:
            self._free -= 1
            return
        self.refuse_if_full()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await _within(turn, deadline)
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # the turn had come at the very moment when it was given up
            else:
                self._strike(client, turn)
            raise

    def _strike(self, client: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(client)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[client]

    def _leave(self, stop: threading.Event) -> None:
        self._running.discard(stop)
        self._pass_on()

    def _pass_on(self) -> None:
        """Give a free place to the client that has waited longest since its last turn."""
        while self._waiting:
            client, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[client] = queue  # at the end of the line
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def close(self) -> None:
        """Ask all work to stop, and wait until it has."""
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
            raise  # the work's own
        raise TookTooLongError(
            "The request took longer than this server allows.", "Send shorter recordings."
        ) from error


def _forget(done: asyncio.Future[Any]) -> None:
    """Fetch the result that nobody waits for, or asyncio would complain of it."""
    if not done.cancelled():
        done.exception()
