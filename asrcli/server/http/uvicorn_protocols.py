"""uvicorn's protocols with timeouts, and with a workaround for Aliyun's SDK.

uvicorn waits without limit for the head of a request and for a client that does not read. The bounds of bodies are in
`uploads`, those of frames in `connection`.
"""

import asyncio
import re
import socket
import sys
import time
from asyncio.sslproto import SSLProtocol
from collections import Counter
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

with suppress(ImportError):  # not on every system
    from fcntl import ioctl
    from termios import TIOCOUTQ

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from asrcli.server.bounds import (
    HEAD_TIMEOUT,
    LEAST_READ,
    LINGER,
    MAX_BODY_READ,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_OF_ADDRESS,
    MAX_HEAD,
    MAX_READ,
    MAX_UNREAD,
    WRITE_TIMEOUT,
)

#: the answer to a connection that is one too many
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 5\r\nconnection: close\r\n"
    b"content-length: 21\r\n\r\nToo many connections."
)
#: the answer to a head that is not valid or too long, without its text; uvicorn's has no length
_BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b"
)
#: most bytes that a TLS connection holds while nothing is read, and least, which must hold a whole record
_TLS_BUFFER = 20 << 10, 17 << 10
#: seconds of silence after which TCP asks whether the peer lives, between two questions, and their number
_KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}

#: CPU seconds of one read from which a connection reads little at a time, and how many bytes: what a client sends in
#: many tiny parts holds up all others for as long as the reads of all such clients take in turn
_COSTLY, _LITTLE = 0.004, 1 << 10

_LONG_HEAD = f"The head of the request has more than {MAX_HEAD >> 10} KiB."
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_ONCE = frozenset({b"sec-websocket-key", b"sec-websocket-version"})


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Let the kernel find out about peers that have vanished: connections without a task have no timeout."""
    line = transport.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def limit_unread(transport: asyncio.BaseTransport) -> None:
    """Let the kernel hold little that was not read: a ping is answered only once what came before it is read, and
    clients close connections whose pings are not answered (Python's websockets after 20 s).
    """
    with suppress(OSError, AttributeError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MAX_UNREAD)


def set_read_size(transport: asyncio.BaseTransport, size: int) -> None:
    """Set how many bytes the transport reads at a time: they are parsed in one callback. `limit_tls_reads` does it for
    TLS.
    """
    transport.max_size = size  # type: ignore[attr-defined]


def limit_tls_reads() -> None:
    """Let all TLS connections read little at a time. By default, each has a buffer of 256 KiB, too."""
    SSLProtocol.max_size = MAX_READ


def unmapped(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """An IPv4 client of a listener for both IP versions, which has an IPv6 address, under its own address."""
    with suppress(ValueError):
        if client and (mapped := getattr(ip_address(client[0]), "ipv4_mapped", None)):
            return str(mapped), client[1]
    return client


def unread(transport: asyncio.WriteTransport) -> int:
    """Bytes that the client has not received, in our buffer and, where it can be asked, in the kernel's."""
    size = transport.get_write_buffer_size()
    with suppress(NameError, OSError, AttributeError, ValueError):  # no socket, or a closed one
        queue = ioctl(transport.get_extra_info("socket").fileno(), TIOCOUTQ, bytes(4))
        size += int.from_bytes(queue, sys.byteorder)
    return size


class ClientConnection:
    """What connections of both kinds share: the client's address, and the end of one whose client does not read; one
    that reads slowly is kept.
    """

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    client: tuple[str, int] | None
    _write_timer: asyncio.TimerHandle | None = None
    _ending = False
    #: whether what the client sends was costly to parse
    _is_costly = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        self.client = unmapped(self.client)

    @property
    def address(self) -> str:
        """The client's address, without the port."""
        return self.client[0] if self.client else ""

    def read_at_most(self, size: int) -> None:
        """Set how many bytes are read at a time."""
        set_read_size(self.transport, min(size, _LITTLE) if self._is_costly else size)

    def note_cost(self, since: float) -> None:
        """Take the CPU time of a read, which began at `since` (`time.thread_time`)."""
        if time.thread_time() - since > _COSTLY:
            self._is_costly = True
            set_read_size(self.transport, _LITTLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)  # type: ignore[misc]

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[misc]
        self._expect_progress()

    def _expect_progress(self) -> None:
        waiting = unread(self.transport)
        patience = LINGER if self._ending else WRITE_TIMEOUT
        self._write_timer = self.loop.call_later(patience, self._check_progress, waiting)

    def _check_progress(self, before: int) -> None:
        if before - unread(self.transport) < LEAST_READ:
            self.transport.abort()
        else:
            self._expect_progress()

    def resume_writing(self) -> None:
        self._stop()
        super().resume_writing()  # type: ignore[misc]

    def _stop(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def hurry(self) -> None:
        """The server ends: a client that does not read gets less time."""
        self._ending = True
        if self._write_timer is not None:
            self._stop()
            self._expect_progress()


class Connections:
    """Counts open connections and the bytes of unfinished messages. One for the process."""

    def __init__(self) -> None:
        self.addresses: Counter[str] = Counter()
        self.message_bytes = 0
        #: bytes of the incomplete messages of connections, the oldest first
        self.incomplete: dict[Any, int] = {}
        #: reverse proxies, which bring the connections of many clients
        self.proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    def refuses(self, address: str) -> bool:
        """Whether one more connection of this address is too many."""
        if self.addresses.total() >= MAX_CONNECTIONS:
            return True
        return self.addresses[address] >= MAX_CONNECTIONS_OF_ADDRESS and not self.is_exempt(address)

    def is_exempt(self, address: str) -> bool:
        """Whether an address may bring many clients: this machine, and its proxies."""
        with suppress(ValueError):
            parsed = ip_address(address)
            return parsed.is_loopback or any(parsed in network for network in self.proxies)
        return not address

    def left(self, address: str) -> None:
        """A connection was closed."""
        self.addresses[address] -= 1
        if self.addresses[address] <= 0:
            del self.addresses[address]


CONNECTIONS = Connections()


class HttpProtocol(ClientConnection, H11Protocol):
    """One HTTP connection."""

    _head_timer: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.read_at_most(MAX_READ)
        if limit_buffer := getattr(transport, "set_read_buffer_limits", None):  # of TLS
            limit_buffer(*_TLS_BUFFER)
        keep_alive(transport)
        refused = CONNECTIONS.refuses(self.address)
        CONNECTIONS.addresses[self.address] += 1
        if refused:
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        CONNECTIONS.left(self.address)  # not called if the connection becomes a WebSocket
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        # After an answer these bytes are the next head, or the rest of a body that is not read.
        if self._head_timer is None and not self._busy:
            self._wait_for_head()
        since = time.thread_time()
        super().data_received(data)
        self.note_cost(since)
        if self._busy:
            self._stop_waiting()
            # The parts of a chunked body, like heads, may be tiny.
            chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
            self.read_at_most(MAX_READ if chunked else MAX_BODY_READ)

    def handle_events(self) -> None:
        """Handle what was received; h11 bounds only heads that are incomplete."""
        if self.conn.their_state is h11.IDLE:
            head, _ = self.conn.trailing_data
            if len(head) > MAX_HEAD and not _END_OF_HEAD.search(head, 0, MAX_HEAD):
                self.logger.warning(_LONG_HEAD)
                self.send_400_response(_LONG_HEAD)
                return
        super().handle_events()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request. What the client still sends is read and dropped: a connection that is closed with unread
        bytes is reset, and the client may lose the answer.
        """
        self._refused = True
        self._stop_waiting()
        self.flow.resume_reading()
        if self._busy:  # the body is not valid; the application gets no more of it
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        self.transport.write(_BAD_REQUEST % (len(msg), msg.encode("ascii")))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)

    def on_response_complete(self) -> None:
        self.read_at_most(MAX_READ)
        super().on_response_complete()

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
        self.hurry()
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
