"""Whether the words of a chunk can be all that is said in it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asrcli.assemble.estimate import spoken_length
from asrcli.assemble.pauses import speech_spans
from asrcli.assemble.words import split_words
from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis
from asrcli.transcript import GapReason
from asrcli.vad.types import LEVEL_HOP, Chunk

#: levels a second
_LEVELS = SAMPLE_RATE // LEVEL_HOP
#: a level counts as speech from this probability up
_SPEECH = 0.5
#: Less speech than this is not judged, seconds: a cough may pass for speech, and one word may be drawn out.
_LEAST_SPEECH, _LEAST_SPEECH_WITH_WORDS = 1.2, 2.5
#: Words that would take less than this part of the speech at a common pace are too few. Of 232 chunks of correctly
#: recognised read speech, dialogue and meetings the lowest part was 0.73.
LEAST_COVERAGE = 0.4
#: Words that would take less than this part of it may be too few: the chunk is decoded once more, in two parts.
_LIKELY_COVERAGE = 0.65
#: In a chunk with more speech than this outside of what the engine accounts for, words are missing, seconds; with a
#: margin for its times. Of 70 chunks that Whisper recognised to their end, the most behind that end was 0.08 s.
_MOST_OUTSIDE, _MARGIN = 4.0, 1.0
_MOST_BEHIND, _END_MARGIN = 1.2, 0.3
#: with more than this part of it, words may be missing
_LIKELY_UNACCOUNTED = 0.5
#: ones that would take this many times as long, and so many seconds more, cannot have been spoken
_MOST_COVERAGE, _MOST_EXCESS = 4.0, 3.0


def shortfall(chunk: Chunk, hypothesis: Hypothesis) -> GapReason | None:
    """Why a hypothesis cannot be all that is said in a chunk; None: it may be."""
    if hypothesis.limit:
        return "limit"
    spoken = spoken_seconds(chunk)
    said = said_seconds(hypothesis.text)
    if spoken and said > _MOST_COVERAGE * spoken + _MOST_EXCESS:
        return "limit"
    if said and _unaccounted(chunk, hypothesis, spoken) > 1:
        return "few words"
    if said >= LEAST_COVERAGE * spoken or spoken < (_LEAST_SPEECH_WITH_WORDS if said else _LEAST_SPEECH):
        return None
    if said:
        return "few words"
    # An event that is not speech (music, laughter) explains why there are no words.
    return "no words" if hypothesis.event in {None, "speech"} else None


def is_doubtful(chunk: Chunk, hypothesis: Hypothesis) -> bool:
    """Whether words that may be all should be compared with those of the chunk's parts."""
    spoken = spoken_seconds(chunk)
    if hypothesis.text and _unaccounted(chunk, hypothesis, spoken) > _LIKELY_UNACCOUNTED:
        return True
    if spoken < _LEAST_SPEECH_WITH_WORDS or (not hypothesis.text and hypothesis.event):
        return False
    return said_seconds(hypothesis.text) < _LIKELY_COVERAGE * spoken


def _unaccounted(chunk: Chunk, hypothesis: Hypothesis, spoken: float) -> float:
    """Speech outside of what the engine accounts for, as a part of the most that there may be; `spoken`: all speech of
    the chunk. 0 where that is so little that it does not matter.
    """
    most = _MOST_OUTSIDE if hypothesis.end is None else _MOST_BEHIND
    if spoken <= _LIKELY_UNACCOUNTED * most:
        return 0.0
    if hypothesis.end is not None:
        return spoken_seconds(chunk, outside=[(0.0, hypothesis.end + _END_MARGIN)]) / most
    if not hypothesis.timed:
        return 0.0
    starts = [token.start or 0.0 for token in hypothesis.tokens]
    ends = [token.end or start for token, start in zip(hypothesis.tokens, starts, strict=True)]
    spans = [(start - _MARGIN, end + _MARGIN) for start, end in zip(starts, ends, strict=True)]
    return spoken_seconds(chunk, outside=spans) / most


def spoken_seconds(chunk: Chunk, *, outside: Sequence[tuple[float, float]] = ()) -> float:
    """Seconds of a chunk that are loud, speech by the VAD and in none of the spans (seconds from its start); 0 without
    VAD.
    """
    if len(chunk.speech) != len(chunk.levels):
        return 0.0
    if not chunk.spoken:
        chunk.spoken.append(_spoken_levels(chunk))
    spoken = chunk.spoken[0]
    if outside:
        spoken = spoken.copy()
        for start, end in outside:
            spoken[max(0, round(start * _LEVELS)) : round(min(end * _LEVELS, len(spoken)))] = False
    return float(np.count_nonzero(spoken)) * LEVEL_HOP / SAMPLE_RATE


def _spoken_levels(chunk: Chunk) -> npt.NDArray[np.bool_]:
    """For each level whether it is loud and speech by the VAD."""
    loud = np.zeros(len(chunk.levels), np.bool_)
    for start, end in speech_spans(chunk):
        loud[round(start * _LEVELS) : round(end * _LEVELS)] = True
    return loud & (chunk.speech >= _SPEECH)


def said_seconds(text: str) -> float:
    """About how long a text takes to say at a common pace, seconds."""
    return sum(spoken_length(word.text) for word in split_words(text))
