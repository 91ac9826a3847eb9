"""Option values from text. Each reader raises ValueError with what to write."""

import math
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal

from asrcli.errors import UsageError
from asrcli.language_codes import language_code

#: greatest number of `--channels`
MAX_CHANNEL = 63
#: greatest number of `--audio-track`
MAX_TRACK = 1000
#: characters of a free text
MAX_TEXT = 10_000

_CLOCK = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?([0-5]?\d(?:[.,]\d+)?)")


def time(text: str) -> float:
    """Seconds from "90", "90.5", "1:30" or "1:02:03.5"."""
    try:
        seconds = math.nan if "_" in text else float(text)
    except ValueError:
        match = _CLOCK.fullmatch(text.strip())
        if match is None:
            raise ValueError(
                f"'{text}' is not a valid time; write seconds (90.5) or hours:minutes:seconds (1:02:03)"
            ) from None
        hours, minutes, rest = match.groups(default="0")
        seconds = int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"'{text}' is not a valid time; write seconds from the start of the recording, 0 or more")
    return seconds


def channels(text: str) -> Literal["mix", "split"] | int:
    """Mix, split or the number of a channel."""
    word = text.strip().lower()
    if word == "mix":
        return "mix"
    if word == "split":
        return "split"
    if word.isdecimal() and int(word) <= MAX_CHANNEL:
        return int(word)
    raise ValueError(f"'{text}' is not a channel; write mix, split or a number from 0 to {MAX_CHANNEL}")


def track(text: str) -> str | int:
    """The number of an audio track, "all", or the code of its language."""
    word = text.strip().lower()
    if word == "all":
        return "all"
    if word.isdecimal():
        if int(word) <= MAX_TRACK:
            return int(word)
    else:
        with suppress(ValueError):
            if (code := language(word)) != "auto":
                return code
    raise ValueError(f"'{text}' is not an audio track; write a number from 0 to {MAX_TRACK}, a language, or all")


def shard(text: str) -> str:
    """I/N, auto or auto/N; stays text."""
    number, slash, count = text.strip().lower().partition("/")
    if number == "auto" and not slash:
        return "auto"
    valid = count.isascii() and count.isdigit() and 1 <= len(count) <= 7 and int(count) >= 1
    if number != "auto":
        valid = valid and number.isascii() and number.isdigit() and len(number) <= 7 and 1 <= int(number) <= int(count)
    if not valid:
        raise ValueError(f"'{text}' is not a shard; write I/N with I from 1 to N, auto, or auto/N")
    return f"{number}/{count}"


def cluster(text: str) -> str:
    """The address of a Ray cluster."""
    if text in {"auto", "local"} or re.fullmatch(r"ray://[^\s/:]+:\d{1,5}", text):
        return text
    raise ValueError(f"'{text}' is not the address of a Ray cluster; write ray://HOST:10001, auto or local")


def language(text: str) -> str:
    """The code of a language in any spelling that `language_code` reads, or "auto"."""
    try:
        return language_code(text) or "auto"
    except UsageError as error:
        raise ValueError(str(error).removesuffix(".")) from None


def target_language(text: str) -> str:
    """The code of a language to translate into."""
    code = language(text)
    if code == "auto":
        raise ValueError("it is a language, such as en or de")
    return code


def bounded_text(text: str) -> str:
    """A text of at most `MAX_TEXT` characters."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"it has {len(text)} characters; at most {MAX_TEXT} are allowed")
    return text


def split_list(values: Iterable[str]) -> tuple[str, ...]:
    """The items of a repeatable, comma-separated option, each once, in order."""
    items = (item.strip() for value in values for item in value.split(","))
    return tuple(dict.fromkeys(item for item in items if item))


def size(text: str) -> int:
    """Bytes from "2GB", "500MB", "64KB" or a number of megabytes, as other servers take it."""
    number = text.strip().upper().removesuffix("B").removesuffix("I")
    unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(number[-1:], 0)
    try:
        count = int(float(number[:-1] if unit else number) * (unit or 1 << 20))
    except (ValueError, OverflowError):
        count = 0
    if count < 1:
        raise ValueError(f"'{text}' is not a size; write 500MB, 2GB, or a number of megabytes")
    return count


def log_level(text: str) -> str:
    """A level, also as Python's logging and other servers name it."""
    level = {"critical": "error", "warn": "warning", "trace": "debug"}.get(text.strip().lower(), text.strip().lower())
    if level not in {"debug", "info", "warning", "error"}:
        raise ValueError(f"'{text}' is not a level; write debug, info, warning or error")
    return level


def network(text: str) -> str:
    """A network in CIDR notation."""
    import ipaddress

    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        raise ValueError(f"'{text}' is not a network; write 10.0.0.0/8") from None


_DEVICE = re.compile(r"auto|(cpu|cuda|mps|coreml|xpu|npu)(:\d{1,3})?")


def device(text: str) -> str:
    """A device, or several GPUs with commas."""
    names = text.strip().lower().replace(" ", "").split(",")
    different = {name.removesuffix(":0") for name in names}
    if not all(map(_DEVICE.fullmatch, names)) or len(different) < len(names) or (len(names) > 1 and "auto" in names):
        raise ValueError(f"'{text}' is not a device; write auto, cpu, cuda, cuda:1, cuda:0,cuda:1, mps or coreml")
    return ",".join(names)
