"""Values of form and JSON fields that several protocols share: flags, numbers, hotwords."""

import asyncio
import base64
import binascii
import math
import re
from collections.abc import Iterable
from typing import Any

from asrcli.errors import UsageError
from asrcli.language_codes import language_code
from asrcli.options import Hotword
from asrcli.server.bounds import MAX_HOTWORD_LENGTH, MAX_HOTWORDS, MAX_HOTWORDS_TEXT
from asrcli.server.errors import RequestError
from asrcli.text.steps.hotwords import parse_hotwords

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on", "t", "y"}), frozenset({"false", "0", "no", "off", "f", "n", ""})
#: how clients write a value that they do not have: JavaScript, Python, JSON
_NOT_SENT = frozenset({"", "undefined", "null", "None"})
_NOT_SENT_IN_ANY_CASE = frozenset(map(str.lower, _NOT_SENT))

#: of a number that is sent as text
_DIGITS = 9
_SEPARATORS = re.compile(r"[\s,，;；]+")
#: the alphabet of base64 for URLs -> the standard one
_STANDARD = bytes.maketrans(b"-_", b"+/")
#: bytes decoded at a time
_BASE64_BLOCK = 1 << 18


def is_sent(text: str, *, exact: bool = False) -> bool:
    """Whether a field's text is a value, not the name of a missing one; `exact`: only as languages write it, since
    "none" may be the name of a model.
    """
    written = text.strip()
    return written not in _NOT_SENT if exact else written.lower() not in _NOT_SENT_IN_ANY_CASE


def without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """A JSON object without the members that are null: they count as not sent."""
    return {name: value for name, value in body.items() if value is not None}


def flag(text: str | None, name: str) -> bool | None:
    """A boolean; None if it was not sent. Raises RequestError: it is neither true nor false."""
    if text is None:
        return None
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise RequestError(f"`{name}` must be true or false.", param=name)


def language(text: str | None, name: str = "language") -> str | None:
    """The code of a language; None: the model detects it. Raises RequestError: it is not a language."""
    try:
        return language_code(text)
    except UsageError as error:
        raise RequestError(error.message, error.hint, param=name) from error


def number(text: Any, name: str, low: float, high: float) -> float:
    """A number from `low` to `high`. Raises RequestError: it is not a number, or out of bounds."""
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not low <= value <= high:
        raise RequestError(f"`{name}` must be a number from {low:g} to {high:g}.", param=name)
    return value


def numeric(value: Any) -> Any:
    """A member of a JSON object; a whole number that is sent as text is one."""
    return int(value) if isinstance(value, str) and len(value) <= _DIGITS and value.isdecimal() else value


def hotwords(value: Any, name: str = "hotwords", *, spaced: bool = False) -> tuple[Hotword, ...]:
    """Hotwords in any of the forms of `parse_hotwords`. Parsing takes time: call it in a thread. Raises RequestError:
    they cannot be read, or are too many or too long.
    """
    too_many = RequestError(
        f"`{name}` must hold at most {MAX_HOTWORDS} hotwords of at most {MAX_HOTWORD_LENGTH} characters.", param=name
    )
    if isinstance(value, str) and (len(value) > MAX_HOTWORDS_TEXT or _longest_item(value) > 2 * MAX_HOTWORD_LENGTH):
        raise too_many
    if isinstance(value, list | dict) and (len(value) > MAX_HOTWORDS or _longest(value) > MAX_HOTWORDS_TEXT):
        raise too_many
    try:
        found = parse_hotwords(value, spaced=spaced)
    except UsageError as error:
        raise RequestError(error.message, error.hint, param=name) from error
    except (RecursionError, OverflowError) as error:
        raise RequestError(f"`{name}` cannot be read.", param=name) from error
    if len(found) > MAX_HOTWORDS or any(len(hotword.text) > MAX_HOTWORD_LENGTH for hotword in found):
        raise too_many
    return found


def _longest(values: Iterable[object]) -> int:
    return max((len(each) for each in values if isinstance(each, str)), default=0)


def _longest_item(text: str) -> int:
    """Length of the longest item of a list in plain text; 0 for JSON."""
    return 0 if text.lstrip()[:1] in {"{", "["} else _longest(_SEPARATORS.split(text))


async def parsed_hotwords(value: Any, name: str = "hotwords", *, spaced: bool = False) -> tuple[Hotword, ...]:
    """`hotwords`, for the event loop."""
    return await asyncio.to_thread(hotwords, value, name, spaced=spaced)


def decode_base64(text: str | bytes) -> bytes:
    """The bytes of base64 text, also of the alphabet for URLs; a data URL's prefix and white space are allowed. Raises
    RequestError: it is not base64.
    """
    payload = text.encode("ascii", "replace") if isinstance(text, str) else text
    head, comma, _ = payload[:200].partition(b",")
    if comma and head.lstrip().startswith(b"data:"):
        payload = payload[len(head) + 1 :]
    found, rest = bytearray(), b""
    try:
        for start in range(0, len(payload), _BASE64_BLOCK):  # piece by piece: the decoder holds the interpreter lock
            piece = rest + payload[start : start + _BASE64_BLOCK].translate(_STANDARD, b" \t\r\n")
            whole = len(piece) // 4 * 4
            found += base64.b64decode(piece[:whole], validate=True)
            rest = piece[whole:]
        found += base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError("The audio is not valid base64.") from error
    return bytes(found)
