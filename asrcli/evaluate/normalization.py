"""Text normalisation before scoring: what is not counted as an error.

English follows Whisper's English normaliser (numbers, spelling, contractions). Other languages follow the idea of its
basic one (case, punctuation, brackets), but combining marks stay with their letters: they are vowels and tones in most
of the world's scripts, and Whisper's basic normaliser replaces them by spaces.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError

#: notes in brackets, and speaker labels
_BRACKETS = re.compile(r"[<\[][^>\]]*[>\]]|\([^)]+\)")
#: Thai and Lao AM, which NFKC takes apart, with the tone mark before or after
_AM = re.compile("([\u0e4d\u0ecd])([\u0e48-\u0e4b\u0ec8-\u0ecb]?)([\u0e32\u0eb2])")
#: marks that ordinary writing leaves out: Arabic and Hebrew vowel points, tatweel, stress over Cyrillic letters
_VOWEL_MARKS = re.compile(
    "[\u0610-\u061a\u0640\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u08d3-\u08ff"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]|(?<=[\u0400-\u04ff])[\u0300\u0301]"
)
_ALEF_WASLA, _ALEF = "\u0671", "\u0627"
_DOT_ABOVE = "\u0307"


@lru_cache(maxsize=8)
def normalizer(language: str | None, *, vowel_marks: bool = False) -> Callable[[str], str]:
    """The normaliser of a language (`language_code`; None: unknown). `vowel_marks`: compare marks that ordinary writing
    leaves out. Raises MissingExtraError: the extra `evaluate` is not installed.
    """
    if language == "en":
        return library("whisper_normalizer.english").EnglishTextNormalizer()  # type: ignore[no-any-return]
    return partial(_basic, turkic=language in {"tr", "az"}, vowel_marks=vowel_marks)


def _basic(text: str, *, turkic: bool, vowel_marks: bool) -> str:
    if turkic:
        text = text.replace("İ", "i").replace("I", "ı")
    text = unicodedata.normalize("NFKC", _BRACKETS.sub("", text.casefold())).casefold()
    text = unicodedata.normalize("NFC", text.replace(f"i{_DOT_ABOVE}", "i"))
    text = _AM.sub(lambda match: match[2] + chr(ord(match[3]) + 1), text)
    if not vowel_marks:
        text = _VOWEL_MARKS.sub("", text.replace(_ALEF_WASLA, _ALEF))
    return " ".join(_spoken(text).split())


def _spoken(text: str) -> str:
    """Letters, digits and the marks on them; a space for each other character, nothing for invisible ones."""
    out: list[str] = []
    attached = False
    for char in text:
        category = unicodedata.category(char)
        if category[0] == "M":
            out.append(char if attached else "")
        elif category != "Cf":
            attached = category[0] in "LN"
            out.append(" " if category[0] in "PSZ" or char.isspace() else char)
    return "".join(out)


def library(name: str) -> Any:
    """A module of the extra `evaluate`. Raises MissingExtraError: it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0].replace("_", "-").replace("webvtt", "webvtt-py")
        raise MissingExtraError(
            f"asrcli evaluate needs the Python package {package}.", f"Install it with: {pip_install('evaluate')}"
        ) from error
