"""Display width of text in cells: a full-width character has two, a combining mark none.

East Asian Width (Unicode Standard Annex #11) decides; what belongs to one grapheme (marks, joiners, variation
selectors, skin tones) is counted once, with its base.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_ZWJ = "\u200d"
_EMOJI_STYLE = "\ufe0f"


@lru_cache(maxsize=16384)
def width(text: str) -> int:
    """Cells of the text on one line."""
    if text.isascii():
        return len(text)
    cells = last = 0
    joined = False
    for char in text:
        if char == _EMOJI_STYLE and last == 1:
            cells, last = cells + 1, 2  # a sign with emoji style is as wide as an emoji
        elif joined or _extends(char):
            joined = char == _ZWJ
        else:
            last = 2 if unicodedata.east_asian_width(char) in "WF" else 1
            cells += last
    return cells


@lru_cache(maxsize=16384)
def has_wide(text: str) -> bool:
    """Whether the text has full-width letters or signs, so that the full-width line length applies.

    Emoji are wide but occur in text of any script: they do not count.
    """
    return not text.isascii() and any(
        unicodedata.east_asian_width(char) in "WF" and unicodedata.category(char) != "So" for char in text
    )


def _extends(char: str) -> bool:
    """Whether the character adds nothing to the width of the grapheme before it."""
    return (
        unicodedata.category(char) in ("Mn", "Me", "Cf")
        or "\u1160" <= char <= "\u11ff"  # vowels and finals of decomposed Hangul
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
    )
