"""The models that a server lists, and the one that recognises speech where none is named."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

#: the task that some servers name in their lists
_TASK = re.compile(r"speech[-_ ]?recognition|transcri", re.IGNORECASE)
#: in names of models that recognise speech
_NAME = re.compile(
    r"whisper|transcri|(?<![a-z])(?:asr|stt)(?![a-z])|sense-?voice|paraformer|parakeet|canary|moonshine|voxtral"
    r"|zipformer|firered|dolphin",
    re.IGNORECASE,
)


#: bytes and seconds of an answer at most
_LARGEST, _PATIENCE = 1 << 20, 10.0


def listed_models(client: httpx.Client, url: str) -> list[Mapping[str, Any]]:
    """The entries of `GET /v1/models`; none where the answer is no such list, or is too long or too slow."""
    body, end = b"", time.monotonic() + _PATIENCE
    try:
        with client.stream("GET", f"{url}/models", timeout=_PATIENCE) as response:
            for block in response.iter_bytes():
                body += block
                if len(body) > _LARGEST or time.monotonic() > end:
                    return []
        data = json.loads(body)["data"]
    except (httpx.HTTPError, RuntimeError, ValueError, KeyError, TypeError):  # RuntimeError: the client is closed
        return []
    items = data if isinstance(data, list) else []
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("id"), str) and item["id"]]


def models_hint(listed: Sequence[Mapping[str, Any]]) -> str:
    """What to do about a model that the server does not have."""
    if not listed:
        return "The server lists no models. Check the address; most end in /v1."
    return f"The server has: {', '.join(item['id'] for item in listed[:12])} (choose with --model)."


def speech_model(listed: Sequence[Mapping[str, Any]]) -> str | None:
    """The model that recognises speech: the first by its task or else by its name, or the only one; None: there is no
    such model.
    """
    by_task = (item["id"] for item in listed if _TASK.search(str(item.get("task") or "")))
    by_name = (item["id"] for item in listed if not item.get("task") and _NAME.search(item["id"]))
    only = listed[0]["id"] if len(listed) == 1 else None
    return next(by_task, None) or next(by_name, None) or only
