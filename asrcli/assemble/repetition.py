"""Removal of repetition loops: a recogniser may repeat a phrase again and again where it recognises nothing.

People repeat themselves, too, in songs, in counting and in laughter. So only what cannot have been said in the time is
cut, and three rounds of it stay.
"""

import zlib
from collections.abc import Sequence

from asrcli.assemble.estimate import syllables
from asrcli.assemble.words import UntimedWord
from asrcli.script import is_letter

#: the longest phrase looked for, words
_LONGEST_PHRASE = 24
#: a phrase of one word must come this often in a row to be a loop, of two words, of three and more
_LEAST_REPEATS = {1: 10, 2: 6}
_LEAST_REPEATS_LONGER = 4
#: rounds of a loop that stay
_KEPT = 3
#: the fastest speech, syllables a second
_FASTEST = 11.0
#: loops compress better than this (Whisper's limit, Radford et al. 2022, section 4.5)
_COMPRESSION = 2.4
#: a longer word is searched for a loop, characters
_LONG_WORD = 40


def trim_loops(words: Sequence[UntimedWord], seconds: float) -> tuple[list[UntimedWord], list[str]]:
    """Shorten loops in the words of a chunk to three rounds, if all words cannot be spoken in `seconds` of speech."""
    if sum(syllables(word.text) for word in words) <= _FASTEST * seconds:
        return list(words), []
    kept: list[UntimedWord] = []
    loops: list[str] = []
    words = [_trim_word(word, loops) for word in words]
    keys = [_key(word.text) for word in words]
    at = 0
    while at < len(words):
        period, length = _loop_at(keys, at)
        if period and _compression(" ".join(keys[at : at + length])) > _COMPRESSION:
            kept += words[at : at + _KEPT * period]
            loops.append(" ".join(word.text for word in words[at : at + period]))
            at += length
        else:
            kept.append(words[at])
            at += 1
    return kept, loops


def _loop_at(keys: Sequence[str], at: int) -> tuple[int, int]:
    """The period of the loop that begins at a word and how many words it covers; (0, 0) if none does."""
    for period in range(1, min(_LONGEST_PHRASE, (len(keys) - at) // _LEAST_REPEATS_LONGER) + 1):
        end = at + period
        while end < len(keys) and keys[end] == keys[end - period]:
            end += 1
        if (end - at) // period >= _LEAST_REPEATS.get(period, _LEAST_REPEATS_LONGER):
            return period, end - at
    return 0, 0


def _trim_word(word: UntimedWord, loops: list[str]) -> UntimedWord:
    """A loop without spaces, "hahahahaha...": three rounds of it."""
    text = word.text
    if len(text) <= _LONG_WORD or _compression(text) <= _COMPRESSION:
        return word
    for period in range(1, len(text) // 8):
        if text[period : 8 * period] == text[: 7 * period]:
            loops.append(text[:period])
            return UntimedWord(text[: _KEPT * period], word.space_before)
    return word


def _key(text: str) -> str:
    return "".join(filter(is_letter, text)).casefold() or text


def _compression(text: str) -> float:
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0
