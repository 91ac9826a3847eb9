"""Webhooks: signed notifications of finished jobs.

Header `x-asrcli-signature: t=UNIXTIME,v1=HEX`, where HEX is HMAC-SHA256 of `UNIXTIME.BODY` with the operator's secret:
the time is signed, too, so that old messages cannot be sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from asrcli.server.http.fetch import Guard, post

SIGNATURE = "x-asrcli-signature"


def signature(secret: str, body: bytes, moment: int) -> str:
    """The header's value."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signed}"


def deliver(url: str, message: Mapping[str, Any], secret: str, guard: Guard) -> bool:
    """Send a message once; whether it was accepted (any 2xx). Raises RequestError: the address is not allowed, or does
    not answer.
    """
    body = json.dumps(message, ensure_ascii=False).encode()
    headers = {"content-type": "application/json", SIGNATURE: signature(secret, body, int(time.time()))}
    return 200 <= post(url, body, headers, guard) < 300
