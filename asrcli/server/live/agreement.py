"""Partial results that do not flicker: what two decodes in a row agree on is not taken back.

Local agreement (Liu, Spanakis and Niehues, Interspeech 2020; Macháček, Dabre and Bojar, 2023): of two hypotheses of a
growing sentence, the longest common prefix of words is stable; the last word of it may still be half spoken.
"""

from __future__ import annotations

from collections.abc import Sequence

from asrcli.assemble.words import Spelling, split_words


class StablePrefix:
    """What stands of a growing sentence. One a sentence."""

    def __init__(self) -> None:
        self._stable: list[Spelling] = []
        self._last: list[Spelling] = []

    def update(self, text: str) -> tuple[str, str]:
        """Take the newest hypothesis of the whole sentence.

        Returns:
            (stable, text): the part that will not be taken back, and all that is to be shown: the stable part, and
            what the newest hypothesis says beyond it.
        """
        words = split_words(text)
        agreed = _common(self._last, words)
        if agreed > len(self._stable):
            self._stable = words[:agreed]
        self._last = words
        return _join(self._stable), _join([*self._stable, *words[len(self._stable) :]])


def _common(one: Sequence[Spelling], two: Sequence[Spelling]) -> int:
    count = 0
    for left, right in zip(one, two, strict=False):
        if _bare(left) != _bare(right):
            break
        count += 1
    return count


def _bare(word: Spelling) -> str:
    """A word without what a longer context changes most: case and punctuation."""
    return "".join(filter(str.isalnum, word.text)).casefold() or word.text


def _join(words: Sequence[Spelling]) -> str:
    return "".join((" " if i and word.space_before else "") + word.text for i, word in enumerate(words))
