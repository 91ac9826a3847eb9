"""Events of the Wyoming protocol on a TCP connection: a line of JSON, more JSON, and a payload of bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from asrcli.server.bounds import (
    HEAD_TIMEOUT,
    LEAST_READ,
    LINGER,
    MAX_WYOMING_DATA,
    MAX_WYOMING_HEAD,
    MAX_WYOMING_PAYLOAD,
    WRITE_TIMEOUT,
)
from asrcli.server.errors import RequestError, SlowClientError, problem_of
from asrcli.server.http.json_text import json_text, read_object
from asrcli.server.http.uvicorn_protocols import unread

#: bytes of a payload that are read at a time
_PIECE = 32 << 10


@dataclass(frozen=True, slots=True)
class WyomingEvent:
    """What comes before the payload of an event."""

    kind: str
    data: dict[str, Any]
    #: bytes of the payload
    size: int


class WyomingStream:
    """The events of one connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ending: asyncio.Future[None]
    ) -> None:
        """`ending` is done when the server ends: what is left of a payload is not waited for."""
        self._reader = reader
        self._writer = writer
        self.ending = ending
        self._left = 0

    async def receive(self) -> WyomingEvent | None:
        """The next event; what is left of the last one's payload is skipped. None: the client has left, within an event
        or between two. Raises RequestError: it is not an event of this protocol, too large, or incomplete for too long.
        """
        try:
            async for _ in self.payload():
                pass
            first = await self._reader.read(1)
            return await self._rest_of_event(first) if first else None
        except TimeoutError as error:
            raise SlowClientError("The rest of an event did not arrive in time.") from error
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def _rest_of_event(self, first: bytes) -> WyomingEvent | None:
        async with asyncio.timeout(HEAD_TIMEOUT):
            try:
                line = first + await self._reader.readline()
            except ValueError as error:
                raise _too_large("line", MAX_WYOMING_HEAD) from error
            if not line.endswith(b"\n"):
                return None
            head = await _json(line)
            kind, data = head.get("type"), head.get("data") or {}
            if not isinstance(kind, str) or not isinstance(data, dict):
                raise RequestError("An event needs a `type`, and its `data` must be an object.")
            size = _length(head, "data_length", MAX_WYOMING_DATA)
            self._left = _length(head, "payload_length", MAX_WYOMING_PAYLOAD)
            if size:
                data = data | await _json(await self._reader.readexactly(size))
        return WyomingEvent(kind, data, self._left)

    async def payload(self) -> AsyncIterator[bytes]:
        """The bytes of the last event's payload. Raises TimeoutError or IncompleteReadError."""
        while self._left:
            reading = asyncio.ensure_future(self._reader.read(min(self._left, _PIECE)))
            try:
                waiting: set[asyncio.Future[Any]] = {reading, self.ending}
                await asyncio.wait(waiting, timeout=HEAD_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done() and self.ending.done():
                    return
                if not reading.done():
                    raise TimeoutError
                piece = reading.result()
            finally:
                reading.cancel()
                await asyncio.wait({reading})  # else the next read is refused
            if not piece:
                raise asyncio.IncompleteReadError(b"", self._left)
            self._left -= len(piece)
            yield piece

    async def send(self, kind: str, **data: Any) -> None:
        """Send an event; None values are left out. A client that does not read is disconnected, one that reads slowly
        is not. Does nothing if the client has left.
        """
        values = {name: value for name, value in data.items() if value is not None}
        body = json_text(values).encode("utf-8", "replace") if values else b""
        head = {"type": kind} | ({"data_length": len(body)} if body else {})
        self._writer.write(json_text(head).encode() + b"\n" + body)
        draining = asyncio.ensure_future(self._writer.drain())
        try:
            while not draining.done():
                before = unread(self._writer.transport)
                await asyncio.wait({draining}, timeout=WRITE_TIMEOUT)
                if not draining.done() and before - unread(self._writer.transport) < LEAST_READ:
                    self._writer.transport.abort()
        finally:
            draining.cancel()
        with suppress(ConnectionError, TimeoutError):  # the latter of TCP
            draining.result()

    async def refuse(self, error: BaseException) -> None:
        """Send an error as the last event."""
        await self.report(error)
        await self.end()

    async def report(self, error: BaseException) -> None:
        """Send an error."""
        problem = problem_of(error)
        await self.send("error", text=problem.message, code=problem.code)

    async def end(self) -> None:
        """Send no more, and ignore what the client still sends for a while: bytes that are not read would reset the
        connection, and the client would not get the last events.
        """
        with suppress(OSError):  # the client has left; it may be too slow
            self._writer.write_eof()
            async with asyncio.timeout(LINGER):
                while await self._reader.read(_PIECE):
                    pass

    async def close(self) -> None:
        """Close the connection; what the client does not read in time is dropped."""
        self._writer.close()
        try:
            async with asyncio.timeout(LINGER):
                await self._writer.wait_closed()
        except (ConnectionError, TimeoutError):
            self._writer.transport.abort()


async def _json(text: bytes) -> dict[str, Any]:
    found = await read_object(text.decode("utf-8", "replace"))
    if found is None:
        raise RequestError("An event is not a JSON object.")
    return found


def _length(head: dict[str, Any], name: str, most: int) -> int:
    value = head.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RequestError(f"`{name}` must be a number of bytes.", param=name)
    if value > most:
        raise _too_large(name.partition("_")[0], most)
    return value


def _too_large(part: str, most: int) -> RequestError:
    return RequestError(f"The {part} of an event has more than {most >> 10} KiB.", "Send more, smaller events.")
