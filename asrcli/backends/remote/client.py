"""Requests to a server that speaks OpenAI's audio interface: retried where that may help, ended where it cannot.

httpx, because it keeps connections alive for many threads, times out by phase, and knows proxies and certificates.
"""

from __future__ import annotations

import random
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from asrcli import __version__
from asrcli.backends.remote.replies import UnreadableReplyError, complaint, error_field, read_reply
from asrcli.backends.types import Hypothesis
from asrcli.errors import EngineClosedError, EngineError, LanguageNotSupportedError, RemoteUnavailableError, UsageError

_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
#: statuses that speak of the server, not of one chunk
_DOWN = frozenset({429, 502, 503, 504})
#: statuses of a request whose form the server does not take
_REFUSED = frozenset({400, 415, 422})
#: an answer to 30 s of speech is a few kB
_LARGEST = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long a chunk is tried. Seconds."""

    #: attempts after the first
    retries: int = 6
    #: wait before the first retry; it doubles each time
    backoff: float = 0.5
    #: longest wait, also where the server asks for more with Retry-After
    max_wait: float = 60.0
    connect: float = 10.0
    #: without a byte for so long, a connection counts as dead
    read: float = 300.0


_PATIENCE = RetryPolicy()


@dataclass(frozen=True, slots=True)
class _ServerDialect:
    """How much of the interface is used. Servers differ in what they refuse."""

    response_format: str
    words: bool = False
    #: fields that are not OpenAI's: `hotwords`, and no second search for speech
    extras: bool = False


_DIALECTS = (
    _ServerDialect("verbose_json", words=True, extras=True),
    _ServerDialect("verbose_json", words=True),
    _ServerDialect("verbose_json"),
    _ServerDialect("json"),
    _ServerDialect("text"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedChunk:
    """One chunk as it is sent."""

    data: bytes
    #: "flac" or "wav"
    form: str
    seconds: float


class _RefusedError(Exception):
    """The server does not take the request as it is."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(str(response.status_code))
        self.response = response


class RemoteClient:
    """One server and one of its models. Thread-safe; close it."""

    def __init__(self, url: str, model: str, *, secret: str = "", patience: RetryPolicy = _PATIENCE) -> None:
        """Nothing is sent yet.

        Args:
            url: as `check.address` gives it.
            model: the server's name for it.
            secret: sent as a bearer token.
            patience: retries and waits.

        Raises:
            UsageError: the key cannot be sent.
        """
        if not (secret.isascii() and secret.isprintable()):
            raise UsageError("The server's key has characters that no key has.", "Give it again.")
        headers = {"User-Agent": f"asrcli/{__version__}"} | ({"Authorization": f"Bearer {secret}"} if secret else {})
        timeout = httpx.Timeout(patience.read, connect=patience.connect, pool=None)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = httpx.Client(headers=headers, timeout=timeout, limits=limits, follow_redirects=False)
        self._url, self._model, self._patience = url, model, patience
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._dialect = 0
        #: whether the dialect has been understood, so that a refusal now means the chunk
        self._settled = False
        #: before this, nobody asks: the server said so to one of us
        self._quiet_until = 0.0

    def close(self) -> None:
        """End all connections; requests under way fail."""
        self._closed.set()
        self._http.close()

    def recognise(self, sound: EncodedChunk, fields: Mapping[str, str], extras: Mapping[str, str]) -> Hypothesis:
        """Have one chunk recognised.

        Args:
            sound: the chunk.
            fields: of OpenAI's form, beside the file, the model and the format.
            extras: fields that other servers have added.

        Raises:
            RemoteUnavailableError: the server cannot be reached, or does not work for us at all.
            LanguageNotSupportedError: it does not know the language.
            EngineError: it failed at this chunk.
        """
        first: _RefusedError | None = None
        for number in range(self._dialect, len(_DIALECTS)):
            try:
                heard = self._ask(sound, _DIALECTS[number], fields, extras)
            except _RefusedError as refusal:
                first = first or refusal
                if self._settled:
                    break
                continue
            with self._lock:
                self._dialect, self._settled = max(self._dialect, number), True
            return heard
        assert first is not None
        raise self._explained(first.response)

    # -- one request -------------------------------------------------------------------------------------------------

    def _ask(
        self, sound: EncodedChunk, dialect: _ServerDialect, fields: Mapping[str, str], extras: Mapping[str, str]
    ) -> Hypothesis:
        data: dict[str, Any] = {"model": self._model, "response_format": dialect.response_format, **fields}
        if dialect.words:
            data["timestamp_granularities[]"] = ["word", "segment"]
        if dialect.extras:
            data |= extras
        files = {"file": (f"chunk.{sound.form}", sound.data, f"audio/{sound.form}")}
        response, body = self._persist(f"{self._url}/audio/transcriptions", data, files)
        kind = response.headers.get("Content-Type", "")
        try:
            return read_reply(body, kind, sound.seconds)
        except UnreadableReplyError as error:
            what = f"{self._url} answered with something else than a transcript ({error})."
            if self._settled:
                raise EngineError(what) from error
            raise RemoteUnavailableError(
                what, "Is it the address of an OpenAI-compatible interface? Such end in /v1, as a rule."
            ) from error

    def _persist(self, url: str, data: dict[str, Any], files: dict[str, Any]) -> tuple[httpx.Response, bytes]:
        """Ask until there is an answer that stands, or no point in asking on."""
        fruitless = 0
        while True:
            self._wait_for_quiet()
            try:
                response, body = self._send(url, data, files)
            except httpx.TransportError as error:
                problem, wait = self._unreachable(error), None
            else:
                if response.status_code < httpx.codes.MULTIPLE_CHOICES:
                    return response, body
                problem, wait = self._judged(response, body), _asked_wait(response)
                if wait is not None and response.status_code in _DOWN:
                    self._hush(wait)
            fruitless += 1
            if fruitless > self._patience.retries:
                raise problem
            backoff = self._patience.backoff * 2 ** (fruitless - 1) * random.uniform(0.75, 1.25)  # noqa: S311
            if self._closed.wait(min(self._patience.max_wait, backoff if wait is None else wait)):
                raise EngineClosedError("the connection to the server was closed")

    def _send(self, url: str, data: dict[str, Any], files: dict[str, Any]) -> tuple[httpx.Response, bytes]:
        if self._closed.is_set():
            raise EngineClosedError("the connection to the server was closed")
        try:
            with self._http.stream("POST", url, data=data, files=files) as response:
                body = b""
                for block in response.iter_bytes():
                    body += block
                    if len(body) > _LARGEST:
                        raise EngineError(f"{self._url} answers without an end.")
                return response, body
        except RuntimeError as error:  # what httpx says of a client that was closed meanwhile
            raise EngineClosedError("the connection to the server was closed") from error

    def _wait_for_quiet(self) -> None:
        with self._lock:
            wait = self._quiet_until - time.monotonic()
        if wait > 0:
            self._closed.wait(wait)

    def _hush(self, wait: float) -> None:
        with self._lock:
            until = time.monotonic() + min(wait, self._patience.max_wait)
            self._quiet_until = max(self._quiet_until, until)

    # -- what went wrong ---------------------------------------------------------------------------------------------

    def _unreachable(self, error: httpx.TransportError) -> Exception:
        """Why there is no connection; raised at once where another attempt would be the same.

        A lost server is everybody's loss: the batch ends, and goes on from there when it is run again.
        """
        why = str(error) or type(error).__name__
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise RemoteUnavailableError(
                    f"{self._url}: the server's certificate is not trusted ({cause.verify_message}).",
                    "Name a file with its authority's certificate in the variable SSL_CERT_FILE.",
                ) from error
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError | httpx.ProxyError):
            raise RemoteUnavailableError(f"{self._url}: {why}.", "Check the address and the proxy.") from error
        tried = f" (tried {self._patience.retries + 1} times)"
        if isinstance(error, httpx.ReadTimeout):
            return RemoteUnavailableError(
                f"{self._url} gave no answer in {self._patience.read:g} s{tried}.",
                "Raise the option timeout in models.yaml, or use fewer --jobs.",
            )
        return RemoteUnavailableError(
            f"{self._url} cannot be reached: {why}{tried}.",
            "Is the server running, and the address right? What is done stands; run the same command again.",
        )

    def _judged(self, response: httpx.Response, body: bytes) -> Exception:
        """What a status means: an error to raise when patience is at its end, or raised here and now."""
        status, said = response.status_code, complaint(body)
        response.extensions["said"] = body
        told = f"{self._url} answered {status}{f': {said}' if said else ''}".rstrip(".") + "."
        if status in _REFUSED:
            raise _RefusedError(response)
        final = response.headers.get("x-should-retry", "").lower() == "false"
        if status in _RETRIED and not final and error_field(body, "code") != "insufficient_quota":
            return self._failed(status, told)
        raise self._hopeless(response, told)

    def _failed(self, status: int, told: str) -> Exception:
        if status in _DOWN and not self._settled:
            return RemoteUnavailableError(told, "Try again later, or with fewer --jobs.")
        return EngineError(told, "Use fewer --jobs." if status == httpx.codes.TOO_MANY_REQUESTS else "")

    def _hopeless(self, response: httpx.Response, told: str) -> Exception:
        status = response.status_code
        if response.is_redirect:
            to = response.headers.get("Location", "elsewhere")
            return RemoteUnavailableError(
                f"{self._url} sends us on to {to}.", "Recordings are not sent where you did not say: give that address."
            )
        if status in {401, 403}:
            return RemoteUnavailableError(told, "Give the server's key with --remote-api-key-file.")
        if status == httpx.codes.NOT_FOUND:
            return RemoteUnavailableError(told, self._what_there_is())
        if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            return EngineError(told, "Send shorter pieces: --max-chunk 10.")
        if status in {402, 429}:
            return RemoteUnavailableError(told, "See to your account with that server.")
        return EngineError(told) if status in _RETRIED else RemoteUnavailableError(told, "Check the address.")

    def _explained(self, response: httpx.Response) -> Exception:
        """Why a request was refused in every form."""
        body = response.extensions["said"]
        said = complaint(body)
        told = f"{self._url} refuses a chunk ({response.status_code}{f': {said}' if said else ''})."
        param = error_field(body, "param")
        if param == "language":
            return LanguageNotSupportedError(told, "Choose another --language, or leave it out.")
        if param == "model":
            return RemoteUnavailableError(told, self._what_there_is())
        return EngineError(told)

    def _what_there_is(self) -> str:
        """The models that the server says it has, for the hint."""
        try:
            response = self._http.get(f"{self._url}/models", timeout=10)
            names = [str(item["id"]) for item in response.json()["data"]][:12]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return "Check the address: such interfaces end in /v1, as a rule."
        return f"The server has: {', '.join(names)} (choose with --model)." if names else "The server has no models."


def _asked_wait(response: httpx.Response) -> float | None:
    """Seconds that the server asks us to wait; None: it does not say."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, then.timestamp() - time.time())
