"""SenseVoice's tags: `<|en|><|HAPPY|><|Speech|><|withitn|>Fine.`"""

from __future__ import annotations

import re
from dataclasses import dataclass

TAG = re.compile(r"<\|([^|<>]*)\|>")
#: SenseVoice's labels for "unknown"
_UNKNOWN = frozenset({"", "nospeech", "emo_unknown", "event_unk", "auto"})
_LANGUAGES = frozenset({"zh", "en", "yue", "ja", "ko", "nospeech"})
_EMOTIONS = frozenset({"happy", "sad", "angry", "neutral", "fearful", "disgusted", "surprised", "emo_unknown"})
_ITN = frozenset({"withitn", "woitn"})


@dataclass(frozen=True, slots=True)
class Tagged:
    """A text and the tags before it."""

    text: str
    language: str | None = None
    emotion: str | None = None
    event: str | None = None


def tag_name(tag: str) -> str | None:
    """The meaning of one tag, with or without its brackets; None where it is unknown."""
    name = tag.strip().removeprefix("<|").removesuffix("|>").lower()
    return None if name in _UNKNOWN else name


def without_tags(text: str) -> str:
    return TAG.sub("", text).strip()


def read_tagged(raw: str) -> Tagged:
    """Remove a text's tags; the first of each sort counts."""
    found: dict[str, str] = {}
    for name in TAG.findall(raw):
        lower = name.strip().lower()
        if lower in _ITN:
            continue
        sort = "language" if lower in _LANGUAGES else "emotion" if lower in _EMOTIONS else "event"
        found.setdefault(sort, lower)
    return Tagged(without_tags(raw), **{sort: tag_name(name) for sort, name in found.items()})
