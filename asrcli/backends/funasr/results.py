"""Results of FunASR's models as a `Hypothesis`.

Three forms are read: SenseVoice's tagged text with `words` and `timestamp` ([[start, end], ...] in ms), Paraformer's
words parted by spaces with a `timestamp` each, and Fun-ASR-Nano's `timestamps` ([{token, start_time, end_time}], s).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from asrcli.backends.types import Hypothesis, Token, read_tagged
from asrcli.script import is_spaceless, join

#: SentencePiece's text of an unknown token
_UNKNOWN = "\u2047"


def read_result(result: Mapping[str, Any], duration: float, *, tagged: bool = False) -> Hypothesis:
    """Convert an item of what `inference` returns; no token ends after `duration` (s); `tagged`: the text begins with
    SenseVoice's tags.
    """
    raw = str(result.get("text") or "")
    found = read_tagged(raw)
    if tagged:
        tokens = _tokens(list(result.get("words") or ()), result.get("timestamp"), duration)
        text = found.text
    elif "timestamps" in result:
        tokens = _named(result["timestamps"], duration)
        text = found.text
    else:
        words = found.text.split()
        tokens = _tokens(words, result.get("timestamp"), duration)
        text = join_words(words)
    text = join(part.strip() for part in text.split(_UNKNOWN))
    return Hypothesis(
        text,
        tokens if text else (),
        language=found.language,
        emotion=found.emotion,
        event=found.event,
    )


def join_words(words: Sequence[str]) -> str:
    """Paraformer's words as text: no space between Chinese characters, one beside words of other scripts."""
    text = ""
    for word in words:
        together = not text or (is_spaceless(word[0]) and is_spaceless(text[-1]))
        text += word if together else f" {word}"
    return text


def _tokens(words: Sequence[str], times: Any, duration: float) -> tuple[Token, ...]:
    """A token per word; none where the number of times differs, because they cannot be assigned."""
    if not isinstance(times, Sequence) or len(times) != len(words) or not words:
        return ()
    tokens = []
    for word, time in zip(words, times, strict=True):
        fits = isinstance(time, Sequence) and len(time) >= 2
        span = _span(time[0], time[1], duration, unit=0.001) if fits else None
        if span is None:
            return ()
        tokens.append(Token(word, *span))
    return tuple(tokens)


def _named(items: Any, duration: float) -> tuple[Token, ...]:
    tokens = []
    for item in items if isinstance(items, Sequence) else ():
        span = _span(item.get("start_time"), item.get("end_time"), duration)
        if span is None:
            return ()
        tokens.append(Token(str(item.get("token", "")), *span))
    return tuple(tokens)


def _span(start: Any, end: Any, duration: float, *, unit: float = 1.0) -> tuple[float, float] | None:
    try:
        begin, stop = float(start) * unit, float(end) * unit
    except (TypeError, ValueError):
        return None
    if not (math.isfinite(begin) and math.isfinite(stop)):
        return None
    begin = min(max(begin, 0.0), duration)
    return begin, min(max(stop, begin), duration)
