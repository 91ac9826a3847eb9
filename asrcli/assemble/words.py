"""Text to words: split at spaces, and between the characters of scripts that write none.

Punctuation goes with the word before, opening quotes and brackets with the word after. Nothing is changed: the words
joined are the text, except for spaces between characters that want none.
"""

from dataclasses import dataclass
from functools import lru_cache

from asrcli.assemble.sentences import Ending, ending
from asrcli.script import (
    binds_next,
    is_breaking,
    is_closing,
    is_clustered,
    is_ideograph,
    is_letter,
    is_mark,
    is_opening,
    is_spaceless,
    joint,
)

#: between sentences, what another voice begins with: "Ready? - Yes."
_DASHES = frozenset({"-", "–", "—"})


@dataclass(frozen=True, slots=True)
class UntimedWord:
    """A word as it is written, not yet placed in time."""

    text: str
    space_before: bool = True


def split_words(text: str) -> list[UntimedWord]:
    """The words of a text; none if it holds no letter or digit at all."""
    return list(_split(text))


@lru_cache(maxsize=64)  # a chunk's text is divided to judge whether it is complete, and again to be placed in time
def _split(text: str) -> tuple[UntimedWord, ...]:
    if not any(map(is_letter, text)):
        return ()
    splitter = _Splitter()
    for run in text.split():
        splitter.run(run)
    return tuple(splitter.finish())


class _Splitter:
    """Builds words character by character."""

    def __init__(self) -> None:
        self._words: list[UntimedWord] = []
        #: opening punctuation that waits for its word
        self._prefix = ""
        self._prefix_spaced = False
        #: the word at hand, "" between words
        self._word = ""
        self._spaced = False
        #: straight double quotes seen: an odd one closes
        self._quotes = 0

    def run(self, run: str) -> None:
        """Take a stretch of text without spaces."""
        if run in _DASHES and self._words and ending(self._words[-1].text, "") is Ending.SENTENCE:
            self._open(run, spaced=True)
            return
        if run.isascii() and run.isalnum():  # as most words are: what the loop below does, in one step
            self._letter(run[0], spaced=True)
            self._word += run[1:]
            self._end_word()
            return
        spaced = True
        lead = True
        for index, char in enumerate(run):
            if is_letter(char) or is_mark(char):
                lead = False
                self._letter(char, spaced=spaced)
            elif self._opens(char, run[index + 1 :], lead=lead):
                self._open(char, spaced=spaced)
            else:
                self._close(char, spaced=spaced and lead)
                lead = lead and not self._word
            spaced = False
            self._quotes += char == '"'
        self._end_word()

    def finish(self) -> list[UntimedWord]:
        """All words; what was opened and never followed by a word goes with the last."""
        if self._prefix:
            self._append(self._prefix, spaced=self._prefix_spaced)
        return self._words

    def _letter(self, char: str, *, spaced: bool) -> None:
        if self._word and not self._goes_on(char):
            self._end_word()
        if not self._word:
            self._spaced = spaced
            if self._prefix:
                self._word = self._prefix + (" " if spaced else "")
                self._spaced = self._prefix_spaced
                self._prefix = ""
        self._word += char

    def _goes_on(self, char: str) -> bool:
        """Whether a letter belongs to the word at hand."""
        last = self._word[-1]
        if is_mark(char):
            return True
        if is_clustered(char) or is_clustered(last):
            return binds_next(last)
        return not (is_ideograph(char) or is_breaking(last) or self._ends_ideograph())

    def _ends_ideograph(self) -> bool:
        """Whether the word at hand is an ideograph, with or without punctuation behind it."""
        letters = [char for char in self._word if is_letter(char) and not is_mark(char)]
        return bool(letters) and is_ideograph(letters[-1])

    def _opens(self, char: str, rest: str, *, lead: bool) -> bool:
        if char == '"':
            return (lead or self._ends_ideograph()) and self._quotes % 2 == 0
        if is_opening(char):
            # An ASCII bracket amid a word is part of it: f(x).
            return lead or not char.isascii() or self._ends_ideograph() or not self._word or is_breaking(self._word[-1])
        # -5, #1, 'tis at the start of a stretch; $5 behind an ideograph.
        if not (lead and any(map(is_letter, rest))) and not (
            self._ends_ideograph() and is_letter(rest[:1] or " ") and not is_ideograph(rest[0])
        ):
            return False
        return not is_closing(char) or (char == "." and rest[0].isdigit())

    def _open(self, char: str, *, spaced: bool) -> None:
        self._end_word()
        if self._prefix:
            self._prefix += (joint(self._prefix, char) if spaced else "") + char
        else:
            self._prefix, self._prefix_spaced = char, spaced

    def _close(self, char: str, *, spaced: bool) -> None:
        if self._word:
            self._word += char
        elif self._prefix or not self._words:
            self._open(char, spaced=spaced)
        else:
            self._append(char, spaced=spaced)

    def _append(self, text: str, *, spaced: bool) -> None:
        last = self._words[-1]
        space = joint(last.text, text) if spaced else ""
        self._words[-1] = UntimedWord(last.text + space + text, last.space_before)

    def _end_word(self) -> None:
        if not self._word:
            return
        before = self._words[-1].text[-1] if self._words else ""
        spaced = self._spaced and not (before and is_spaceless(before) and is_spaceless(self._word[0]))
        self._words.append(UntimedWord(self._word, space_before=spaced))
        self._word = ""
