"""A WebSocket as the protocols see it: frames in, JSON out, and an end that is noticed once."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from asrcli.server.http.uvicorn_protocols import ENDING

Result = TypeVar("Result")

#: WebSocket's close codes: for a client without a key, for one that says nothing sensible, and when the server ends
UNAUTHORISED, POLICY, GOING_AWAY = 4401, 1008, 1001
#: frames, and bytes of them, kept for later while the server works at what it has; then the client must wait
_MOST_HELD, _MOST_HELD_BYTES = 64, 32 << 20


class IdleError(Exception):
    """The client has sent nothing for too long."""


class GoneError(Exception):
    """The client has left."""


class EndingError(Exception):
    """The server ends: say what is to be said of what has been heard, and no more."""


class Connection:
    """One accepted WebSocket."""

    def __init__(self, websocket: WebSocket, idle_timeout: float) -> None:
        """Wrap a WebSocket.

        Args:
            websocket: accepted already.
            idle_timeout: seconds without a frame after which `receive` raises; 0: never.
        """
        self.websocket = websocket
        self._idle_timeout = idle_timeout or None
        self._held: deque[str | bytes] = deque()
        self._ending = False
        # Outlives a `receive` that is interrupted: no frame is lost.
        self._receiving: asyncio.Task[Message] | None = None

    def push_back(self, frame: str | bytes) -> None:
        """Let the next `receive` return this."""
        self._held.appendleft(frame)

    async def receive(self, beside: asyncio.Task[None] | None = None) -> str | bytes:
        """The next frame.

        Args:
            beside: what goes on meanwhile; if it fails, its error is raised here.

        Raises:
            GoneError: the client has left.
            IdleError: nothing came for too long.
            EndingError: the server ends.
        """
        while not self._held:
            if self._ending:
                raise EndingError
            tasks: set[asyncio.Task[Any]] = {self._receive()}
            if beside is not None and not beside.done():
                tasks.add(beside)
            await asyncio.wait(tasks, timeout=self._idle_timeout, return_when=asyncio.FIRST_COMPLETED)
            if beside is not None and beside.done():
                beside.result()
            elif not self._receive().done():
                raise IdleError
            self._take()
        return self._held.popleft()

    async def run_while_connected(self, work: Awaitable[Result]) -> Result:
        """Do some work unless the client leaves; frames that come meanwhile are kept.

        Raises:
            GoneError: the client has left; the work is cancelled.
            Whatever the work raises.
        """
        working = asyncio.ensure_future(work)
        try:
            while not working.done():
                # A client that sends on and on is not read from, and so not missed, until there is room again.
                full = len(self._held) >= _MOST_HELD or sum(map(len, self._held)) >= _MOST_HELD_BYTES
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
        """Send a JSON object as text; a client that has gone hears nothing, which is no error."""
        if self.websocket.application_state is not WebSocketState.CONNECTED:
            return
        with suppress(WebSocketDisconnect, RuntimeError):
            await self.websocket.send_text(json.dumps(body, ensure_ascii=False, separators=(",", ":")))

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
        """Keep the frame that has come, if one has."""
        if self._receiving is None or not self._receiving.done():
            return
        receiving, self._receiving = self._receiving, None
        try:
            message = receiving.result()
        except (WebSocketDisconnect, RuntimeError) as error:  # left, and asked again after that
            raise GoneError from error
        if message["type"] == "websocket.disconnect":
            if message.get("code") != ENDING:
                raise GoneError
            self._ending = True
            return
        text = message.get("text")
        self._held.append(text if text is not None else message.get("bytes") or b"")
