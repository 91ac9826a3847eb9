"""What a character is, as far as dividing text into words depends on it."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

#: scripts written without spaces, one word a character: Han, kana, bopomofo
_IDEOGRAPHS = (
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3031, 0x312F),
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),
    (0x1B000, 0x1B16F),
    (0x20000, 0x323AF),
)
#: scripts written without spaces, one word a cluster of consonant, vowels and tones: Thai, Lao, Myanmar, Khmer
_CLUSTERED = ((0x0E01, 0x0E4E), (0x0E81, 0x0ECD), (0x1000, 0x103F), (0x1780, 0x17D3))
#: of those, vowels written before their consonant, and signs that bind the next consonant to this one
_BINDS_NEXT = frozenset("เแโใไເແໂໃໄ\u1039\u17d2")
#: never begin a word: small kana, length and iteration marks, Thai and Lao vowels written after their consonant
_TRAILING = frozenset("ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶーｰｧｨｩｪｫｬｭｮｯ々〻ゝゞヽヾะาำๅๆฯະາຳໆຯ")
_OPENING = frozenset("([{<“‘«‹„‚「『（《〈【〔〖〘〚｛［＜｢¿¡‛‟")
#: full-width stops and pauses, dashes and dots: a word ends behind them even where no space follows
_BREAKING = frozenset("，。！？；：、．…‥—―～〜·・》〉」』】〕）］｝”｡､")
#: stay with the word before even if a space stands between
_CLOSING = frozenset(",.!?;:)]}>”»›%‰°") | _BREAKING


def _within(ranges: tuple[tuple[int, int], ...], code: int) -> bool:
    return any(low <= code <= high for low, high in ranges)


@lru_cache(maxsize=8192)
def is_ideograph(char: str) -> bool:
    """Whether the character is a word by itself."""
    return _within(_IDEOGRAPHS, ord(char))


@lru_cache(maxsize=8192)
def is_clustered(char: str) -> bool:
    """Whether the character belongs to a script that writes no spaces but builds clusters."""
    return _within(_CLUSTERED, ord(char))


@lru_cache(maxsize=8192)
def is_spaceless(char: str) -> bool:
    """Whether no space stands between this character and its like."""
    return is_ideograph(char) or is_clustered(char) or (char in _BREAKING and char not in "…—―”·")


@lru_cache(maxsize=8192)
def is_mark(char: str) -> bool:
    """Whether the character only goes on with the one before: combining marks, joiners, small kana."""
    return char in _TRAILING or unicodedata.category(char) in {"Mn", "Mc", "Me", "Cf"}


@lru_cache(maxsize=8192)
def is_letter(char: str) -> bool:
    """Whether the character is spoken: a letter, digit or ideograph, or a mark on one."""
    return unicodedata.category(char)[0] in "LNM"


def is_opening(char: str) -> bool:
    """Whether the character belongs to the word after."""
    return char in _OPENING


def is_closing(char: str) -> bool:
    """Whether the character belongs to the word before, even across a space."""
    return char in _CLOSING


def is_breaking(char: str) -> bool:
    """Whether a word ends behind this character."""
    return char in _BREAKING


def binds_next(char: str) -> bool:
    """Whether the next character belongs to the same cluster."""
    return char in _BINDS_NEXT
