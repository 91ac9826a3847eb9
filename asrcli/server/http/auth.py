"""The door: who may come in is decided before anything of the body is read.

Pure ASGI, because a middleware that wraps requests would read them. For HTTP the answer is final; WebSocket protocols
say no in their own words, so the decision is left in `scope["state"]["authorised"]` for them, with the reason to be
given in `scope["state"]["refused"]`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asrcli.server.errors import ForbiddenError, Problem, UnauthorisedError, problem_of

#: report the server's state, and nothing else
OPEN_PATHS = frozenset({"/health", "/healthz", "/health/live", "/health/ready"})
#: scripts and styles of the pages: published with the program, the same everywhere
_OPEN_PREFIX = "/page/assets/"
#: pages that ask for the key themselves; without it they answer 401 and hold nothing of the server's
_ASKING_PAGES = frozenset({"/", "/ws/v1/asr/test"})
#: pages for which the browser must ask (any user name, the key as password)
_PAGES = frozenset({"/docs"})

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_QUERY_NAMES = frozenset({"token", "x_nls_token", "x-nls-token", "api_key"})


class ApiKeys:
    """The keys that open the server. Compared by digest in constant time, all of them each time."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def fits(self, offered: Iterable[str]) -> bool:
        """Whether one of the offered keys is ours, or none is needed."""
        found = not self._digests
        for candidate in map(_digest, filter(None, offered)):
            for digest in self._digests:
                found |= hmac.compare_digest(candidate, digest)
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def offered_keys(scope: Scope) -> Iterator[str]:
    """The keys that a request carries, wherever clients put them."""
    headers = Headers(scope=scope)
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield value.strip()
    elif scheme.lower() == "basic":
        yield _password(value)
    elif scheme and not value:
        yield scheme  # some clients send the bare key
    if token := headers.get("x-nls-token"):
        yield token
    for name, value in parse_qsl(scope.get("query_string", b"").decode("latin-1")):
        if name.lower() in _QUERY_NAMES:
            yield value


def _password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def origin_allowed(scope: Scope, allowed: Iterable[str]) -> bool:
    """Whether a page of this origin may open a WebSocket: ours, a configured one, or no browser at all."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None:
        return True
    allowed = set(allowed)
    return "*" in allowed or origin in allowed or urlsplit(origin).netloc == headers.get("host")


class AuthMiddleware:
    """The outermost middleware: request id, keys, origins.

    Args:
        app: what lies behind.
        keys: of the settings.
        origins: web origins besides our own.
        answer: makes a path's error response of a problem and the request's id.
    """

    def __init__(
        self, app: ASGIApp, keys: ApiKeys, origins: Iterable[str], answer: Callable[[Scope, Problem], ASGIApp]
    ) -> None:
        self._app = app
        self._keys = keys
        self._origins = frozenset(origins)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id = f"req_{secrets.token_hex(16)}"
        offered = list(offered_keys(scope))
        state["authorised"] = self._keys.fits(offered)
        state["client"] = self._client(scope, offered)

        async def stamped(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.accept", "websocket.http.response.start"}:
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        problem = self._problem(scope, state)
        app = self._app if problem is None else self._answer(scope, problem)
        await app(scope, receive, stamped)

    def _problem(self, scope: Scope, state: dict[str, Any]) -> Problem | None:
        if scope["type"] == "websocket":
            if not origin_allowed(scope, self._origins):
                return problem_of(ForbiddenError("WebSockets of this web origin are not allowed."))
            return None
        path = scope["path"]
        if not self._keys and self._is_foreign(scope):
            return problem_of(ForbiddenError("Pages of other sites may not use this server.", "Give it keys."))
        if state["authorised"] or path in OPEN_PATHS or path.startswith(_OPEN_PREFIX):
            return None
        if path in _ASKING_PAGES and scope["method"] in {"GET", "HEAD"} and _wants_html(scope):
            return None  # the page answers 401
        return problem_of(UnauthorisedError("Missing or wrong API key.", "Send: Authorization: Bearer KEY."))

    def _is_foreign(self, scope: Scope) -> bool:
        """Whether a page of another site sends this behind its reader's back; browsers say so.

        Without keys nothing else would tell a form that is sent from anywhere to a server on the reader's own machine.
        """
        headers = Headers(scope=scope)
        allowed = headers.get("origin") in self._origins or "*" in self._origins
        return scope["method"] not in _SAFE and headers.get("sec-fetch-site") == "cross-site" and not allowed

    def _client(self, scope: Scope, offered: list[str]) -> str:
        """Who takes turns with others. Keys count only where they are checked: anybody can invent one."""
        host = scope["client"][0] if scope.get("client") else ""
        return f"{host} {_digest(offered[0]).hex()[:16]}" if self._keys and offered else host


def _wants_html(scope: Scope) -> bool:
    return "text/html" in Headers(scope=scope).get("accept", "")


def challenge(scope: Scope) -> dict[str, str]:
    """What a 401 must say: browsers ask people for the key on pages, but never behind a script's back."""
    page = scope["path"] in _PAGES and _wants_html(scope)
    return {"www-authenticate": 'Basic realm="asrcli", charset="UTF-8"' if page else "Bearer"}


__all__ = ["OPEN_PATHS", "ApiKeys", "AuthMiddleware", "challenge", "offered_keys", "origin_allowed"]
