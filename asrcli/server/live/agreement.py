"""Partial results that do not flicker: what two decodes in a row agree on is not taken back.

Local agreement (Liu, Spanakis and Niehues, Interspeech 2020; Macháček, Dabre and Bojar, 2023): of two hypotheses of a
growing sentence, the longest common prefix of words is stable. The last word may be half spoken: it is stable only
where both hypotheses end with it, and without a punctuation mark. The first word is stable as soon as another follows
it: clients that append wait for it.
"""

from collections.abc import Sequence

from asrcli.assemble.words import UntimedWord, split_words
from asrcli.options import TextOptions
from asrcli.text.steps.fillers import drop_sounds
from asrcli.text.steps.strip_punctuation import bare_text
from asrcli.transcript import join_words


class StablePrefix:
    """The stable words of a growing sentence. One a sentence."""

    def __init__(self) -> None:
        self._stable: list[UntimedWord] = []
        self._last: list[UntimedWord] = []
        #: words of the text that is shown
        self._shown = 0

    @property
    def stable(self) -> bool:
        """Whether there are stable words."""
        return bool(self._stable)

    def update(self, text: str, settled: str = "") -> tuple[str, str]:
        """Take the newest hypothesis of the whole sentence; its beginning `settled` will not be decoded again. Returns
        (stable, text): what will not be taken back, and all that is shown. Each `stable` begins with the one before.
        """
        words = split_words(text)
        agreed = _common(self._last, words)
        if agreed < len(words) or not _is_open(words[-1:]):
            agreed = min(max(agreed, 1), len(words) - 1)
        agreed = max(agreed, len(split_words(settled)))
        self._stable += words[len(self._stable) : agreed]
        self._last = words
        self._shown = max(len(words), len(self._stable))
        return join_words(self._stable), join_words([*self._stable, *words[len(self._stable) :]])

    def preview(self, text: str) -> tuple[str, str] | None:
        """The same for a hypothesis whose end is not written yet, without its last word, which may be half of one;
        None: it has no more words than are shown. Nothing becomes stable.
        """
        words = split_words(text)[:-1]
        if len(words) <= self._shown:
            return None
        self._shown = len(words)
        return join_words(self._stable), join_words([*self._stable, *words[len(self._stable) :]])

    def rest(self, text: str) -> str:
        """The part of the final text that follows the stable words."""
        words = split_words(text)[len(self._stable) :]
        return (" " if self._stable and words and words[0].space_before else "") + join_words(words)


def shown(text: str, wanted: TextOptions, language: str | None) -> str:
    """The text of an unfinished sentence after the text steps that work word by word, so that shown words stay."""
    if wanted.drop_fillers:
        text = drop_sounds(text, language)
    return bare_text(text) if wanted.strip_marks else text


def _is_open(last: Sequence[UntimedWord]) -> bool:
    """Whether a last word has no punctuation mark, which models give to the end of what they get."""
    return all(word.text[-1:].isalnum() for word in last)


def _common(one: Sequence[UntimedWord], two: Sequence[UntimedWord]) -> int:
    count = 0
    for left, right in zip(one, two, strict=False):
        if _bare(left) != _bare(right):
            break
        count += 1
    return count


def _bare(word: UntimedWord) -> str:
    """A word without what a longer context changes most: case and punctuation."""
    return "".join(filter(str.isalnum, word.text)).casefold() or word.text
