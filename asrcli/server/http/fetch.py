"""Recordings by address, fetched without access to private networks.

Only http and https; every address that the name resolves to must be public, and the connection goes to an address that
was checked (a name may resolve differently the next time); redirects are checked like the first address; bytes and
total time are bounded. Proxies of the environment are not used.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

from asrcli import __version__
from asrcli.errors import CancelledError
from asrcli.server.errors import ForbiddenError, RequestError, TookTooLongError, TooLargeError
from asrcli.storage.atomic import disk_errors

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_AGENT = f"asrcli/{__version__}"
_PORTS = {"http": 80, "https": 443}
_MOST_REDIRECTS = 5
#: seconds for one answer of the other side
_SILENCE = 20.0
_BLOCK = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: IPv4 addresses embedded in IPv6, which NAT64 gateways translate
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Guard:
    """What may be fetched.

    Attributes:
        max_bytes: of the recording.
        max_seconds: from the first connection to the last byte.
        networks: that may be reached although they are not public.
    """

    max_bytes: int
    max_seconds: float
    networks: tuple[Network, ...] = ()

    def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of a host, all of them allowed. Raises RequestError: there is no such host; ForbiddenError: one
        of its addresses is not public.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise RequestError("The host of `audio_address` cannot be found.", param="audio_address") from error
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            if not self.allows(ipaddress.ip_address(address.partition("%")[0])):
                raise ForbiddenError("`audio_address` is in a network that is not public.", param="audio_address")
        return addresses

    def allows(self, address: Address) -> bool:
        """Whether an address is public, or in a network that the operator allows."""
        real = _unwrapped(address)
        if any(real.version == network.version and real in network for network in self.networks):
            return True
        return real.is_global and not real.is_multicast and not real.is_reserved


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that is embedded in an IPv6 address, if any."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address
    return address


def fetch(url: str, path: Path, guard: Guard, cancelled: Callable[[], bool]) -> int:
    """Fetch a recording into a new file; its size in bytes. Blocks: call it in a thread. `cancelled` is called between
    blocks. Raises RequestError: the address is none, or does not answer with a recording; ForbiddenError: it leads
    where it may not; TooLargeError or TookTooLongError: the guard's bounds; DiskFullError: no room for it;
    CancelledError: `cancelled` returned true.
    """
    deadline = time.monotonic() + guard.max_seconds
    for _ in range(_MOST_REDIRECTS + 1):
        parts = _checked(url)
        connection = _connect(parts, guard, deadline)
        # The other side may send one byte at a time: at the deadline the connection is closed.
        cut = threading.Timer(max(0.0, deadline - time.monotonic()), _hang_up, [connection.sock])
        cut.start()
        try:
            with contextlib.closing(connection):
                answer = _get(connection, parts)
                if answer.status not in _REDIRECTS:
                    return _save(answer, path, guard, cancelled)
                url = urljoin(url, answer.headers.get("location", ""))
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() >= deadline:
                raise TookTooLongError("Fetching `audio_address` took too long.", param="audio_address") from error
            raise RequestError("`audio_address` cannot be read.", param="audio_address") from error
        finally:
            cut.cancel()
    raise RequestError("`audio_address` redirects too often.", param="audio_address")


def check_url(url: str, guard: Guard) -> None:
    """Refuse an address that `fetch` would refuse, without reaching for it. Raises RequestError or ForbiddenError: as
    `fetch`.
    """
    parts = _checked(url)
    guard.resolve(parts.hostname or "", parts.port or _PORTS[parts.scheme])


def post(url: str, body: bytes, headers: Mapping[str, str], guard: Guard) -> int:
    """Send a message; redirects are not followed. Blocks. Returns the HTTP status of the answer. Raises RequestError:
    the address may not be reached, or does not answer.
    """
    parts = _checked(url)
    deadline = time.monotonic() + guard.max_seconds
    connection = _connect(parts, guard, deadline)
    cut = threading.Timer(guard.max_seconds, _hang_up, [connection.sock])
    cut.start()
    try:
        with contextlib.closing(connection):
            connection.request("POST", _target(parts), body, {"user-agent": _AGENT, **headers})
            return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise RequestError("The address does not answer.") from error
    finally:
        cut.cancel()


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or not url.isascii() or " " in url:
        raise RequestError("`audio_address` must be an http or https URL.", param="audio_address")
    if parts.username is not None or parts.password is not None:
        raise RequestError("`audio_address` must not hold a password.", param="audio_address")
    return parts


def _connect(parts: SplitResult, guard: Guard, deadline: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or _PORTS[parts.scheme]
    line = _dial(guard.resolve(host, port), port, deadline)
    connection = http.client.HTTPConnection(host, port)
    try:
        connection.sock = ssl.create_default_context().wrap_socket(line, server_hostname=host) if secure else line
    except OSError as error:
        line.close()
        raise RequestError("`audio_address` has no trustworthy certificate.", param="audio_address") from error
    return connection


def _dial(addresses: Iterable[str], port: int, deadline: float) -> socket.socket:
    """A connection to one of the addresses that were checked."""
    for address in addresses:
        left = min(_SILENCE, deadline - time.monotonic())
        if left <= 0:
            raise TookTooLongError("Fetching `audio_address` took too long.", param="audio_address")
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), timeout=left)
    raise RequestError("`audio_address` does not answer.", param="audio_address")


def _hang_up(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _get(connection: http.client.HTTPConnection, parts: SplitResult) -> http.client.HTTPResponse:
    headers = {"user-agent": _AGENT, "accept": "*/*", "accept-encoding": "identity"}
    connection.request("GET", _target(parts), headers=headers)
    answer = connection.getresponse()
    if answer.status != http.client.OK and answer.status not in _REDIRECTS:
        raise RequestError(f"`audio_address` answers {answer.status}.", param="audio_address")
    return answer


def _save(answer: http.client.HTTPResponse, path: Path, guard: Guard, cancelled: Callable[[], bool]) -> int:
    size = 0
    if (answer.length or 0) > guard.max_bytes:
        raise TooLargeError("The recording at `audio_address` is too large.", param="audio_address")
    with disk_errors(path.parent), path.open("xb") as file:
        while block := _read(answer):
            size += len(block)
            if size > guard.max_bytes:
                raise TooLargeError("The recording at `audio_address` is too large.", param="audio_address")
            if cancelled():
                raise CancelledError("The client has left.")
            file.write(block)
    if answer.length:
        raise RequestError("The recording at `audio_address` is incomplete.", param="audio_address")
    return size


def _read(answer: http.client.HTTPResponse) -> bytes:
    """Errors of the connection must not be taken for errors of the disk."""
    try:
        return answer.read1(_BLOCK)
    except OSError as error:
        raise http.client.HTTPException(str(error)) from error
