"""Requests to object stores and SFTP servers: repeated after errors that may pass, until a store does not answer.

After a request that was repeated in vain, the bucket, or the root of an SFTP server, is looked at. If that fails, too,
the store does not answer: this is then reported for other requests at once, so that a batch of many inputs does not
wait for each of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from asrcli.distribution import pip_install
from asrcli.errors import (
    AsrcliError,
    FetchError,
    InputUnreadableError,
    MissingExtraError,
    StoreError,
    machine_error,
)
from asrcli.storage.http import DOWNLOADS
from asrcli.storage.places import uri_of

_Result = TypeVar("_Result")

#: scheme -> the extra with its library
_EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure", "sftp": "sftp"}
#: errors of the libraries, by name, after which the same request fails again
_LASTING = frozenset({
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound",
    "DefaultCredentialsError", "RefreshError", "ClientAuthenticationError", "HostKeyNotVerifiable",
    "SFTPPermissionDenied", "PermissionDenied",
})  # fmt: skip
_ACCESS = "Check the credentials: the variables or the configuration files of the store's own tools."
_AGAIN = "Check the network and the store, then run the same command again."
#: seconds after which a request is not repeated any more (the libraries repeat it, too), and after which a store that
#: has not answered is asked again
_PATIENCE, _ASK_AGAIN = 90.0, 30.0
#: errors that a store has answered with
_ANSWERS = (FileNotFoundError, PermissionError)
_connecting = Lock()


def split_place(place: Path) -> tuple[str, str, str]:
    """Scheme, host (of sftp) and the path for fsspec."""
    scheme, _, rest = uri_of(place).partition("://")
    host, _, path = rest.partition("/")
    return (scheme, host, f"/{path}") if scheme == "sftp" else (scheme, "", rest)


def _filesystem(scheme: str, host: str) -> Any:
    with _connecting:
        return _connected(scheme, host)


@lru_cache(maxsize=64)
def _connected(scheme: str, host: str) -> Any:
    """One file system for all threads. Raises MissingExtraError: its library is not installed."""
    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme == "sftp":
        user, _, address = host.rpartition("@")
        name, _, port = address.partition(":")
        # Of asyncssh; sshfs by itself accepts every host key.
        options = {"host": name, "known_hosts": ()}
        options |= ({"username": user} if user else {}) | ({"port": int(port)} if port else {})
    try:
        import fsspec

        return fsspec.filesystem(scheme, skip_instance_cache=True, **options)
    except ImportError as error:
        message = f"{scheme}:// needs a package that is not installed."
        raise MissingExtraError(message, pip_install(_EXTRAS[scheme])) from error


#: stores that have not answered since the last request that was repeated in vain: when they were last asked, and why
_outages: dict[str, tuple[float, str]] = {}


def attempt(place: Path, work: Callable[[Any, str], _Result], *, write: bool = False) -> _Result:
    """What `work` makes of the file system and the path; repeated after errors that may pass. Raises
    FileNotFoundError; InputUnreadableError or FetchError, with `write` StoreError: no access, or it fails each time;
    StoreError: the store does not answer.
    """
    scheme, host, path = split_place(place)
    store = f"{scheme}://{host or path.partition('/')[0]}"
    failures, started = 0, time.monotonic()
    while True:
        asked, reason = _outages.get(store, (-_ASK_AGAIN, ""))
        if time.monotonic() - asked < _ASK_AGAIN:
            raise _unreachable(store, reason)
        try:
            result = work(_filesystem(scheme, host), path)
        except Exception as error:
            if isinstance(error, _ANSWERS):
                _outages.pop(store, None)
            if (final := _final(place, error, write=write)) is error:
                raise
            if final is not None:
                raise final from error
            failures += 1
            if failures > DOWNLOADS.retries or time.monotonic() - started > _PATIENCE or store in _outages:
                _check_answers(store, scheme, host, path)
                raise refusal(place, _reason(error), _AGAIN, write=write) from error
        else:
            _outages.pop(store, None)
            return result
        if scheme == "sftp":
            _connected.cache_clear()  # its connection may be the reason
        time.sleep(DOWNLOADS.wait(failures))


def _final(place: Path, error: Exception, *, write: bool) -> Exception | None:
    """What is raised for an error after which the same request would fail again; None: it may pass."""
    if isinstance(error, (AsrcliError, FileNotFoundError)):
        return error
    if isinstance(error, PermissionError):
        return refusal(place, "access denied", _ACCESS, write=write)
    if (exhausted := machine_error(error)) is not None:
        return exhausted
    return refusal(place, _reason(error), _ACCESS, write=write) if _is_lasting(error) else None


def _check_answers(store: str, scheme: str, host: str, path: str) -> None:
    """Look at the bucket, or the root of an SFTP server. Raises StoreError: the store does not answer."""
    try:
        _filesystem(scheme, host).info("/" if host else path.partition("/")[0])
    except Exception as error:
        if not isinstance(error, _ANSWERS) and not _is_lasting(error):
            _outages[store] = time.monotonic(), _reason(error)
            raise _unreachable(store, _reason(error)) from error
    _outages.pop(store, None)


def _is_lasting(error: Exception) -> bool:
    return isinstance(error, (ValueError, TypeError)) or type(error).__name__ in _LASTING


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__


def _unreachable(store: str, reason: str) -> StoreError:
    return StoreError(f"{store} does not answer: {reason}.", _AGAIN)


def refusal(place: Path, reason: str, hint: str, *, write: bool) -> AsrcliError:
    """The error for one file."""
    uri = uri_of(place)
    if write:
        return StoreError(f"{uri}: cannot be written: {reason}.", hint)
    kind = InputUnreadableError if hint == _ACCESS else FetchError
    return kind(f"{uri}: cannot be read: {reason}.", hint)
