"""The process: sockets, TLS, signals, uvicorn."""

import asyncio
import gc
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from ipaddress import ip_network
from types import FrameType

import uvicorn
from fastapi import FastAPI

from asrcli.errors import MachineError, UsageError
from asrcli.server.app import create_app
from asrcli.server.bounds import MAX_HEAD, MAX_MESSAGE
from asrcli.server.http.uvicorn_protocols import CONNECTIONS, HttpProtocol, limit_tls_reads
from asrcli.server.http.uvicorn_websocket import WebSocketProtocol
from asrcli.server.logs import configure as configure_logs
from asrcli.server.protocols.wyoming.listener import WyomingListener
from asrcli.server.settings import ServerSettings
from asrcli.storage.allocator import return_freed_memory, return_small_blocks
from asrcli.storage.child_priority import lower_children
from asrcli.storage.hangup import hangup_signal

#: wanted limit of open files
_FILES = 16384
#: seconds that an idle connection is kept: longer than proxies keep theirs, mostly 60 s, so that they close it
_KEEP_ALIVE = 75
_REFUSED = "ASGI callable returned without completing handshake."
#: seconds after which a thread that works gives up the interpreter to the event loop; Python's default is 0.005
_SWITCH_INTERVAL = 0.001
#: Python's own thresholds of the younger generations of garbage collection
_YOUNG = 700, 10
#: seconds between two full garbage collections, and collections of the middle generation after which Python makes one
#: nevertheless (its default: 10)
_COLLECT_EVERY, _FULL_AFTER = 60.0, 1000


class Server(uvicorn.Server):
    """Shuts down gracefully on SIGTERM, SIGHUP and SIGINT, and keeps the signal in `ended_by`."""

    def __init__(
        self, config: uvicorn.Config, on_started: Callable[[], None], wyoming: WyomingListener | None = None
    ) -> None:
        super().__init__(config)
        self._wyoming = wyoming
        self.ended_by: int | None = None
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Call back when connections are accepted."""
        try:
            await super().startup(sockets)
        except OSError as error:  # another program has bound the port, too, and was the first to listen
            await self.lifespan.shutdown()
            ports = ", ".join(str(each.getsockname()[1]) for each in sockets or ())
            raise MachineError(
                f"Cannot listen on a port of {ports}: {error.strerror}.",
                "Choose another port, or stop the program that uses it.",
            ) from error
        if self._wyoming is not None and self.started:
            await self._wyoming.start()
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what runs. Wyoming clients are first: they need the models of the application."""
        if self._wyoming is not None:
            closing = asyncio.ensure_future(self._wyoming.close(self.config.timeout_graceful_shutdown or 0))
            while not closing.done() and not self.force_exit:
                await asyncio.wait({closing}, timeout=0.1)
            closing.cancel()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals drain the server; a second SIGINT ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        kinds = (signal.SIGINT, signal.SIGTERM, *hangup_signal())
        before = {kind: signal.signal(kind, self._drain) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def _drain(self, number: int, frame: FrameType | None) -> None:
        self.ended_by = self.ended_by or number
        self.handle_exit(number, frame)


def shorten_collections() -> None:
    """Make garbage collections, which stop all threads and the event loop, short or rare. Call it on the event loop.

    What is loaded now stays loaded: they need not look at it. Full ones are made once a minute: by their number of new
    objects, Python makes 5 while it renders ten hours as SRT, of 130 ms each, and 21 for FunASR's messages.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_YOUNG, _FULL_AFTER)
    asyncio.get_running_loop().call_later(_COLLECT_EVERY, _collect_again)


def _collect_again() -> None:
    gc.collect()
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, return_small_blocks)
    loop.call_later(_COLLECT_EVERY, _collect_again)


def serve(
    settings: ServerSettings, announce: Callable[[str, str], None], *, log_level: str = "info", log_json: bool = False
) -> int | None:
    """Serve until a signal arrives, which is returned. `announce` is called with the protocol ("http", "funasr",
    "wyoming") and the URL of each listener that accepts connections. Raises MachineError: a port is not available;
    UsageError: the certificate or its key cannot be used; ModelError: the default model is not available.
    """
    configure_logs(log_level, as_json=log_json)
    if settings.wyoming_port and settings.wyoming_port in {settings.port, settings.funasr_port}:
        raise UsageError("--wyoming-port is the port of another protocol.", "Wyoming needs a port of its own.")
    _check_tls(settings)
    _raise_file_limit()
    return_freed_memory()
    lower_children()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    with ExitStack() as stack:

        def bound(port: int) -> socket.socket:
            return stack.enter_context(closing(listen(settings.host, port)))

        sockets = [bound(settings.port)]
        if settings.funasr_port and settings.funasr_port != sockets[0].getsockname()[1]:  # else one for both
            sockets.append(bound(settings.funasr_port))
        app = create_app(settings)
        # uvicorn logs the traceback of every failure of the start; expected ones are reported by the command. It logs
        # a refused WebSocket as a fault of the application.
        log = logging.getLogger("uvicorn.error")
        log.addFilter(lambda record: not hasattr(app.state, "failure") and record.msg != _REFUSED)
        wyoming = WyomingListener(app, bound(settings.wyoming_port)) if settings.wyoming_port else None

        def started() -> None:
            shorten_collections()
            _announce(settings, sockets, announce)
            if wyoming is not None:
                announce("wyoming", f"tcp://{_address(wyoming.listener)}")

        server = Server(configure(app, settings), started, wyoming)
        try:
            server.run(sockets)
        except SystemExit:  # raised by uvicorn if the lifespan failed
            raise getattr(app.state, "failure", MachineError("The server could not start.")) from None
    return server.ended_by


def configure(app: FastAPI, settings: ServerSettings) -> uvicorn.Config:
    """How uvicorn serves the application."""
    proxies = [address for address in settings.forwarded_allow_ips.split(",") if address]
    networks = ["0.0.0.0/0", "::/0"] if "*" in proxies else proxies
    CONNECTIONS.proxies = tuple(map(ip_network, networks))
    if settings.certfile:
        limit_tls_reads()
    return uvicorn.Config(
        app,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        h11_max_incomplete_event_size=MAX_HEAD,
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,  # audio does not shrink, and a small frame could become a large one
        ws_ping_interval=None,  # FunASR clients do not answer pings while they wait for a long decode
        ssl_certfile=settings.certfile,
        ssl_keyfile=settings.keyfile,
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=settings.drain_timeout,
    )


def listen(host: str, port: int) -> socket.socket:
    """A bound socket that does not accept connections yet. Raises UsageError: the address does not exist; MachineError:
    the port is in use, or not permitted.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # With its protocol: only where it is TCP, asyncio sends small packets at once. Else the body of an answer waits
        # until the client has acknowledged the head, 40 ms.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(
            f"The address {host}:{port} does not exist: {error.strerror}.", "Correct --host or --port."
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise MachineError(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            "Choose another port, or stop the program that uses it.",
        ) from error
    return listener


def _raise_file_limit() -> None:
    """Raise the limit of open files, and so of connections; the default is often 1,024."""
    try:
        import resource
    except ImportError:  # not on every system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _check_tls(settings: ServerSettings) -> None:
    if settings.certfile is None:
        if settings.keyfile is not None:
            raise UsageError("--keyfile needs --certfile.", "Give both, or neither.")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.certfile, settings.keyfile)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"The certificate {settings.certfile} cannot be used: {error.strerror or error}.",
            "It must be PEM, with the key in it or in --keyfile.",
        ) from error


def _announce(settings: ServerSettings, sockets: list[socket.socket], announce: Callable[[str, str], None]) -> None:
    secure = "s" if settings.certfile else ""
    for name, scheme, listener in zip(("http", "funasr"), ("http", "ws"), sockets, strict=False):
        announce(name, f"{scheme}{secure}://{_address(listener)}")


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{f'[{host}]' if ':' in host else host}:{port}"
