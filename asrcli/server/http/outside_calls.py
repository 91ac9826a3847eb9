"""Calls that wait for other machines, in threads of their own: slow ones must not take those of other requests."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from asrcli.server.errors import BusyError
from asrcli.server.http.admission import forget

Result = TypeVar("Result")


class OutsideCalls:
    """`threads` calls at a time, and as many that wait. Used on the event loop."""

    def __init__(self, threads: int, name: str, refusal: str) -> None:
        """`name` of the threads; `refusal`: message for one call too many."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = 2 * threads
        self._refusal = refusal
        self.under_way = 0

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Call `work`; a call whose caller is cancelled counts until it ends. Raises BusyError: there are too many."""
        if self.under_way >= self._most:
            raise BusyError(self._refusal, "Try again later.", retry_after=10)
        self.under_way += 1
        call = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        call.add_done_callback(self._ended)
        return await asyncio.shield(call)

    def _ended(self, call: asyncio.Future[Any]) -> None:
        self.under_way -= 1
        forget(call)  # its request may have ended
