"""Errors of requests, and what clients get of any error; each protocol renders a `Problem` in its own form."""

import logging
from dataclasses import dataclass

from asrcli.errors import (
    AsrcliError,
    DiskFullError,
    EngineError,
    EngineMemoryError,
    FetchError,
    FetchForbiddenError,
    FetchSizeError,
    FetchTimeoutError,
    FfmpegMissingError,
    InputError,
    LanguageNotSupportedError,
    MachineError,
    MissingExtraError,
    ModelCrashError,
    ModelError,
    ModelNotInstalledError,
    OptionNotSupportedError,
    OutputError,
    UnknownModelError,
    UsageError,
    machine_error,
)

_log = logging.getLogger("asrcli.server")


class RequestError(AsrcliError):
    """A request is refused.

    Attributes:
        status: of HTTP.
        param: the field at fault.
        retry_after: seconds after which the client may try again; None: the same request fails again.
    """

    code = "invalid_request"
    status = 400

    def __init__(
        self, message: str, hint: str = "", *, param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message, hint)
        self.param = param
        self.retry_after = retry_after

    def __init_subclass__(cls, *, status: int = 0, code: str = "") -> None:
        super().__init_subclass__(code=code)
        cls.status = status or cls.status


class NotFoundError(RequestError, status=404, code="not_found"):
    """The resource does not exist."""


class UnauthorisedError(RequestError, status=401, code="invalid_api_key"):
    """Missing or invalid API key."""


class ForbiddenError(RequestError, status=403, code="forbidden"):
    """The operator does not allow this."""


class ConflictError(RequestError, status=409, code="conflict"):
    """The state of the resource does not allow this."""


class UnavailableError(RequestError, status=503, code="unavailable"):
    """The server cannot do this at present."""


class SlowClientError(RequestError, status=408, code="timeout"):
    """Timed out waiting for the request body."""


class TooLargeError(RequestError, status=413, code="too_large"):
    """The body or the recording is too large."""


class EncodingError(RequestError, status=415, code="unsupported_encoding"):
    """The body is compressed."""


class BusyError(RequestError, status=429, code="rate_limit_exceeded"):
    """A queue or another bound is reached."""


class TookTooLongError(RequestError, status=504, code="timeout"):
    """The request took too long."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a client receives it."""

    status: int
    message: str
    code: str
    param: str | None = None
    retry_after: int | None = None

    @property
    def kind(self) -> str:
        """OpenAI's `type`."""
        if self.status == 429:
            return "rate_limit_error"
        if self.status == 401:
            return "authentication_error"
        return "server_error" if self.status >= 500 else "invalid_request_error"

    def headers(self) -> dict[str, str]:
        """Its HTTP headers. OpenAI's SDKs repeat requests with 5xx unless a header forbids it."""
        if self.retry_after is not None:
            return {"retry-after": str(self.retry_after)}
        return {"x-should-retry": "false"} if self.status >= 500 else {}


#: the first class that fits decides: status, code, field at fault
_TABLE: tuple[tuple[type[AsrcliError], int, str, str | None], ...] = (
    (UnknownModelError, 404, "model_not_found", "model"),
    (ModelNotInstalledError, 503, "model_not_installed", "model"),
    (ModelCrashError, 500, "engine_error", None),
    (ModelError, 500, "model_error", "model"),
    (LanguageNotSupportedError, 400, "unsupported_language", "language"),
    (OptionNotSupportedError, 400, "unsupported_option", None),
    (UsageError, 400, "invalid_request", None),
    (FetchForbiddenError, 403, "forbidden", None),
    (FetchSizeError, 413, "too_large", None),
    (FetchTimeoutError, 504, "timeout", None),
    (FetchError, 400, "invalid_request", None),
    (InputError, 400, "invalid_audio", "file"),
    (EngineMemoryError, 503, "out_of_resources", None),
    (EngineError, 500, "engine_error", None),
    (MissingExtraError, 501, "not_available", None),
    (FfmpegMissingError, 501, "not_available", None),
    (MachineError, 503, "out_of_resources", None),
)

_INTERNAL = Problem(500, "The server failed at this request.", "internal_error")


def _message(error: AsrcliError, status: int) -> str:
    """The message, with its hint unless that names options of the command line; no paths of this machine."""
    internal = status >= 500 and not isinstance(error, ModelNotInstalledError)
    if internal and "/" in error.message:
        _log.error("%s", error)
        return "This model cannot be used on this server." if isinstance(error, ModelError) else _INTERNAL.message
    return error.message if internal or "--" in error.hint or "asrcli " in error.hint else str(error)


def problem_of(error: BaseException) -> Problem:
    """What a client gets of an error. Unexpected errors are logged; the client learns only that there was one."""
    error = machine_error(error) or error
    if isinstance(error, RequestError):
        return Problem(error.status, str(error), error.code, error.param, error.retry_after)
    if isinstance(error, DiskFullError | OutputError):  # their messages hold paths of this machine
        _log.error("%s", error)
        full = isinstance(error, DiskFullError)
        return Problem(507, "The server's disk is full.", "disk_full") if full else _INTERNAL
    if isinstance(error, AsrcliError):
        for kind, status, code, param in _TABLE:
            if isinstance(error, kind):
                if kind is MachineError and "/" not in error.message:  # else it is logged with its paths
                    _log.error("%s", error)
                named = error.param if isinstance(error, FetchError) else param
                return Problem(status, _message(error, status), code, named)
        return Problem(500, error.message, error.code)
    _log.error("unexpected error: %s", type(error).__name__, exc_info=error)
    return _INTERNAL
