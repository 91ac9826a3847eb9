"""Whisper's answers: tokens with times from its alignment, and whether a text may be trusted."""

import math
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from asrcli.backends.types import Token

#: positions of the alignment a second
_POSITIONS = 50
#: Whisper's own limits (Radford et al. 2022, section 4.5): less probable text where no speech is probable is none, and
#: text that compresses better than this is a loop
_NO_SPEECH, _LOGPROB, _COMPRESSION = 0.6, -1.0, 2.4
#: the usual inventions for a sound without speech ("you", "Thank you.") are more probable. Set by two noises, hum and
#: hiss; the clips of read speech gave no such probability of silence
_SURELY_NO_SPEECH, _SURELY_LOGPROB = 0.85, -0.3


def log_probability(score: float, tokens: int) -> float:
    """Mean logarithm of the probability of a token, with the end, from a score that leaves the end out of the mean."""
    return score * tokens / (tokens + 1)


def plausible(no_speech: float, logprob: float) -> bool:
    """Whether words were probably spoken."""
    silent = no_speech > _NO_SPEECH and logprob < _LOGPROB
    return not silent and not (no_speech > _SURELY_NO_SPEECH and logprob < _SURELY_LOGPROB)


def repeats(text: str) -> bool:
    """Whether a text is a loop."""
    data = text.encode()
    return len(data) > _COMPRESSION * len(zlib.compress(data))


class TokenReader:
    """Tokens of a hypothesis, with faster-whisper's tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def text_tokens(self, ids: Sequence[int]) -> list[int]:
        """Without marks."""
        return [token for token in ids if token < self._tokenizer.eot]

    def read(
        self, ids: Sequence[int], alignment: Sequence[tuple[int, int]], probabilities: Sequence[float], duration: float
    ) -> tuple[Token, ...]:
        """Tokens in time. `alignment` is a path of (token, position); a token starts where the path reaches it. Tokens
        that make a character only together are one.
        """
        starts = [alignment[0][1]] if alignment else []
        starts += [position for (before, _), (token, position) in pairwise(alignment) if token != before]
        times = [min(position / _POSITIONS, duration) for position in starts]
        if len(times) < len(ids) + 1:
            return ()
        tokens, at = [], 0
        for text, group in zip(*self._tokenizer.split_tokens_on_unicode(list(ids)), strict=True):
            after = at + len(group)
            logprob = sum(math.log(max(p, 1e-10)) for p in probabilities[at:after]) / len(group)
            tokens.append(Token(text, times[at], times[after], logprob))
            at = after
        return tuple(tokens)
