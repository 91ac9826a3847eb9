"""The retry policy of every HTTP request that asrcli sends."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from asrcli import __version__

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


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None: it says nothing usable."""
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
