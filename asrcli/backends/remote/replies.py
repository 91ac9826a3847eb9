"""Replies of servers with OpenAI's audio API, as a `Hypothesis`, and their error messages.

Forms: OpenAI's `json`, `verbose_json` and `text`, and the variants of other servers: words inside of segments, text as
a JSON string, SenseVoice's tags before it, languages by name or by code, errors under `error`, `detail` or `message`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from asrcli.backends.notes import without_notes
from asrcli.backends.types import Hypothesis, Token, read_tagged, tag_name
from asrcli.errors import UsageError
from asrcli.language_codes import language_code
from asrcli.transcript import warning_code

#: codes of our own server's warnings that mean that words are missing
_INCOMPLETE = frozenset({"gap", "truncated"})


class UnreadableReplyError(Exception):
    """The reply is not a transcript; the message describes it."""


def read_reply(body: bytes, content_type: str, duration: float) -> Hypothesis:
    """Read the body of a reply with status 200; no word ends after `duration` (s). Raises UnreadableReplyError: it is
    not a transcript.
    """
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    text = body.decode("utf-8", "replace").strip()
    if kind == "text/plain":
        return _hypothesis({"text": text}, duration)
    try:
        data = _parse(text)
    except ValueError:
        raise UnreadableReplyError(f"{kind or 'no content type'}, {len(body)} bytes") from None
    if isinstance(data, str):
        data = {"text": data}
    if isinstance(data, Mapping) and data.get("error"):
        raise UnreadableReplyError(f"an error: {error_message(body)}")
    if not isinstance(data, Mapping) or not isinstance(data.get("text"), str):
        raise UnreadableReplyError("JSON without a text")
    return _hypothesis(data, duration)


def _parse(text: str | bytes) -> Any:
    """The value of JSON. Raises ValueError: it is not JSON, or too deep."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("too deep") from error


def _hypothesis(data: Mapping[str, Any], duration: float) -> Hypothesis:
    segments = [item for item in _items(data, "segments") if isinstance(item, Mapping)]
    first = segments[0] if segments else {}
    found = read_tagged(str(data["text"]))
    rest, event = without_notes(found.text)
    if not rest:  # notes alone: other models write brackets of their own
        found = replace(found, text="", event=event or found.event)
    return Hypothesis(
        found.text,
        _tokens(data, segments, duration) if found.text else (),
        language=_language(data.get("language_code") or data.get("language")) or found.language,
        emotion=_label(first.get("emotion")) or found.emotion,
        event=_label(first.get("event")) or found.event,
        limit=_is_cut_short(data),
        end=_end(data, segments),
        unsure="low-confidence" in _warning_codes(data),
    )


def _end(data: Mapping[str, Any], segments: Sequence[Mapping[str, Any]]) -> float | None:
    """Up to where the server accounts for the sound, seconds; None where it does not report that."""
    last = max(filter(_is_number, (item.get("end") for item in segments)), default=0.0)
    length = data.get("duration")
    # Servers report 0 for what they have not measured.
    return min((float(end) for end in (last, length) if _is_number(end) and end > 0), default=None)


def _is_cut_short(data: Mapping[str, Any]) -> bool:
    """Whether the server reports that its text is not all."""
    incomplete = bool(_warning_codes(data) & _INCOMPLETE)
    return data.get("finish_reason") == "length" or data.get("truncated") is True or incomplete


def _warning_codes(data: Mapping[str, Any]) -> set[str]:
    return {warning_code(item) for item in _items(data, "warnings") if isinstance(item, str)}


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a time; JSON has integers that no float holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e9 < value < 1e9


def _tokens(data: Mapping[str, Any], segments: Sequence[Mapping[str, Any]], duration: float) -> tuple[Token, ...]:
    """A token per word, where all words have times; none where the server estimated them."""
    if data.get("timing") == "estimated":
        return ()
    words = _items(data, "words") or [word for segment in segments for word in _items(segment, "words")]
    tokens = []
    for word in words:
        token = _token(word, duration) if isinstance(word, Mapping) else None
        if token is None:
            return ()
        tokens.append(token)
    return tuple(tokens)


def _token(word: Mapping[str, Any], duration: float) -> Token | None:
    text, start, end = word.get("word", word.get("text")), word.get("start"), word.get("end")
    if not isinstance(text, str) or not _is_number(start) or not _is_number(end):
        return None
    begin = min(max(float(start), 0.0), duration)
    return Token(text, begin, min(max(float(end), begin), duration))


def _items(data: Mapping[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    return list(value) if isinstance(value, list) else []


def _language(value: Any) -> str | None:
    try:
        return language_code(value) if isinstance(value, str) else None
    except UsageError:
        return None


def _label(value: Any) -> str | None:
    return tag_name(value[:40]) if isinstance(value, str) else None


def error_message(body: bytes) -> str:
    """The message of an error reply, on one line and of limited length; "" without one."""
    text = body.decode("utf-8", "replace")
    try:
        data = _parse(text)
    except ValueError:
        data = None if "<" in text else text
    for name in ("error", "detail", "message"):
        if isinstance(data, Mapping) and data.get(name):
            data = data[name]
    if isinstance(data, Sequence) and not isinstance(data, str) and data:
        data = data[0]
    if isinstance(data, Mapping):
        data = data.get("message") or data.get("msg") or ""
    line = " ".join("".join(char if char.isprintable() else " " for char in str(data or "")).split())
    return line if len(line) <= 300 else line[:297] + "..."


def error_field(body: bytes, name: str) -> str:
    """`code` or `param` of an error of OpenAI's form; "" where it has none."""
    try:
        error = _parse(body)["error"]
        value = error[name]
    except (ValueError, KeyError, TypeError):
        return ""
    return value if isinstance(value, str) else ""
