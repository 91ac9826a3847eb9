"""How sure a model is of its words, by the probabilities of the tokens that it chose.

Given speech in a language that it does not know, or music, a model writes words of its own language, but none of them
is much more probable than others.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

#: no token counts as less probable
_LEAST = 1e-6


def mean_log_probability(tokens: Sequence[int], probabilities: Sequence[float]) -> float:
    """The mean natural logarithm of the probabilities of tokens; 0 without any.

    A token that followed the same one before does not count: in a loop, each round is surer than the one before.
    """
    seen: set[tuple[int, int]] = set()
    counted = list(probabilities[:1])
    for pair, probability in zip(pairwise(tokens), probabilities[1:], strict=True):
        if pair not in seen:
            seen.add(pair)
            counted.append(probability)
    return sum(math.log(max(each, _LEAST)) for each in counted) / max(len(counted), 1)
