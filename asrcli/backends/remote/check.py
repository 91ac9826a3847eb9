"""Servers on other machines as models: their addresses, their options, and what may be asked of them."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from asrcli.backends.checks import Checks
from asrcli.backends.remote import TYPE
from asrcli.backends.types import ModelSpec
from asrcli.errors import OptionNotSupportedError, UsageError

#: what is asked for where nobody names a model: OpenAI's own, which other servers take for their default
DEFAULT_MODEL = "whisper-1"

#: in which form chunks are sent; auto: FLAC, or WAV to a server that does not read FLAC
AUDIO_FORMS = ("auto", "flac", "wav")
#: options of an entry. model: the server's name for it; audio: in which form chunks are sent; timeout: seconds without
#: a byte; api_key_file: a file with the key
OPTIONS = ("model", "audio", "timeout", "api_key_file")
_ENDPOINT = "/audio/transcriptions"


class RemoteChecks(Checks):
    """Checks of servers; what a request may ask is for the server to decide."""

    def check_model(self, spec: ModelSpec) -> None:
        address(str(spec.options.get("url", "")))
        unknown = sorted(set(spec.options) - {*OPTIONS, "url"})
        if unknown:
            raise OptionNotSupportedError(
                f"{spec.name}: a model of type {spec.type} takes no option {unknown[0]!r}.",
                f"It takes: {', '.join(OPTIONS)}.",
            )
        if spec.options.get("audio", "auto") not in AUDIO_FORMS:
            raise OptionNotSupportedError(
                f"{spec.name}: audio cannot be {spec.options['audio']!r}.", f"Write one of: {', '.join(AUDIO_FORMS)}."
            )
        timeout = spec.options.get("timeout", 1)
        if not isinstance(timeout, int | float) or isinstance(timeout, bool) or timeout <= 0:
            raise OptionNotSupportedError(f"{spec.name}: timeout must be seconds, more than 0, not {timeout!r}.")


def remote_spec(
    url: str,
    *,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    languages: tuple[str, ...] = (),
    window: float = 30.0,
    secret: str = "",
) -> ModelSpec:
    """A server as a model.

    Args:
        url: of its interface, as other clients take it: `http://host:8000/v1`.
        name: what the model is called in results; "": what the server calls it, or the server itself.
        options: see `OPTIONS`.
        languages: what it can do; empty: anything.
        window: the longest chunk it is sent, seconds.
        secret: the key that it wants to see.

    Raises:
        UsageError: that is no address of a server.
    """
    settings = {**(options or {}), "url": address(url)}
    model = str(settings.get("model") or "")
    # A server may have another model under the same name tomorrow; that it is the same server is all we know.
    digest = hashlib.sha256(f"{TYPE}\0{settings['url']}\0{model}".encode()).hexdigest()
    return ModelSpec(
        name=name or model or urlsplit(settings["url"]).netloc,
        type=TYPE,
        files={},
        options=settings,
        languages=languages,
        window=window,
        digest=digest,
        secret=secret,
    )


def address(url: str) -> str:
    """An address in the form that we keep: with a path, without the endpoint.

    Raises:
        UsageError: no http or https address, or one with a password in it.
    """
    try:
        parts = urlsplit(url.strip())
        _ = parts.port  # refuses what is no number
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if parts.username or parts.password:
        raise UsageError(
            "The server's address holds a name or a password.", "Give the key with --remote-api-key-file instead."
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{url!r} is no address of a server.", "Write one such as http://host:8000/v1.")
    path = parts.path.rstrip("/").removesuffix(_ENDPOINT).rstrip("/")
    return urlunsplit(SplitResult(parts.scheme, parts.netloc, path or "/v1", "", ""))


def is_loopback(url: str) -> bool:
    """Whether what is sent there stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secret_of(spec: ModelSpec) -> str:
    """The key that the server wants to see; "" if none.

    Raises:
        UsageError: the file that should hold it cannot be read.
    """
    if spec.secret:
        return spec.secret
    named = spec.options.get("api_key_file")
    return read_secret(Path(str(named)).expanduser()) if named else ""


def read_secret(path: Path) -> str:
    """The first line of a file.

    Raises:
        UsageError: it cannot be read, or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"Cannot read the server's key in {path}: {reason}.", "Correct the path.") from error
    if not lines:
        raise UsageError(f"There is no key in {path}.", "Write the key into its first line.")
    return lines[0]
