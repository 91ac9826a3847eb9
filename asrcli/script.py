"""Writing systems: one table of marks, and the rules for dividing and joining text that depend on the script.

Everything that asks whether a sentence ends, where words are divided, or whether a space is written between two texts
reads this module.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

#: end a sentence: Latin, Greek (U+037E), CJK, Arabic and Urdu, Devanagari, Armenian, Ethiopic, Khmer, Myanmar
SENTENCE_ENDS = frozenset(".!?…‼‽⁇⁈⁉\u037e。．！？｡︒﹒﹖﹗؟۔।॥։።፧፨។៕။")
#: end a clause
CLAUSE_ENDS = frozenset(",;:—–，、；：､︐︑︓︔﹐﹑﹔﹕،؛፣፤፥፦၊")
#: closing quotes and brackets, including the straight ones, which also open
CLOSERS = frozenset("\"'”’»›)]}」』）］】》〉〕｝｣〗〙〛〞")
#: opening brackets, quotes and inverted marks. The straight quotes, which also close, are only in `CLOSERS`
OPENERS = frozenset("([{<“‘«‹„‚「『（《〈【〔〖〘〚｛［＜｢¿¡‛‟〝")

#: one word a character, no spaces: Han, kana, bopomofo
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
#: full-width marks and letters
_FULL_WIDTH = ((0x3000, 0x3030), (0xFE30, 0xFE4F), (0xFF01, 0xFF65), (0xFF9E, 0xFF9F))
#: no spaces, one word a cluster of consonant, vowels and tones: Thai, Lao, Myanmar, Khmer
_CLUSTERED = ((0x0E01, 0x0E4E), (0x0E81, 0x0ECD), (0x1000, 0x103F), (0x1780, 0x17D3))
#: of those, vowels written before their consonant, and signs that bind the next consonant to this one
_BINDS_NEXT = frozenset("เแโใไເແໂໃໄ\u1039\u17d2")
#: never begin a word: small kana, length and iteration marks, Thai and Lao vowels written after their consonant
_TRAILING = frozenset("ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶーｰｧｨｩｪｫｬｭｮｯ々〻ゝゞヽヾะาำๅๆฯະາຳໆຯ")
#: a word ends after these even without a space: full-width marks, dashes, dots
_BREAKING = frozenset("，。！？；：、．…‥—―～〜·・》〉」』】〕）］｝”｡､")
#: belong to the word before, even across a space
_CLOSING = frozenset(")]}>”»›%‰°") | _BREAKING | SENTENCE_ENDS | CLAUSE_ENDS - {"–"}
#: marks of several scripts: whether a space is written beside them depends on the letters around
_NEUTRAL = CLOSERS | OPENERS | frozenset("…‥—–―·")


def _within(ranges: tuple[tuple[int, int], ...], code: int) -> bool:
    return any(low <= code <= high for low, high in ranges)


@lru_cache(maxsize=8192)
def is_ideograph(char: str) -> bool:
    """Whether the character is a word by itself."""
    return _within(_IDEOGRAPHS, ord(char))


@lru_cache(maxsize=8192)
def is_cjk(char: str) -> bool:
    """Whether the character is an ideograph or kana, or a full-width mark or letter.

    Hangul is wide but written with spaces between words: it is not included.
    """
    return is_ideograph(char) or _within(_FULL_WIDTH, ord(char))


@lru_cache(maxsize=8192)
def is_clustered(char: str) -> bool:
    """Whether the character belongs to a script that writes no spaces but builds clusters."""
    return _within(_CLUSTERED, ord(char))


@lru_cache(maxsize=8192)
def is_spaceless(char: str) -> bool:
    """Whether the character belongs to a script that writes no spaces between words."""
    return is_cjk(char) or is_clustered(char)


@lru_cache(maxsize=8192)
def is_mark(char: str) -> bool:
    """Whether the character continues the one before: combining marks, joiners, small kana."""
    return char in _TRAILING or unicodedata.category(char) in {"Mn", "Mc", "Me", "Cf"}


@lru_cache(maxsize=8192)
def is_letter(char: str) -> bool:
    """Whether the character is spoken: a letter, digit or ideograph, or a mark on one."""
    return unicodedata.category(char)[0] in "LNM"


def is_opening(char: str) -> bool:
    """Whether the character belongs to the word after it."""
    return char in OPENERS


def is_closing(char: str) -> bool:
    """Whether the character belongs to the word before it, even across a space."""
    return char in _CLOSING


def is_breaking(char: str) -> bool:
    """Whether a word ends after this character."""
    return char in _BREAKING


def binds_next(char: str) -> bool:
    """Whether the next character belongs to the same cluster."""
    return char in _BINDS_NEXT


def joint(before: str, after: str) -> str:
    """The separator between two texts that follow each other: " " or "".

    No space beside Han or kana, nor between two texts in scripts without spaces (Thai and Khmer), nor where one of the
    texts is empty or already has the space. Quotes, brackets, dashes and dots are skipped: the letters decide.
    """
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return ""
    last, first = _nearest(before, -1), _nearest(after, 1)
    if is_cjk(last) or is_cjk(first) or (is_spaceless(last) and is_spaceless(first)):
        return ""
    return " "


def join(texts: Iterable[str], space: str = " ") -> str:
    """Texts that follow each other (sentences, lines) as one running text, `space` where one is written."""
    parts: list[str] = []
    for text in texts:
        if text:
            parts += space if joint(parts[-1] if parts else "", text) else "", text
    return "".join(parts)


def _nearest(text: str, step: int) -> str:
    """The first character from an end that is not neutral; the outermost one if all are."""
    chars = text[::step]
    for char in chars:
        if char not in _NEUTRAL or is_cjk(char):
            return char
    return chars[0]


def is_right_to_left(text: str) -> bool:
    """Whether the first character with a direction is of a script that is written from right to left."""
    directions = (unicodedata.bidirectional(char) for char in text)
    return next((each for each in directions if each in {"L", "R", "AL"}), "L") != "L"
