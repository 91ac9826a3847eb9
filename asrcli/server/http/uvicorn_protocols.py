"""uvicorn's protocols with timeouts, and with a workaround for Aliyun's SDK.

uvicorn waits without limit for the head of a request and for a client that does not read. The bounds of bodies are in
`uploads`, those of frames in `connection`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

#: seconds for a request's head, from the connection or its first byte
HEAD_TIMEOUT = 30.0
#: seconds in which a client must read `LEAST_READ` bytes of what waits for it
WRITE_TIMEOUT, LEAST_READ = 60.0, 4096

#: close code that notifies the application of the server's shutdown; no client closes with it
ENDING = 1012

_ONCE = frozenset({b"sec-websocket-key", b"sec-websocket-version"})


class _WriteTimeout:
    """Closes a connection whose client does not read; one that reads slowly is kept."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _write_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)  # type: ignore[misc]

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[misc]
        self._expect_progress()

    def _expect_progress(self) -> None:
        waiting = self._unread()
        self._write_timer = self.loop.call_later(WRITE_TIMEOUT, self._check_progress, waiting)

    def _unread(self) -> int:
        """Bytes that the client has not received, in our buffer and, where it can be asked, in the kernel's."""
        size = self.transport.get_write_buffer_size()
        with suppress(ImportError, OSError, AttributeError):
            from fcntl import ioctl
            from termios import TIOCOUTQ

            queue = ioctl(self.transport.get_extra_info("socket").fileno(), TIOCOUTQ, bytes(4))
            size += int.from_bytes(queue, sys.byteorder)
        return size

    def _check_progress(self, before: int) -> None:
        if before - self._unread() < LEAST_READ:
            self.transport.abort()
        else:
            self._expect_progress()

    def resume_writing(self) -> None:
        self._stop()
        super().resume_writing()  # type: ignore[misc]

    def _stop(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()


class WebSocketProtocol(_WriteTimeout, WebSocketsSansIOProtocol):
    """One WebSocket."""

    def shutdown(self) -> None:
        """Notify the application, which then sends its last results."""
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": ENDING})
        else:
            super().shutdown()


class HttpProtocol(_WriteTimeout, H11Protocol):
    """One HTTP connection."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # After an answer these bytes are the next head, or the rest of a body that is not read.
        if self._head_timer is None and not self._busy:
            self._wait_for_head()
        super().data_received(data)
        if self._busy:
            self._stop_waiting()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Keep only the first of some repeated headers.

        Aliyun's SDK sends two keys and two versions in its handshake, and checks the answer against the first key.
        """
        self._stop_waiting()
        seen: set[bytes] = set()
        kept = []
        for name, value in self.headers:
            if name in _ONCE and name in seen:
                continue
            seen.add(name)
            kept.append((name, value))
        self.headers = kept
        super().handle_websocket_upgrade(event)

    def shutdown(self) -> None:
        """Notify the application that the server ends: streams without an end of their own stop."""
        if self._busy:
            self.scope.setdefault("state", {})["ending"] = True
        super().shutdown()

    @property
    def _busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
