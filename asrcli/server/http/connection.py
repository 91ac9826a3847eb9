"""A WebSocket as the protocols use it: frames in, JSON out, its end as an exception."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from asrcli.server.bounds import MAX_HELD, MAX_HELD_BYTES
from asrcli.server.http.json_text import is_long, json_text
from asrcli.server.http.uvicorn_websocket import ENDING

Result = TypeVar("Result")

#: WebSocket close codes: no valid key, idle for too long, server shutdown, an error of the server
UNAUTHORISED, POLICY, GOING_AWAY, INTERNAL_ERROR = 4401, 1008, 1001, 1011


class IdleError(Exception):
    """The client has sent no frame for too long."""


class GoneError(Exception):
    """The client has closed the connection."""


class EndingError(Exception):
    """The server ends: send the results of the audio received so far."""


class Connection:
    """One accepted WebSocket."""

    def __init__(self, websocket: WebSocket, idle_timeout: float) -> None:
        """Wrap an accepted WebSocket; after `idle_timeout` seconds without a frame (0: never) a timed
        `receive` raises.
        """
        self.websocket = websocket
        self._idle_timeout = idle_timeout or None
        self._held: deque[Message] = deque()
        #: the message whose frame was returned last: its bytes count until the next is asked for
        self._current: Message | None = None
        self._ending = False
        # Survives a `receive` that is cancelled: no frame is lost.
        self._receiving: asyncio.Task[Message] | None = None

    def push_back(self, frame: str | bytes) -> None:
        """Return this frame from the next `receive`."""
        self._held.appendleft({"text" if isinstance(frame, str) else "bytes": frame})

    async def receive(self, task: asyncio.Task[None] | None = None, *, timed: bool = False) -> str | bytes:
        """The next frame. `task` runs meanwhile; its error is raised here. The idle timeout applies if `timed`, that is
        once audio without a final result has been received. Raises GoneError: the client has left; IdleError: no frame
        came for too long; EndingError: the server ends.
        """
        self._current = None
        while not self._held:
            if self._ending:
                raise EndingError
            tasks: set[asyncio.Task[Any]] = {self._receive()}
            if task is not None and not task.done():
                tasks.add(task)
            await asyncio.wait(
                tasks, timeout=self._idle_timeout if timed else None, return_when=asyncio.FIRST_COMPLETED
            )
            if task is not None and task.done():
                task.result()
            elif not self._receive().done():
                raise IdleError
            self._take()
        self._current = self._held.popleft()
        return _frame(self._current)

    async def run_while_connected(self, work: Awaitable[Result]) -> Result:
        """Run some work unless the client leaves; frames that arrive meanwhile are kept. Raises GoneError: the client
        has left; the work was cancelled.
        """
        working = asyncio.ensure_future(work)
        try:
            while not working.done():
                # While the buffer is full, nothing is read, and a client that leaves is not noticed.
                full = len(self._held) >= MAX_HELD or sum(len(_frame(each)) for each in self._held) >= MAX_HELD_BYTES
                others = () if full or self._ending else (self._receive(),)
                await asyncio.wait({working, *others}, return_when=asyncio.FIRST_COMPLETED)
                if others and not working.done():
                    self._take()
            return working.result()
        finally:
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    async def send(self, body: dict[str, Any]) -> None:
        """Send a JSON object as text; does nothing if the client has left."""
        if self.websocket.application_state is not WebSocketState.CONNECTED:
            return
        text = await asyncio.to_thread(json_text, body) if is_long(body) else json_text(body)
        with suppress(WebSocketDisconnect, RuntimeError):
            # Clients may send half of a surrogate pair as an escape, which names and messages then contain.
            await self.websocket.send_text(text.encode("utf-8", "replace").decode())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close our side, if it is still open."""
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.gather(self._receiving, return_exceptions=True)
            self._receiving = None
        if self.websocket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self.websocket.close(code, reason)

    def _receive(self) -> asyncio.Task[Message]:
        if self._receiving is None:
            self._receiving = asyncio.ensure_future(self.websocket.receive())
        return self._receiving

    def _take(self) -> None:
        """Keep the frame that was received, if any."""
        if self._receiving is None or not self._receiving.done():
            return
        receiving, self._receiving = self._receiving, None
        try:
            message = receiving.result()
        except (WebSocketDisconnect, RuntimeError) as error:  # received again after the end
            raise GoneError from error
        if message["type"] == "websocket.disconnect":
            if message.get("code") != ENDING:
                raise GoneError
            self._ending = True
            return
        self._held.append(message)


def _frame(message: Message) -> str | bytes:
    text: str | None = message.get("text")
    return text if text is not None else message.get("bytes") or b""
