"""Who said which word: words with the wrong speaker, and the concatenated minimum-permutation word error rate (cpWER).

cpWER is the word error rate of each speaker's words, one after the other, against those of the reference's speaker,
after the one-to-one mapping of speakers that leaves the fewest errors (Watanabe et al., "CHiME-6 challenge", 2020). A
speaker without a partner is deleted or inserted as a whole. It is at least the word error rate; the difference is what
wrong speakers cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from asrcli.evaluate.words import TextErrors, Unit, score_text, unit_of
from asrcli.speakers.matching import best_pairs
from asrcli.speakers.turns import merge_touching
from asrcli.transcript import Turn, Word, join_words


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Words with the wrong speaker; the sum of several files pools them. Words outside the reference's turns are not
    counted.
    """

    words: int = 0
    wrong: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.words + other.words, self.wrong + other.wrong)

    def to_dict(self) -> dict[str, Any]:
        rate = self.wrong / self.words if self.words else None
        return {"rate": rate, "wrong": self.wrong, "words": self.words}


def right_speakers(reference: Sequence[Turn], words: Sequence[Word]) -> list[str | None]:
    """The reference's speaker of each word, by its middle, times in seconds; None: it is in no turn. In overlapped
    speech a word may be of either: if its own speaker is one of them, it is that one's, after the one-to-one mapping of
    speakers that leaves the fewest wrong.
    """
    import numpy as np

    rows, columns = sorted({turn.speaker for turn in reference}), sorted({word.speaker or "" for word in words})
    middle = np.array([(word.start + word.end) / 2 for word in words])
    said_by = np.array([columns.index(word.speaker or "") for word in words], dtype=np.intp)
    speaking = np.zeros((len(rows), len(words)), dtype=bool)
    for number, speaker in enumerate(rows):
        turns = merge_touching(turn for turn in reference if turn.speaker == speaker)
        started = np.searchsorted([turn.start for turn in turns], middle, side="right")
        speaking[number] = started > np.searchsorted([turn.end for turn in turns], middle, side="right")
    shared = np.array([np.bincount(said_by[active], minlength=len(columns)) for active in speaking], np.float64)
    partner = {column: row for row, column in best_pairs(shared)}
    found: list[str | None] = []
    for index, column in enumerate(said_by.tolist()):
        active = np.flatnonzero(speaking[:, index]).tolist()
        own = partner.get(column)
        found.append(rows[own if own in active else active[0]] if active else None)
    return found


def score_words(reference: Sequence[Turn], words: Sequence[Word]) -> WordErrors:
    """Compare the speakers of words with reference turns (`right_speakers`)."""
    import numpy as np

    pairs = [
        (right, word.speaker)
        for right, word in zip(right_speakers(reference, words), words, strict=True)
        if right is not None
    ]
    rows, columns = (sorted({pair[side] or "" for pair in pairs}) for side in (0, 1))
    shared = np.zeros((len(rows), len(columns)))
    for right, found in pairs:
        shared[rows.index(right), columns.index(found or "")] += 1
    return WordErrors(len(pairs), len(pairs) - sum(int(shared[pair]) for pair in best_pairs(shared)))


def texts_of_speakers(reference: Sequence[Turn], words: Sequence[Word]) -> tuple[dict[str, str], dict[str, str]]:
    """The same words as the text of each speaker, by reference turns and by their own labels; without those that are in
    no turn. For recordings without a reference text.
    """
    right: dict[str, list[Word]] = {}
    found: dict[str, list[Word]] = {}
    for speaker, word in zip(right_speakers(reference, words), words, strict=True):
        if speaker is not None:
            right.setdefault(speaker, []).append(word)
            found.setdefault(word.speaker or "", []).append(word)
    return _joined(right), _joined(found)


def _joined(words: Mapping[str, Sequence[Word]]) -> dict[str, str]:
    return {speaker: join_words(said) for speaker, said in words.items()}


def score_speakers(
    reference: Mapping[str, str],
    hypothesis: Mapping[str, str],
    *,
    language: str | None = None,
    unit: Unit | None = None,
    normalise: bool = True,
    vowel_marks: bool = False,
) -> TextErrors:
    """Score the text of each speaker by cpWER; options as for `score_text`."""
    import numpy as np

    unit = unit or unit_of(language, " ".join(reference.values()))
    count = max(len(reference), len(hypothesis))
    rows, columns = ([*texts.values(), *[""] * (count - len(texts))] for texts in (reference, hypothesis))
    errors = [
        [
            score_text(right, found, language=language, unit=unit, normalise=normalise, vowel_marks=vowel_marks).errors
            for found in columns
        ]
        for right in rows
    ]
    wrong = np.array([[each.wrong for each in row] for row in errors], np.float64).reshape(count, count)
    return sum((errors[row][column] for row, column in best_pairs(-wrong)), TextErrors())
