"""Authentication middleware: checks API keys and origins before the body is read.

Pure ASGI, because middleware that wraps requests would read them. WebSocket protocols refuse in their own messages, so
for them the decision is left in `scope["state"]["authorised"]`.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import logging
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asrcli.server.errors import ForbiddenError, Problem, UnauthorisedError, problem_of
from asrcli.server.http.uploads import shown_name
from asrcli.server.logs import add_fields

_log = logging.getLogger("asrcli.server")

#: report the server's state, and nothing else
OPEN_PATHS = frozenset({"/health", "/healthz", "/health/live", "/health/ready"})
#: scripts and styles of the pages: the same in every installation
_OPEN_PREFIX = "/page/assets/"
#: pages that ask for the key themselves; without it they are answered with 401 and hold no data of the server
_PAGES_WITH_LOGIN = frozenset({"/", "/ws/v1/asr/test"})
#: pages for which the browser asks for the key (any user name, the key as password)
_PAGES = frozenset({"/docs"})

#: of names that no public DNS server resolves
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")

#: WebSockets whose clients expect a missing key to be refused in the handshake
_REFUSING_SOCKETS = frozenset({"/v1/listen", "/v1/realtime"})
#: prefix of the subprotocol in which OpenAI's browser clients send a key
_KEY_PROTOCOL = "openai-insecure-api-key."
#: characters of a header with warnings
_MAX_HEADER = 2048
#: of `Authorization`, with a key; also the subprotocol before one
_SCHEMES = frozenset({"bearer", "token"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_QUERY_NAMES = frozenset({"token", "x_nls_token", "x-nls-token", "api_key"})


class ApiKeys:
    """The valid API keys, compared by digest in constant time."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def fits(self, offered: Iterable[str]) -> bool:
        """Whether one of the offered keys is valid, or none is needed."""
        found = not self._digests
        for candidate in map(_digest, filter(None, offered)):
            for digest in self._digests:
                found |= hmac.compare_digest(candidate, digest)
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def offered_keys(scope: Scope) -> Iterator[str]:
    """The keys of a request, in all the places where clients put them."""
    headers = Headers(scope=scope)
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() in _SCHEMES:
        yield value.strip()
    elif scheme.lower() == "basic":
        yield _password(value)
    elif scheme and not value:
        yield scheme  # some clients send the bare key
    for name in ("x-nls-token", "api-key", "x-api-key"):
        if token := headers.get(name):
            yield token
    yield from _keys_of_subprotocols(scope.get("subprotocols", ()))
    for name, value in parse_qsl(scope.get("query_string", b"").decode("latin-1")):
        if name.lower() in _QUERY_NAMES:
            yield value


def _keys_of_subprotocols(offered: Iterable[str]) -> Iterator[str]:
    """The keys of clients in browsers: OpenAI's have a prefix, Deepgram's follow their scheme."""
    for before, each in pairwise(["", *offered]):
        if each.startswith(_KEY_PROTOCOL):
            yield each.removeprefix(_KEY_PROTOCOL)
        elif before.lower() in _SCHEMES:
            yield each


def _password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def origin_allowed(scope: Scope, allowed: Iterable[str], *, trust_local: bool = False) -> bool:
    """Whether a request of this web origin may change state or open a WebSocket.

    The server's own origin, configured origins, and requests without one (not from a browser) may.

    Args:
        scope: of the request.
        allowed: configured origins; "*": all.
        trust_local: whether pages of this machine may use a server that listens on this machine only.
    """
    headers = Headers(scope=scope)
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    allowed = set(allowed)
    if "*" in allowed or origin in allowed:
        return True
    if origin is None or site == "same-origin":  # browsers do not let pages set `sec-fetch-site`
        return site != "cross-site"
    host = headers.get("host", "")
    if (
        trust_local
        and _is_local(_client_host(scope))
        and _is_local(_hostname(origin))
        and _is_local(_hostname(f"//{host}"))
    ):
        return True
    return _split(origin).netloc.lower() == host.lower()  # as browsers write them in `Host`


def host_allowed(scope: Scope, allowed: Iterable[str]) -> bool:
    """Whether a request of this machine may name this host.

    A domain name that leads to this machine may belong to another site (DNS rebinding); then its pages would be of the
    server's own origin. Addresses and names that no public DNS server resolves are safe.

    Args:
        scope: of the request.
        allowed: configured names, or origins with them; "*": all.
    """
    if not _is_local(_client_host(scope)):
        return True
    host = _hostname(f"//{Headers(scope=scope).get('host', '')}").rstrip(".").lower()
    names = {name.lower() if name == "*" or "//" not in name else _hostname(name) for name in allowed}
    return (
        bool("." not in host or _is_address(host) or host.endswith(_PRIVATE_SUFFIXES) or names & {"*", host})
        or host == socket.gethostname().lower()
    )


def _client_host(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _split(url: str) -> SplitResult:
    """The parts of an address, empty where it is not valid."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _hostname(url: str) -> str:
    return _split(url).hostname or ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


class AuthMiddleware:
    """The outermost middleware: request id, keys, origins. `origins` are allowed besides the server's own; `answer`
    makes a path's error response.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: ApiKeys,
        origins: Iterable[str],
        hosts: Iterable[str],
        answer: Callable[[Scope, Problem], ASGIApp],
    ) -> None:
        self._app = app
        self._keys = keys
        self._origins = frozenset(origins)
        self._hosts = self._origins | frozenset(hosts)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id = f"req_{secrets.token_hex(16)}"
        add_fields(request_id=request_id)
        offered = list(offered_keys(scope))
        state["authorised"] = self._keys.fits(offered)
        if state["authorised"] and "admit" in state:
            state["admit"]()
        state["client"] = self._client(scope, offered)

        async def stamped(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.accept", "websocket.http.response.start"}:
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                if warnings := state.get("warnings"):
                    headers["x-asrcli-warnings"] = _header_text("; ".join(warnings))
            await send(message)

        problem = self._problem(scope, state)
        app = self._app if problem is None else self._answer(scope, problem)
        await app(scope, receive, stamped)

    def _problem(self, scope: Scope, state: dict[str, Any]) -> Problem | None:
        path = scope["path"]
        if not self._keys and path not in OPEN_PATHS and not host_allowed(scope, self._hosts):
            return _refuse_host(scope)
        changes = scope["type"] == "websocket" or (scope["method"] not in _SAFE and self._is_ambient(scope))
        if changes and not origin_allowed(scope, self._origins, trust_local=not self._keys):
            return self._refuse_origin(scope)
        if scope["type"] == "websocket" and path not in _REFUSING_SOCKETS:
            return None
        if state["authorised"] or path in OPEN_PATHS or path.startswith(_OPEN_PREFIX):
            return None
        if path in _PAGES_WITH_LOGIN and scope.get("method") in {"GET", "HEAD"} and _wants_html(scope):
            return None  # the page answers 401
        return problem_of(UnauthorisedError("Missing or wrong API key.", "Send: Authorization: Bearer KEY."))

    def _is_ambient(self, scope: Scope) -> bool:
        """Whether a browser sends this without a key of the page: none is needed, or the browser has stored it."""
        return not self._keys or Headers(scope=scope).get("authorization", "").lower().startswith("basic ")

    def _refuse_origin(self, scope: Scope) -> Problem:
        origin = shown_name(Headers(scope=scope).get("origin", "another site").partition("//")[2] or "null")
        _log.warning("refused a web page of %s at %s: --cors-origin allows it", origin, scope["path"][:100])
        hint = "The operator can allow its origin with --cors-origin ORIGIN (null for pages opened as files)."
        return problem_of(ForbiddenError("Web pages of this origin may not use this server.", hint))

    def _client(self, scope: Scope, offered: list[str]) -> str:
        """The client for scheduling. A key counts only if keys are checked: others can be invented."""
        host = _client_host(scope)
        return f"{host} {_digest(offered[0]).hex()[:16]}" if self._keys and offered else host


def _header_text(text: str) -> str:
    """A text as a header can carry it: warnings may hold what a recording has in its own fields."""
    plain = text.encode("ascii", "replace").decode()[:_MAX_HEADER]
    return "".join(character if character.isprintable() else " " for character in plain)


def _refuse_host(scope: Scope) -> Problem:
    name = shown_name(_hostname(f"//{Headers(scope=scope).get('host', '')}"), "?")
    _log.warning(
        "refused a request for the host %s at %s: --allowed-host %s allows it", name, scope["path"][:100], name
    )
    hint = "Use its address, or let the operator set --allowed-host NAME or an API key."
    return problem_of(ForbiddenError("This server is not known under this host name.", hint))


def _wants_html(scope: Scope) -> bool:
    return "text/html" in Headers(scope=scope).get("accept", "")


def challenge(scope: Scope) -> dict[str, str]:
    """Headers of a 401: browsers ask for the key on pages, but not for requests of scripts."""
    page = scope["path"] in _PAGES and _wants_html(scope)
    return {"www-authenticate": 'Basic realm="asrcli", charset="UTF-8"' if page else "Bearer"}
