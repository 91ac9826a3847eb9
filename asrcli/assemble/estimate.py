"""Word times where the model gives none: words laid along the sound, sentence and clause ends at the pauses.

The sound of a chunk is a row of spans with pauses between them. Words are dealt out to the spans, in order, so that

* what a span is given takes about as long to say as the span lasts (estimated from syllables, at the chunk's own
  speed);
* pauses fall between words, best where punctuation is, the longer the better;
* punctuation, a full stop more than a comma, has its pause.

The best deal is found by dynamic programming over (span, word); inside a span the words share its time in proportion
to their length. Costs are squared deviations over their variance, as in a negative log-likelihood.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asrcli.assemble.sentences import Ending, ending
from asrcli.assemble.words import UntimedWord
from asrcli.script import is_clustered, is_ideograph, is_letter, is_mark

Floats = npt.NDArray[np.float64]

#: at most so many spans are taken as one, the pauses between them as stops within words
_MOST_MERGED = 4
#: words further from their proportional place than this are not considered, seconds
_BAND = 3.0
#: variance of a span's length about what its words should take: a constant part, and a part for each second
_VARIANCE, _VARIANCE_RATE = 0.02, 0.06
#: what each second of a pause costs that no word ends at
_INNER_PAUSE = 14.0
#: what each second of a pause costs (up to a limit) where a word ends, by the word's ending
_PAUSE = np.array([6.0, 1.0, 0.0])
_PAUSE_LIMIT = 0.8
#: what an ending costs that has no pause
_NO_PAUSE = np.array([0.0, 0.6, 2.5])
#: what a span without words costs (breath, a noise), and each second of it
_EMPTY, _EMPTY_RATE = 2.0, 12.0

#: about how long parts of words take to say, seconds
_PER_SYLLABLE, _PER_LETTER, _PER_WORD = 0.10, 0.035, 0.03
_PER_IDEOGRAPH, _PER_CLUSTER, _PER_DIGIT = 0.22, 0.16, 0.30
#: fewest syllables of a letter of scripts without spaces ("ครับ": one) and of a digit ("12")
_SYLLABLES_PER_CLUSTER, _SYLLABLES_PER_DIGIT = 0.4, 0.5
_VOWELS = re.compile(r"[aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýœаеёиоуыэюяαεηιουω]+")


def estimate_times(words: Sequence[UntimedWord], spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Start and end of each word in seconds; `spans` is the sound, in seconds, ordered and disjoint. Neither may be
    empty.
    """
    weights = np.array([spoken_length(word.text) for word in words])
    times: list[tuple[float, float]] = []
    for first, last, low, high in _AlignmentDP(words, weights, spans).groups():
        times += _share(weights[first:last], spans[low:high])
    return times


def spoken_length(text: str) -> float:
    """About how long a word takes to say, seconds at a common pace."""
    ideographs, digits, clusters, plain, vowels = _parts(text)
    length = _PER_WORD + _PER_IDEOGRAPH * ideographs + _PER_DIGIT * digits + _PER_CLUSTER * clusters
    return length + _PER_LETTER * plain + _PER_SYLLABLE * vowels


def syllables(text: str) -> float:
    """About how many syllables a word has at least."""
    ideographs, digits, clusters, _, vowels = _parts(text)
    return ideographs + _SYLLABLES_PER_DIGIT * digits + _SYLLABLES_PER_CLUSTER * clusters + vowels


@lru_cache(maxsize=8192)
def _parts(text: str) -> tuple[int, int, int, int, int]:
    """Numbers of ideographs, digits, letters of scripts without spaces, other letters, and vowels among the latter."""
    lowered = text.lower()
    ideographs = digits = clusters = plain = 0
    for char in filter(is_letter, lowered):
        if is_ideograph(char):
            ideographs += 1
        elif char.isdigit():
            digits += 1
        elif is_clustered(char) or 0xAC00 <= ord(char) <= 0xD7A3:
            clusters += not is_mark(char)
        else:
            plain += 1
    # A mute e at the end is no syllable; a word without vowels is spelled or has at least one.
    vowels = len(_VOWELS.findall(re.sub(r"(?<=[^aeiouy])e\b", "", lowered))) if plain else 0
    return ideographs, digits, clusters, plain, max(vowels, min(plain, 1))


class _AlignmentDP:
    """The dynamic programme. `_best[span][word]` is the least cost of laying the first words on the first spans."""

    def __init__(self, words: Sequence[UntimedWord], weights: Floats, spans: Sequence[tuple[float, float]]) -> None:
        self._words, self._spans = len(words), len(spans)
        lengths = np.array([end - start for start, end in spans])
        self._lengths = lengths
        self._pauses = np.array([right[0] - left[1] for left, right in pairwise(spans)])
        texts = [*(word.text for word in words), ""]
        endings = np.array([ending(text, following) for text, following in pairwise(texts)], dtype=np.int64)
        # Indexed by how many words have been laid; what comes before the first word ends like a sentence.
        self._ending = np.concatenate([[int(Ending.SENTENCE)], endings])
        self._sounded = np.concatenate([[0.0], np.cumsum(lengths)])
        self._said = np.concatenate([[0.0], np.cumsum(weights)]) * (lengths.sum() / weights.sum())
        #: for each number of spans, the numbers of words, [low, high), that may have been said by its end
        self._bands = [
            (low, max(high, low + 1))
            for low, high in np.searchsorted(self._said, self._sounded[:, None] + [-_BAND, _BAND]).tolist()
        ]
        #: cost of all endings so far being without a pause
        self._missed = np.concatenate([[0.0], np.cumsum(_NO_PAUSE[endings])])

    def groups(self) -> list[tuple[int, int, int, int]]:
        """The best deal: (first word, behind the last, first span, behind the last) of all groups that have words."""
        best = np.full((self._spans + 1, self._words + 1), np.inf)
        came = np.zeros((self._spans + 1, self._words + 1, 2), np.int64)
        best[0, 0] = 0.0
        for span in range(1, self._spans + 1):
            low, high = self._bands[span]
            best[span] = best[span - 1] + _EMPTY + _EMPTY_RATE * self._lengths[span - 1]
            came[span, :, 0] = span - 1
            came[span, :, 1] = np.arange(self._words + 1)
            for before in range(max(span - _MOST_MERGED, 0), span):
                first, last = self._bands[before]
                cost = self._cost(before, span, slice(first, last), slice(low, high)) + best[before, None, first:last]
                origin = cost.argmin(axis=1)
                least = cost[np.arange(high - low), origin]
                better = np.flatnonzero(least < best[span, low:high])
                best[span, low + better] = least[better]
                came[span, low + better, 0] = before
                came[span, low + better, 1] = first + origin[better]
        if not np.isfinite(best[-1, -1]):
            return [(0, self._words, 0, self._spans)]
        return self._trace(came)

    def _cost(self, before: int, span: int, origin: slice, target: slice) -> Floats:
        """What it costs to say words [from, to) in spans [before, span), (to, from); infinite for none."""
        length = self._sounded[span] - self._sounded[before]
        expected = self._said[target, None] - self._said[None, origin]
        cost: Floats = np.square(expected - length) / (2 * (_VARIANCE + _VARIANCE_RATE * np.abs(expected)))
        cost += _INNER_PAUSE * self._pauses[before : span - 1].sum()
        # All endings but the last word's go without a pause.
        counts = np.arange(target.start, target.stop)
        cost += self._missed[np.maximum(counts - 1, 0)][:, None] - self._missed[None, origin]
        if span < self._spans:
            pause = min(self._pauses[span - 1], _PAUSE_LIMIT)
            cost += (pause * _PAUSE[self._ending[target]])[:, None]
        cost[counts[:, None] <= np.arange(origin.start, origin.stop)[None, :]] = np.inf
        return cost

    def _trace(self, came: npt.NDArray[np.int64]) -> list[tuple[int, int, int, int]]:
        groups = []
        span, word = self._spans, self._words
        while span:
            before, origin = (int(value) for value in came[span, word])
            if origin < word:
                groups.append((origin, word, before, span))
            span, word = before, origin
        return groups[::-1]


def _share(weights: Floats, spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Words share the time of spans in proportion to their weights; pauses between the spans belong to no word."""
    lengths = np.array([end - start for start, end in spans])
    sounded = np.concatenate([[0.0], np.cumsum(lengths)])
    edges = np.concatenate([[0.0], np.cumsum(weights)]) * (sounded[-1] / weights.sum())
    edges[-1] = sounded[-1]
    times = []
    for low, high in pairwise(edges):
        # A word that begins where a span ends begins with the next; one that ends where a span begins ended before.
        first = min(int(np.searchsorted(sounded, low, side="right")) - 1, len(spans) - 1)
        last = max(int(np.searchsorted(sounded, high, side="left")) - 1, first)
        times.append((spans[first][0] + low - sounded[first], spans[last][0] + high - sounded[last]))
    return [(float(start), float(max(start, end))) for start, end in times]
