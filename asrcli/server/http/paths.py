"""Path aliases: what gateways and clients of other servers make of the paths, answered without redirects.

Redirects would lose the body of some clients, and behind a proxy that terminates TLS they would lead to http.
"""

import re
from urllib.parse import unquote_plus

from starlette.types import ASGIApp, Receive, Scope, Send

from asrcli.server.http.values import is_sent

#: (pattern, path), the first match counts
_ALIASES = (
    (re.compile(r"^(?:/v1){2,}(/.*)$"), r"/v1\1"),  # a base URL that ends in /v1, and a client that adds it
    (
        re.compile(r"^(/audio/(?:transcriptions|translations)|/models(?:/.*)?|/realtime)$"),
        r"/v1\1",
    ),  # a base URL without /v1
    (re.compile(r"^(?:/v1)?/inference$"), "/v1/audio/transcriptions"),  # whisper.cpp
    (re.compile(r"^/api(/v1/(?:audio/.*|models(?:/.*)?|realtime))$"), r"\1"),
    (re.compile(r"^/openai/deployments/.+?(/audio/(?:transcriptions|translations))$"), r"/v1\1"),  # Azure
    (re.compile(r"^/openai(/v1/.*)$"), r"\1"),
    (re.compile(r"^/redoc$"), "/docs"),  # funasr-api
)


#: what proxies write before the path (RFC 9112, 3.2.2)
_ORIGIN = re.compile(r"^https?://[^/]*", re.IGNORECASE)


class PathAliases:
    """Middleware that removes trailing slashes, the prefix of a proxy and parameters without a value, and resolves
    aliases.

    It is outside of everything that reads paths.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            path = re.sub("/{2,}", "/", "/" + _ORIGIN.sub("", scope["path"]))
            if f"{path}/".startswith(f"{self._prefix}/"):
                path = path.removeprefix(self._prefix)
            path = path.rstrip("/") or "/"
            for pattern, target in _ALIASES:
                if pattern.match(path):
                    path = pattern.sub(target, path)
                    break
            scope["path"] = path
            scope["query_string"] = b"&".join(each for each in scope["query_string"].split(b"&") if _has_value(each))
        await self._app(scope, receive, send)


def _has_value(parameter: bytes) -> bool:
    """Whether a parameter of a query was sent: with a value, or with its name alone, as a flag."""
    name, equals, value = parameter.partition(b"=")
    return is_sent(unquote_plus(value.decode("latin-1")), exact=True) if equals else bool(name)
