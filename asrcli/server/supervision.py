"""Background tasks: a failure is logged, counted and shown by `/health`, and the task is restarted after a pause.

What the machine lacks (a data folder that another server uses) is not logged again while it stays the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from asrcli.errors import AsrcliError

if TYPE_CHECKING:
    from asrcli.server.http.monitoring import Metrics

_log = logging.getLogger("asrcli.server")

#: seconds before the first restart, doubled for each further failure, and the longest pause
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Supervisor:
    """One a server, at `app.state.supervisor`; used on the event loop.

    Attributes:
        failing: names of what does not work at present, in the order of their failures.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.failing: dict[str, None] = {}
        #: how many steps of a name have failed and run again
        self._retrying: Counter[str] = Counter()
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()

    def repeat(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Run `step` again and again; it waits for its next occasion itself."""

        async def run() -> None:
            while True:
                await self.retry(name, step)

        self._start(name, run())

    def once(self, name: str, step: Callable[[], Awaitable[None]], before: Exception | None = None) -> None:
        """Run `step` until it succeeds; `before`: how it has failed, if it has."""
        self._start(name, self.retry(name, step, before))

    async def retry(self, name: str, step: Callable[[], Awaitable[None]], before: Exception | None = None) -> None:
        """Run `step`, after each failure again after a growing pause, until it succeeds. `before`: as of `once`."""
        pause, failed = _FIRST_PAUSE, 0
        try:
            while True:
                try:
                    await step()
                except Exception as error:  # noqa: BLE001 -- a background task survives all of them
                    self._retrying[name] += 1 - failed
                    failed = 1
                    self.failed(name, error, before)
                    before = error.with_traceback(None)  # its frames would keep their memory
                else:
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:  # also if the work is given up
            self._retrying[name] -= failed
            if not self._retrying[name]:
                self.failing.pop(name, None)

    def failed(self, name: str, error: BaseException, before: Exception | None = None) -> None:
        """Count and log a failure. Where the cause is the machine's and was named, the traceback is left out, and it is
        not logged if it is that of the attempt `before`.
        """
        expected = isinstance(error, AsrcliError)
        if not expected or str(error) != str(before):
            _log.error("%s failed: %s", name, error, exc_info=None if expected else error)
        self._metrics.background_failures.labels(name).inc()
        self.failing[name] = None

    def _start(self, name: str, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel all tasks and wait for their ends."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
