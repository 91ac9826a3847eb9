"""uvicorn's protocol of WebSockets with bounds of what a client can make it hold. Those of connections are in
`uvicorn_protocols`.
"""

import asyncio
import time
from collections import deque
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

from asrcli.server.bounds import (
    ALWAYS_RECEIVED,
    LEAST_SENT,
    LINGER,
    MAX_FIRST_MESSAGE,
    MAX_MESSAGE,
    MAX_MESSAGES,
    MAX_READ,
    MAX_TEXT_FRAME,
    MESSAGE_TIMEOUT,
)
from asrcli.server.http.uvicorn_protocols import CONNECTIONS, ClientConnection, limit_unread

#: close code that notifies the application of the server's shutdown; no client closes with it
ENDING = 1012

#: bytes of the copies that are made of one message when it is complete
_COPIES = 2 * MAX_MESSAGE

#: first byte of a pong
_PONG = b"\x8a"
#: bytes of a fragment that is joined to the one before
_SMALL = 4096
#: bytes of a text with more characters than any protocol takes; the rest need not be decoded to refuse it
_LONGEST_TEXT = 4 * (MAX_TEXT_FRAME + 1)


class _MessageBytes:
    """A message that the application has not finished: it counts as long as this object, which travels with it."""

    def __init__(self, size: int) -> None:
        self._size = size
        CONNECTIONS.message_bytes += size

    def __del__(self) -> None:
        CONNECTIONS.message_bytes -= self._size


class WebSocketProtocol(ClientConnection, WebSocketsSansIOProtocol):
    """One WebSocket. Its messages are small until `admit`, which the authentication calls."""

    _message_bytes = 0
    _lingering = False
    #: bytes received since the timer was set; a message that was completed counts as enough
    _arrived = 0
    _rest_timer: asyncio.TimerHandle | None = None
    #: messages that the application has not received
    _waiting: deque[_MessageBytes]

    def handle_connect(self, event: Request) -> None:
        self.conn.max_message_size = MAX_FIRST_MESSAGE
        self._waiting = deque()
        self.app_state = self.app_state | {"admit": self._admit}
        self.read_at_most(MAX_READ)  # frames may be tiny
        limit_unread(self.transport)
        super().handle_connect(event)

    def _admit(self) -> None:
        self.conn.max_message_size = MAX_MESSAGE

    def data_received(self, data: bytes) -> None:
        """Receive; too many incomplete messages in memory close connections."""
        if self._lingering:
            return
        self._arrived += len(data)
        since = time.thread_time()
        super().data_received(data)
        self.note_cost(since)
        rest = self.conn.reader.buffer
        # An empty one has a byte, too: a message would seem to be incomplete.
        self._count((rest.__alloc__() if rest else 0) + sum(map(len, self.frames)))
        if CONNECTIONS.message_bytes > MAX_MESSAGES - _COPIES:
            self._make_room()

    def _make_room(self) -> None:
        """Refuse the messages that have been incomplete for longest. Small ones, as of live audio, are received in any
        case: else a client that sends large ones slowly could end the streams of all others.
        """
        for each, size in list(CONNECTIONS.incomplete.items()):
            if size > ALWAYS_RECEIVED and each.loop is self.loop and not each.close_sent:
                each.conn.fail(CloseCode.TRY_AGAIN_LATER, "too many messages are being received")
                each.handle_parser_exception()
            if CONNECTIONS.message_bytes <= MAX_MESSAGES - _COPIES:
                return

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames[-1]) < _SMALL:  # as objects of their own, small fragments take many times their bytes
            event.data = b"".join((self.frames.pop(), event.data))
        super().handle_cont(event)
        event.data = b""  # the parser keeps the frame until the next one is complete

    def handle_text(self, event: Frame) -> None:
        super().handle_text(event)
        event.data = b""

    def handle_bytes(self, event: Frame) -> None:
        super().handle_bytes(event)
        event.data = b""

    def handle_ping(self) -> None:
        """Answer unless the client does not read its answers: RFC 6455, 5.5.3, does not demand all of them."""
        frames = self.conn.data_to_send()  # with the answer to a close frame that came after the ping
        if not self.writable.is_set():
            frames = [frame for frame in frames if frame[:1] != _PONG]
        self.transport.write(b"".join(frames))

    def send_receive_event_to_app(self) -> None:
        size = sum(map(len, self.frames))
        if self.curr_msg_data_type == "text" and size > _LONGEST_TEXT:
            self.frames = [_start_of_text(self.frames)]
        self._arrived = LEAST_SENT
        CONNECTIONS.incomplete.pop(self, None)  # the next one is younger
        if not self.close_sent:  # else it is dropped
            self._waiting.append(_MessageBytes(size))
        super().send_receive_event_to_app()

    async def receive(self) -> Any:
        if self.read_paused:  # the client had to wait, and has its time again
            self._arrived = LEAST_SENT
        message: Any = await super().receive()
        if message["type"] == "websocket.receive":
            message["counted"] = self._waiting.popleft()
        return message

    def handle_parser_exception(self) -> None:
        """Refuse a message, and ignore the rest of it for a while.

        Bytes that are not read would reset the connection, and the client would not get the reason.
        """
        close, self._lingering = self.conn.close_sent, True
        assert close is not None
        self.frames = []
        self.conn.events_received()
        if self.conn.parser_exc is not None:
            self.conn.parser_exc.__traceback__ = None  # its frames hold the last message
        self._count(0)  # others must not be refused for what is dropped
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(LINGER, self.transport.close)
        self.transport.resume_reading()

    def _count(self, size: int) -> None:
        CONNECTIONS.message_bytes += size - self._message_bytes
        self._message_bytes = size
        if size:
            CONNECTIONS.incomplete[self] = size
        else:
            CONNECTIONS.incomplete.pop(self, None)
        if size and self._rest_timer is None:
            self._arrived = 0
            self._rest_timer = self.loop.call_later(MESSAGE_TIMEOUT, self._check_rest)

    def _check_rest(self) -> None:
        """Close a connection whose message does not arrive: others could not send theirs for as long."""
        arrived, self._rest_timer = self._arrived, None
        if self.read_paused or arrived >= LEAST_SENT:
            self._count(self._message_bytes)
        elif self._message_bytes and not self.close_sent:
            self.conn.fail(CloseCode.POLICY_VIOLATION, "the rest of a message did not arrive in time")
            self.handle_parser_exception()

    def connection_lost(self, exc: Exception | None) -> None:
        self._count(0)
        if self._rest_timer is not None:
            self._rest_timer.cancel()
        CONNECTIONS.left(self.address)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Notify the application, which then sends its last results."""
        self.hurry()
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": ENDING})
        else:
            super().shutdown()


def _start_of_text(frames: list[bytes]) -> bytes:
    data = b"".join(frames)
    end = _LONGEST_TEXT
    while data[end] & 0xC0 == 0x80 and end > _LONGEST_TEXT - 4:  # in the middle of a character
        end -= 1
    return data[:end]
