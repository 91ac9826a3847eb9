"""JSON, read and written outside the event loop.

The `json` module's C code holds the interpreter lock for as long as one document takes, in whatever thread it runs.
Small documents are read and written at once; large ones piece by piece, or not at all.
"""

import asyncio
import json
import math
from typing import Any

from starlette.responses import Response

from asrcli.server.bounds import MAX_TEXT_FRAME

#: characters of a document that may be read on the event loop, about a millisecond
_AT_ONCE = 64 << 10
#: segments of a transcript that are written at once
_FEW = 200

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def json_text(body: dict[str, Any]) -> str:
    """A document as JSON. Call it in a thread: a long transcript takes seconds, but lets other threads run."""
    if is_long(body):
        return "".join(_ENCODER.iterencode(body))
    return _ENCODER.encode(body)


def is_long(body: dict[str, Any]) -> bool:
    """Whether writing a document takes more than about a millisecond."""
    return any(
        len(value) > (_FEW if isinstance(value, list) else _AT_ONCE)
        if isinstance(value, list | str)
        else isinstance(value, dict) and is_long(value)
        for value in body.values()
    )


async def json_response(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON, written in a thread."""
    return await asyncio.to_thread(
        lambda: Response(json_text(body).encode("utf-8", "replace"), status, headers, "application/json")
    )


async def read_object(frame: str) -> dict[str, Any] | None:
    """The JSON object in a text frame; None if it holds none, or is longer than text frames may be."""
    if len(frame) > MAX_TEXT_FRAME:
        return None
    return _object(frame) if len(frame) <= _AT_ONCE else await asyncio.to_thread(_object, frame)


def _object(text: str) -> dict[str, Any] | None:
    try:
        body = json.loads(text, parse_float=_finite, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _finite(number: str) -> float | str:
    """A number; one that no float can hold stays text, as NaN does: JSON cannot answer with infinity."""
    value = float(number)
    return value if math.isfinite(value) else number
