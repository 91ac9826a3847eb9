"""The HTTP client of downloads and remote recognition, and the retry policy of their requests."""

from __future__ import annotations

import math
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from asrcli import __version__

if TYPE_CHECKING:
    import httpx

USER_AGENT = f"asrcli/{__version__}"
#: statuses after which the same request may succeed later
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long a request is tried. Seconds."""

    #: attempts after the first
    retries: int = 6
    #: wait before the first retry, doubled for each further one
    backoff: float = 0.5
    #: longest wait, also where the server asks for more
    max_wait: float = 60.0
    connect: float = 10.0
    #: without a byte for so long, a connection counts as broken
    read: float = 300.0

    def wait(self, failures: int, asked: float | None = None) -> float:
        """Seconds before the next attempt after `failures` in a row; to the time the server `asked` for, up to a tenth
        is added, so that clients do not return together.
        """
        if asked is not None:
            return min(self.max_wait, asked * random.uniform(1.0, 1.1))  # noqa: S311 - no secret
        doubled = self.backoff * 2.0 ** min(max(0, failures - 1), 30)
        return min(self.max_wait, doubled * random.uniform(0.75, 1.25))  # noqa: S311 - no secret


#: of model files
DOWNLOADS = RetryPolicy(retries=4, read=30.0)
#: called with (bytes so far, total bytes or None)
Progress = Callable[[int, "int | None"], None]


def new_client(policy: RetryPolicy, headers: dict[str, str], **options: Any) -> httpx.Client:
    """A thread-safe client that follows no redirects. Its proxies are those of the environment, its certificate
    authorities those of `trusted_authorities`.
    """
    import httpx

    timeout = httpx.Timeout(policy.read, connect=policy.connect, pool=None)
    return httpx.Client(
        headers={"User-Agent": USER_AGENT} | headers, timeout=timeout, verify=trusted_authorities(), **options
    )


def trusted_authorities() -> ssl.SSLContext:
    """The certificate authorities of the system and of SSL_CERT_FILE, or of certifi if there are none."""
    trusted = ssl.create_default_context()
    if not trusted.cert_store_stats()["x509_ca"]:
        import certifi

        trusted.load_verify_locations(certifi.where())
    return trusted


def distrust(error: BaseException) -> str:
    """Why a server's certificate is not trusted, where that is what an error is about; else ""."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return ""


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None: it has no usable value."""
    text = (value or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time())
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
