"""Recordings by address, fetched without access to private networks.

Only http and https; every address that the name resolves to must be public, and the connection goes to an address that
was checked (a name may resolve differently the next time); redirects are checked like the first address; bytes and
total time are bounded. Proxies of the environment are not used.
"""

import contextlib
import hashlib
import http.client
import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from asrcli.errors import (
    CancelledError,
    FetchError,
    FetchForbiddenError,
    FetchSizeError,
    FetchTimeoutError,
    machine_error,
)
from asrcli.storage.atomic import disk_errors, private
from asrcli.storage.http import USER_AGENT, Progress, trusted_authorities

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Result = TypeVar("Result")

_PORTS = {"http": 80, "https": 443}
_MOST_REDIRECTS = 5
#: seconds for one answer of the other side
_SILENCE = 20.0
_BLOCK = 1 << 16
#: seconds after which a file whose time of change has whole seconds has not changed again within that second
_SETTLED = 5.0
_ALLOW = "Allow it with --fetch-network, if you trust the address."
_AGAIN = "Check the address, or try again later."
_TOO_SLOW = "Fetching the recording took too long."
_TOO_LARGE = "The recording at the address is too large."
#: characters that a file name does not get from a server
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*]')
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

    max_bytes: int = 16 << 30
    max_seconds: float = 6 * 3600.0
    networks: tuple[Network, ...] = ()

    def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of a host, all of them allowed. Raises FetchError: there is no such host;
        FetchForbiddenError: one of its addresses is not public.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise FetchError("The host of the address cannot be found.", "Check the name and the network.") from error
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            if not self.allows(ipaddress.ip_address(address.partition("%")[0])):
                raise FetchForbiddenError("The address is in a network that is not public.", _ALLOW)
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


def fetch(
    url: str,
    path: Path,
    guard: Guard,
    cancelled: Callable[[], bool],
    progress: Progress = lambda _done, _total: None,
    *,
    versioned: Callable[[str], None] = lambda _version: None,
) -> int:
    """Fetch a recording into a new file; its size in bytes. Blocks: call it in a thread. `cancelled` and `progress` are
    called between blocks, `versioned` with what `version_of` returns. Raises FetchError: the address is none, or does
    not answer with a recording; FetchForbiddenError: it leads where it may not; FetchSizeError or FetchTimeoutError:
    the guard's bounds; DiskFullError: no room for it; MachineError: no file or socket can be opened; CancelledError:
    `cancelled` returned true.
    """

    def save(answer: http.client.HTTPResponse, address: str) -> int:
        versioned(_version(answer, address))
        return _save(answer, path, guard, cancelled, progress)

    return _answered(url, guard, save)


def version_of(url: str, guard: Guard) -> str:
    """What the server has at an address now: equal for equal bytes only. "" if its headers do not show that. Raises
    FetchError: as `fetch`.
    """
    return _answered(url, guard, _version)


def _version(answer: http.client.HTTPResponse, url: str) -> str:
    """A hash of the validators, the length and the path, which a redirect may have changed."""
    tag, length = answer.headers.get("etag", ""), answer.headers.get("content-length", "")
    changed, now = (_seconds(answer.headers.get(name)) for name in ("last-modified", "date"))
    strong = tag.startswith('"') and tag != '""'  # weak ones are equal for similar bytes
    # The time has whole seconds, and nginx makes a strong tag of it: the file may change again within one.
    recent = changed is not None and (now is None or now - changed < _SETTLED)
    if recent or not (strong or (length and changed is not None)):
        return ""
    return hashlib.blake2b(repr((tag, changed, length, urlsplit(url).path)).encode(), digest_size=16).hexdigest()


def _seconds(date: str | None) -> float | None:
    """A date of HTTP, seconds since 1970; None if it is none, or of an unknown time zone."""
    try:
        moment = parsedate_to_datetime(date) if date else None
    except (ValueError, OverflowError):
        return None
    return None if moment is None or moment.tzinfo is None else moment.timestamp()


def name_of(url: str, guard: Guard) -> str:
    """The file name of a recording: what the server calls it, or the end of the address that it is at. Raises
    FetchError: as `fetch`.
    """
    return _answered(url, guard, lambda answer, url: _sent_name(answer) or url_name(url))


def url_name(url: str) -> str:
    """The end of an address's path, or its host, as a file name."""
    parts = urlsplit(url)
    return _file_name(unquote(parts.path)) or parts.hostname or "recording"


def _sent_name(answer: http.client.HTTPResponse) -> str:
    """The file name of the header Content-Disposition; "" without it."""
    name = answer.headers.get_filename("")
    with contextlib.suppress(UnicodeError):  # headers are read as Latin-1; many servers send UTF-8
        name = name.encode("latin-1").decode()
    return _file_name(name)


def _file_name(path: str) -> str:
    return _UNSAFE.sub("_", path.rstrip("/").rpartition("/")[2]).lstrip(".").strip()


def _answered(url: str, guard: Guard, use: Callable[[http.client.HTTPResponse, str], Result]) -> Result:
    """What `use` makes of the answer and its address, redirects followed."""
    deadline = time.monotonic() + guard.max_seconds
    for _ in range(_MOST_REDIRECTS + 1):
        parts = checked_url(url)
        connection = _connect(parts, guard, deadline)
        # The other side may send one byte at a time: at the deadline the connection is closed.
        cut = threading.Timer(max(0.0, deadline - time.monotonic()), _hang_up, [connection.sock])
        cut.start()
        try:
            with contextlib.closing(connection), contextlib.closing(_get(connection, parts)) as answer:
                if answer.status != http.client.OK and answer.status not in _REDIRECTS:
                    raise FetchError(f"The address answers {answer.status} {answer.reason}".rstrip() + ".")
                if answer.status not in _REDIRECTS:
                    return use(answer, url)
                url = urljoin(url, answer.headers.get("location", ""))
        except (OSError, http.client.HTTPException) as error:
            if (exhausted := machine_error(error)) is not None:  # the disk's are mapped where it is written
                raise exhausted from error
            if time.monotonic() >= deadline:
                raise FetchTimeoutError(_TOO_SLOW) from error
            raise FetchError("The recording at the address cannot be read to its end.", _AGAIN) from error
        finally:
            cut.cancel()
    raise FetchError("The address redirects too often.")


def check_url(url: str, guard: Guard) -> None:
    """Refuse an address that `fetch` would refuse, without reaching for it. Raises FetchError: as `fetch`."""
    parts = checked_url(url)
    guard.resolve(parts.hostname or "", parts.port or _PORTS[parts.scheme])


def post(url: str, body: bytes, headers: Mapping[str, str], guard: Guard) -> int:
    """Send a message; redirects are not followed. Blocks. Returns the HTTP status of the answer. Raises FetchError:
    the address may not be reached, or does not answer.
    """
    parts = checked_url(url)
    deadline = time.monotonic() + guard.max_seconds
    connection = _connect(parts, guard, deadline)
    cut = threading.Timer(guard.max_seconds, _hang_up, [connection.sock])
    cut.start()
    try:
        with contextlib.closing(connection):
            connection.request("POST", _target(parts), body, {"user-agent": USER_AGENT, **headers})
            with contextlib.closing(connection.getresponse()) as answer:
                return answer.status
    except (OSError, http.client.HTTPException) as error:
        raise FetchError("The address does not answer.", _AGAIN) from error
    finally:
        cut.cancel()


def checked_url(url: str) -> SplitResult:
    """The parts of an address. Raises FetchError: it is none that can be fetched."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or not url.isascii() or " " in url:
        raise FetchError("The address must be an http or https URL.", "Write other characters as %XX.")
    if parts.username is not None or parts.password is not None:
        raise FetchError("The address must not hold a password.")
    return parts


def _connect(parts: SplitResult, guard: Guard, deadline: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or _PORTS[parts.scheme]
    line = _dial(guard.resolve(host, port), port, deadline)
    connection = http.client.HTTPConnection(host, port)
    try:
        connection.sock = trusted_authorities().wrap_socket(line, server_hostname=host) if secure else line
    except OSError as error:
        line.close()
        message = "The certificate of the address is not trusted."
        raise FetchError(message, "SSL_CERT_FILE names a file with further authorities.") from error
    return connection


def _dial(addresses: Iterable[str], port: int, deadline: float) -> socket.socket:
    """A connection to one of the addresses that were checked."""
    for address in addresses:
        left = min(_SILENCE, deadline - time.monotonic())
        if left <= 0:
            raise FetchTimeoutError(_TOO_SLOW)
        try:
            return socket.create_connection((address, port), timeout=left)
        except OSError as error:
            if (exhausted := machine_error(error)) is not None:
                raise exhausted from error
    raise FetchError("The address does not answer.", _AGAIN)


def _hang_up(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _get(connection: http.client.HTTPConnection, parts: SplitResult) -> http.client.HTTPResponse:
    headers = {"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "identity"}
    connection.request("GET", _target(parts), headers=headers)
    return connection.getresponse()


def _save(
    answer: http.client.HTTPResponse, path: Path, guard: Guard, cancelled: Callable[[], bool], progress: Progress
) -> int:
    size, total = 0, answer.length
    page = answer.headers.get_content_type() == "text/html"
    if (total or 0) > guard.max_bytes:
        raise FetchSizeError(_TOO_LARGE)
    with disk_errors(path.parent), open(path, "xb", opener=private) as file:
        while block := _read(answer):
            if page and not size and block.lstrip().startswith(b"<"):
                raise FetchError("The address is a web page, not a recording.", "Use the address of the sound itself.")
            size += len(block)
            if size > guard.max_bytes:
                raise FetchSizeError(_TOO_LARGE)
            if cancelled():
                raise CancelledError("The client has left.")
            file.write(block)
            progress(size, total)
    if answer.length:
        raise FetchError("The recording at the address is incomplete.", _AGAIN)
    return size


def _read(answer: http.client.HTTPResponse) -> bytes:
    """Errors of the connection must not be taken for errors of the disk."""
    try:
        return answer.read1(_BLOCK)
    except OSError as error:
        raise http.client.HTTPException(str(error)) from error
