"""Times and confidences of words from those of a model's tokens.

The hypothesis' text has the words, the tokens have the times. They are aligned letter by letter, because
the text may have been changed on the way (inverse text normalisation, punctuation, capitals) and because models cut
words into pieces in their own ways: SentencePiece, `@@` of Paraformer, single bytes, characters.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from asrcli.assemble.words import UntimedWord
from asrcli.backends.types import Token
from asrcli.script import is_letter

#: a token lasts no longer than this, even if the next comes later, seconds
_LONGEST_TOKEN = 0.5
_BYTE = re.compile(r"^<0x([0-9A-Fa-f]{2})>$")
_TAG = re.compile(r"^<[^<>]*>$")


@dataclass(frozen=True, slots=True)
class TimedToken:
    """Where a word lies, in seconds from the chunk's start; None where no token speaks for it."""

    start: float | None = None
    end: float | None = None
    confidence: float | None = None


def place_words(words: Sequence[UntimedWord], tokens: Sequence[Token]) -> list[TimedToken]:
    """Times and confidence of each word from tokens, of which all have a start or none has."""
    owners = _owners(words, tokens)
    ends = _ends(tokens)
    placed = []
    for owned in owners:
        if not owned:
            placed.append(TimedToken())
            continue
        logprobs = [value for index in owned if (value := tokens[index].logprob) is not None]
        confidence = min(math.exp(sum(logprobs) / len(logprobs)), 1.0) if logprobs else None
        placed.append(TimedToken(tokens[owned[0]].start, ends[owned[-1]], confidence))
    return placed


def _owners(words: Sequence[UntimedWord], tokens: Sequence[Token]) -> list[list[int]]:
    """For each word the tokens that it is made of."""
    spoken = [(letter, index) for index, text in enumerate(_texts(tokens)) for letter in _letters(text)]
    written = [(letter, index) for index, word in enumerate(words) for letter in _letters(word.text)]
    owners: list[list[int]] = [[] for _ in words]
    for at_spoken, at_written, size in _matches([x for x, _ in spoken], [x for x, _ in written]):
        for offset in range(size):
            owned = owners[written[at_written + offset][1]]
            token = spoken[at_spoken + offset][1]
            if not owned or owned[-1] != token:
                owned.append(token)
    return owners


def _matches(spoken: list[str], written: list[str]) -> list[tuple[int, int, int]]:
    if spoken == written:
        return [(0, 0, len(spoken))]
    return [(a, b, size) for a, b, size in SequenceMatcher(None, spoken, written, autojunk=False).get_matching_blocks()]


def _letters(text: str) -> list[str]:
    return [folded for char in text if is_letter(char) for folded in char.casefold()]


def _texts(tokens: Sequence[Token]) -> list[str]:
    """What each token contributes to the text; a character made of several bytes belongs to the first of them."""
    texts = [_TAG.sub("", token.text).removesuffix("@@") for token in tokens]
    held, first = bytearray(), 0
    for index, token in enumerate(tokens):
        byte = _BYTE.match(token.text)
        if byte is None:
            held.clear()
            continue
        if not held:
            first = index
        held.append(int(byte[1], 16))
        try:
            texts[first] = held.decode()
        except UnicodeDecodeError:
            continue
        held.clear()
    return texts


def _ends(tokens: Sequence[Token]) -> list[float | None]:
    ends: list[float | None] = []
    following = (*(token.start for token in tokens[1:]), None)
    for token, bound in zip(tokens, following, strict=False):
        if token.end is not None or token.start is None:
            ends.append(token.end)
        else:
            limit = token.start + _LONGEST_TOKEN
            ends.append(limit if bound is None else min(max(bound, token.start), limit))
    return ends
