"""Servers on other machines as models: addresses, options and keys."""

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from asrcli.backends.model_type import ANY, OptionCheck, one_of
from asrcli.backends.remote import TYPE
from asrcli.backends.types import Checks, ModelSpec, check_options
from asrcli.errors import UsageError

#: the model where none is named: OpenAI's, which other servers map to their default
DEFAULT_MODEL = "whisper-1"

#: seconds; the waits of the system have an end that is later
_LONGEST = 1_000_000

#: options of an entry. model: the server's name for it; audio: in which form chunks are sent (auto: FLAC, or WAV to a
#: server that does not read FLAC); timeout: seconds without a byte; api_key_file: a file with the key
OPTIONS: Mapping[str, OptionCheck] = {
    "model": ANY,
    "audio": one_of("auto", "flac", "wav"),
    "timeout": (
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _LONGEST,
        f"seconds, more than 0 and at most {_LONGEST:,}",
    ),
    "api_key_file": ANY,
    "task": one_of("transcribe", "translate"),
}
_ENDPOINT = "/audio/transcriptions"


class RemoteChecks(Checks):
    """Checks of servers; what a request may ask is for the server to decide."""

    def check_model(self, spec: ModelSpec) -> None:
        address(str(spec.options.get("url", "")))
        others = {name: value for name, value in spec.options.items() if name != "url"}
        check_options(replace(spec, options=others), OPTIONS)


def remote_spec(
    url: str,
    *,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    languages: tuple[str, ...] = (),
    window: float = 30.0,
    secret: str = "",
) -> ModelSpec:
    """A server as a model. `url` as other clients take it (`http://host:8000/v1`), `name` for results, `options`: see
    `OPTIONS`, `languages` empty: any, `window`: longest chunk in seconds, `secret`: the API key. Raises UsageError:
    that is not the address of a server.
    """
    settings = {**(options or {}), "url": address(url)}
    model = str(settings.get("model") or "")
    # A server may change the model behind a name: only the server is known.
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
    """An address in its canonical form: with a path, without the endpoint. Raises UsageError: it is not an http or
    https address, or contains a password.
    """
    try:
        parts = urlsplit(url.strip())
        _ = parts.port  # raises for an invalid number
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if parts.username or parts.password:
        raise UsageError(
            "The server's address contains a user name or a password.",
            "Give the key with --remote-api-key-file instead.",
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{url!r} is not the address of a server.", "Write one such as http://host:8000/v1.")
    path = parts.path.rstrip("/").removesuffix(_ENDPOINT).rstrip("/")
    return urlunsplit(SplitResult(parts.scheme, parts.netloc, path or "/v1", "", ""))


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secret_of(spec: ModelSpec) -> str:
    """The server's API key; "" if there is none. Raises UsageError: its file cannot be read."""
    if spec.secret:
        return spec.secret
    named = spec.options.get("api_key_file")
    return read_secret(Path(str(named)).expanduser()) if named else ""


def read_secret(path: Path) -> str:
    """The first line of a file. Raises UsageError: it cannot be read, or is empty."""
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"Cannot read the server's key in {path}: {reason}.", "Correct the path.") from error
    if not lines:
        raise UsageError(f"{path} contains no key.", "Write the key into its first line.")
    return lines[0]
