"""Requests to a server with OpenAI's audio API, retried where that may help."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx

from asrcli.backends.remote.attempts import (
    DIALECTS,
    ChunkRefusedError,
    EncodedChunk,
    RequestAttempt,
    in_form,
    plan_attempts,
)
from asrcli.backends.remote.check import DEFAULT_MODEL
from asrcli.backends.remote.models import listed_models, models_hint, speech_model
from asrcli.backends.remote.replies import UnreadableReplyError, error_field, error_message, read_reply
from asrcli.backends.types import Hypothesis
from asrcli.errors import (
    AsrcliError,
    EngineClosedError,
    EngineError,
    LanguageNotSupportedError,
    RemoteUnavailableError,
    UsageError,
)
from asrcli.storage.http import TRANSIENT, RetryPolicy, distrust, new_client, retry_after

#: statuses that concern the server, not one chunk
_DOWN = frozenset({429, 502, 503, 504})
#: statuses with which a server may fail on audio that it cannot read
_FAILED = frozenset({500, 501})
_WAV_HINT = "If the server does not read FLAC: --remote-audio wav."
#: statuses of a request whose form the server does not accept
_REFUSED = frozenset({400, 415, 422})
#: an answer to 30 s of speech is a few kB
_LARGEST = 8 << 20


_POLICY = RetryPolicy()


class _NoSuchModelError(RemoteUnavailableError):
    """The server does not have the model, or the address is wrong."""


class RemoteClient:
    """One server and one of its models. Thread-safe; close it."""

    def __init__(
        self,
        url: str,
        model: str | None,
        *,
        secret: str = "",
        policy: RetryPolicy = _POLICY,
        translate: bool = False,
    ) -> None:
        """`url` as from `check.address`; `model`: the server's name for it, None: `DEFAULT_MODEL`, or one that the
        server lists if it does not have that; `secret`: sent as a bearer token; `translate`: into English. Raises
        UsageError: the key cannot be sent.
        """
        if not (secret.isascii() and secret.isprintable()):
            raise UsageError("The API key has characters that an HTTP header cannot contain.", "Check the key.")
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = new_client(policy, headers, limits=limits)
        self._url, self._policy = url, policy
        self._model, self._named = model or DEFAULT_MODEL, model is not None
        self._endpoint = f"{url}/audio/{'translations' if translate else 'transcriptions'}"
        self._closed = threading.Event()
        self._lock, self._choosing = threading.Lock(), threading.Lock()
        #: the models that the server lists; None: it was not asked
        self._listed: list[Mapping[str, Any]] | None = None
        #: the form that the server has accepted; a refusal in this form concerns the chunk
        self._accepted: RequestAttempt | None = None
        #: no request is sent before this time: the server asked one of the threads to wait
        self._paused_until = 0.0

    @property
    def form(self) -> str | None:
        """The audio form that the server has accepted, "flac" or "wav"; None: none yet."""
        return self._accepted.form if self._accepted else None

    @property
    def replaced(self) -> str | None:
        """The server's model that is asked instead of `DEFAULT_MODEL`; None: none is."""
        return None if self._named or self._model == DEFAULT_MODEL else self._model

    def close(self) -> None:
        """End all connections; requests under way fail."""
        self._closed.set()
        self._http.close()

    def recognise(self, chunk: EncodedChunk, fields: Mapping[str, str], extras: Mapping[str, str]) -> Hypothesis:
        """Have one chunk recognised. `fields`: of OpenAI's form, besides file, model and format; `extras`: those that
        other servers added. Raises RemoteUnavailableError: the server cannot be reached, or rejects every request;
        LanguageNotSupportedError: it does not support the language; EngineError: it failed at this chunk.
        """
        while True:
            asked = self._model
            try:
                return self._recognise(chunk, fields, extras)
            except _NoSuchModelError as error:
                if not self._has_other_model(asked, error):
                    raise

    def _has_other_model(self, asked: str, error: _NoSuchModelError) -> bool:
        """Whether there is another model to ask, as the server does not have the one that was `asked`; else the hint of
        `error` lists the server's models.
        """
        with self._choosing:
            if self._listed is None:
                self._listed = listed_models(self._http, self._url)
                if not self._named:
                    self._model = speech_model(self._listed) or self._model
            error.hint = models_hint(self._listed)
            return self._model != asked

    def _recognise(self, chunk: EncodedChunk, fields: Mapping[str, str], extras: Mapping[str, str]) -> Hypothesis:
        refusals: dict[RequestAttempt, ChunkRefusedError] = {}
        untried = deque(
            RequestAttempt(chunk.form, dialect, chunk.as_wav is not None) for dialect in range(len(DIALECTS))
        )
        while True:
            accepted = self._accepted
            if accepted is not None:
                attempt = accepted if chunk.as_wav else replace(accepted, form=chunk.form)
            elif untried:
                attempt = untried.popleft()
            else:
                break
            if attempt in refusals:
                break
            try:
                hypothesis = self._ask(in_form(chunk, attempt.form), attempt, fields, extras)
            except ChunkRefusedError as refusal:
                refusals[attempt] = refusal
                if chunk.as_wav is not None:
                    plan_attempts(refusal, attempt, untried, refusals)
                continue
            except EngineError as error:
                self._with_hint(error, chunk)
                raise
            with self._lock:
                self._accepted = self._accepted or replace(attempt, probe=False)
            return hypothesis
        # A refusal in the accepted form concerns the chunk; else the form that was tried first asks for most.
        refused = [each for each in refusals.values() if not each.failed]
        raise self._with_hint(self._explained(refusals[attempt] if attempt == self._accepted else refused[0]), chunk)

    def _with_hint(self, error: AsrcliError, chunk: EncodedChunk) -> AsrcliError:
        if self._accepted is None and chunk.form == "flac" and chunk.as_wav is None and not error.hint:
            error.hint = _WAV_HINT
        return error

    # -- one request -------------------------------------------------------------------------------------------------

    def _ask(
        self, chunk: EncodedChunk, attempt: RequestAttempt, fields: Mapping[str, str], extras: Mapping[str, str]
    ) -> Hypothesis:
        dialect = DIALECTS[attempt.dialect]
        data: dict[str, Any] = {"model": self._model, "response_format": dialect.response_format, **fields}
        if dialect.words:
            data["timestamp_granularities[]"] = ["word", "segment"]
        if dialect.extras:
            data |= extras
        files = {"file": (f"chunk.{chunk.form}", chunk.data, f"audio/{chunk.form}")}
        response, body = self._persist(data, files, probe=attempt.probe)
        kind = response.headers.get("Content-Type", "")
        try:
            return read_reply(body, kind, chunk.seconds)
        except UnreadableReplyError as error:
            what = f"The reply of {self._url} is not a transcript ({error})."
            if self._accepted is not None:
                raise EngineError(what) from error
            if attempt.probe:
                raise ChunkRefusedError(response.status_code, body, failed=True) from error
            raise RemoteUnavailableError(
                what, "Check that the address is that of an OpenAI-compatible API; most end in /v1."
            ) from error

    def _persist(self, data: dict[str, Any], files: dict[str, Any], *, probe: bool) -> tuple[httpx.Response, bytes]:
        """Send a request until it is answered or the policy ends; a probe that fails is not repeated."""
        failures = 0
        while True:
            self._wait_for_pause()
            try:
                response, body = self._send(data, files)
            except httpx.TransportError as error:
                problem, asked = self._unreachable(error), None
                if probe and isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError):
                    raise ChunkRefusedError(failed=True) from error
            else:
                if response.status_code < httpx.codes.MULTIPLE_CHOICES:
                    return response, body
                if probe and response.status_code in _FAILED:
                    raise ChunkRefusedError(response.status_code, body, failed=True)
                problem, asked = self._judged(response, body), retry_after(response.headers.get("Retry-After"))
                if asked is not None and response.status_code in _DOWN:
                    self._rate_limit_pause(asked)
            failures += 1
            if failures > self._policy.retries:
                raise problem
            if self._closed.wait(self._policy.wait(failures, asked)):
                raise EngineClosedError("The connection to the server was closed.")

    def _send(self, data: dict[str, Any], files: dict[str, Any]) -> tuple[httpx.Response, bytes]:
        if self._closed.is_set():
            raise EngineClosedError("The connection to the server was closed.")
        try:
            with self._http.stream("POST", self._endpoint, data=data, files=files) as response:
                body = b""
                for block in response.iter_bytes():
                    body += block
                    if len(body) > _LARGEST:
                        raise EngineError(f"{self._url} sends an endless reply.")
                return response, body
        except RuntimeError as error:  # raised by httpx if the client was closed meanwhile
            raise EngineClosedError("The connection to the server was closed.") from error

    def _wait_for_pause(self) -> None:
        with self._lock:
            wait = self._paused_until - time.monotonic()
        if wait > 0:
            self._closed.wait(wait)

    def _rate_limit_pause(self, wait: float) -> None:
        """Let all threads wait as the server asked."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + min(wait, self._policy.max_wait))

    # -- what went wrong ---------------------------------------------------------------------------------------------

    def _unreachable(self, error: httpx.TransportError) -> Exception:
        """Why there is no connection; raised at once where a retry would be the same."""
        why = str(error) or type(error).__name__
        if reason := distrust(error):
            raise RemoteUnavailableError(
                f"{self._url}: the server's certificate is not trusted ({reason}).",
                "Name a file with its authority's certificate in the variable SSL_CERT_FILE.",
            ) from error
        if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError | httpx.ProxyError):
            raise RemoteUnavailableError(f"{self._url}: {why}.", "Check the address and the proxy.") from error
        tried = f" (tried {self._policy.retries + 1} times)"
        if isinstance(error, httpx.ReadTimeout):
            return RemoteUnavailableError(
                f"{self._url} did not reply in {self._policy.read:g} s{tried}.",
                "Raise the option timeout in models.yaml, or use fewer --jobs.",
            )
        return RemoteUnavailableError(
            f"{self._url} cannot be reached: {why}{tried}.",
            "Check the address and the server. Then run the same command again: finished files are kept.",
        )

    def _judged(self, response: httpx.Response, body: bytes) -> Exception:
        """What a status means: an error to raise when the policy ends, or raised at once."""
        status, reason = response.status_code, error_message(body)
        message = f"{self._url} replied {status}{f': {reason}' if reason else ''}".rstrip(".") + "."
        if status in _REFUSED:
            raise ChunkRefusedError(status, body)
        final = response.headers.get("x-should-retry", "").lower() == "false"
        if status in TRANSIENT and not final and error_field(body, "code") != "insufficient_quota":
            return self._failed(status, message)
        raise self._final(response, message)

    def _failed(self, status: int, message: str) -> Exception:
        if status in _DOWN and self._accepted is None:
            return RemoteUnavailableError(message, "Try again later, or with fewer --jobs.")
        return EngineError(message, "Use fewer --jobs." if status == httpx.codes.TOO_MANY_REQUESTS else "")

    def _final(self, response: httpx.Response, message: str) -> Exception:
        status = response.status_code
        if response.is_redirect:
            to = response.headers.get("Location", "elsewhere")
            return RemoteUnavailableError(
                f"{self._url} redirects to {to}.",
                "Recordings are not sent to another address: give that one to --remote.",
            )
        if status in {401, 403}:
            return RemoteUnavailableError(message, "Give the server's API key with --remote-api-key-file.")
        if status == httpx.codes.NOT_FOUND:
            return _NoSuchModelError(message)
        if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            return EngineError(message, "Send shorter chunks: --max-chunk 10.")
        if status in {402, 429}:
            return RemoteUnavailableError(message, "Check your account at that server.")
        return EngineError(message) if status in TRANSIENT else RemoteUnavailableError(message, "Check the address.")

    def _explained(self, refusal: ChunkRefusedError) -> AsrcliError:
        """Why a request was refused in every form."""
        reason = error_message(refusal.body)
        message = f"{self._url} refuses a chunk ({refusal.status}{f': {reason}' if reason else ''})."
        param = error_field(refusal.body, "param")
        if param == "language":
            return LanguageNotSupportedError(message, "Choose another --language, or leave it out.")
        if param == "model":
            return _NoSuchModelError(message)
        return EngineError(message)
