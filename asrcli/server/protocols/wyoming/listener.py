"""The listener of the Wyoming protocol: who may connect, how many, and how connections end with the server."""

import asyncio
import ipaddress
import logging
import socket
import time

from fastapi import FastAPI

from asrcli.server.bounds import MAX_WYOMING_HEAD
from asrcli.server.errors import BusyError, ForbiddenError, RequestError
from asrcli.server.http.uvicorn_protocols import CONNECTIONS, keep_alive, unmapped
from asrcli.server.logs import log_request, start_request
from asrcli.server.protocols.wyoming.events import WyomingStream
from asrcli.server.protocols.wyoming.session import WyomingSession

_log = logging.getLogger("asrcli.server")


class WyomingListener:
    """Accepts connections on a bound socket; the application must have started."""

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        self._app = app
        self.listener = listener
        self._server: asyncio.Server | None = None
        self._ending: asyncio.Future[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        networks = app.state.settings.wyoming_networks
        self._networks = tuple(map(ipaddress.ip_network, networks))
        #: whether clients of every address may connect
        self._open = not networks and not app.state.keys

    async def start(self) -> None:
        """Accept connections."""
        self._ending = asyncio.get_running_loop().create_future()
        self._server = await asyncio.start_server(self._accept, sock=self.listener, limit=MAX_WYOMING_HEAD)

    async def close(self, timeout: float) -> None:
        """Accept no more; clients get the results of their audio within `timeout` seconds."""
        if self._server is None or self._ending is None:
            return
        self._server.close()
        if not self._ending.done():
            self._ending.set_result(None)
        connections = set(self._connections)
        if connections:
            await asyncio.wait(connections, timeout=timeout)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        start_request()
        started = time.perf_counter()
        client = unmapped(writer.get_extra_info("peername")[:2])
        address = client[0] if client else ""
        keep_alive(writer.transport)
        assert self._ending is not None
        stream = WyomingStream(reader, writer, self._ending)
        refusal = self._refusal(address)
        CONNECTIONS.addresses[address] += 1
        try:
            with self._app.state.metrics.sessions.track_inprogress():
                if refusal is not None:
                    await stream.refuse(refusal)
                    return
                await WyomingSession(stream, self._app, address).run()
        except Exception as error:  # noqa: BLE001 -- the client must get a reason
            await stream.refuse(error)  # and log it
        finally:
            CONNECTIONS.left(address)
            await stream.close()
            log_request("connection", time.perf_counter() - started, client=address, route="wyoming")

    def _refusal(self, address: str) -> RequestError | None:
        if CONNECTIONS.refuses(address):
            return BusyError("Too many connections.", retry_after=5)
        parsed = ipaddress.ip_address(address)
        if self._open or parsed.is_loopback or any(parsed in network for network in self._networks):
            return None
        _log.warning("refused a Wyoming client of %s: --wyoming-network allows it", address)
        return ForbiddenError("This address may not use the server.", "The operator can allow it.")
