"""Whether the words of a chunk can be all that is said in it."""

from __future__ import annotations

import numpy as np

from asrcli.assemble.estimate import spoken_length
from asrcli.assemble.pauses import speech_spans
from asrcli.assemble.words import split_words
from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis
from asrcli.transcript import GapReason
from asrcli.vad.types import LEVEL_HOP, Chunk

#: a level counts as speech from this probability up
_SPEECH = 0.5
#: Less speech than this is not judged, seconds: a cough may pass for speech, and one word may be drawn out.
_LEAST_SPEECH, _LEAST_SPEECH_WITH_WORDS = 1.2, 2.5
#: Words that would take less than this part of the speech at a common pace are too few. Of 232 chunks of correctly
#: recognised read speech, dialogue and meetings the lowest part was 0.73.
LEAST_COVERAGE = 0.4
#: Words that would take less than this part of it may be too few: the chunk is decoded once more, in two parts.
_LIKELY_COVERAGE = 0.65
#: so does a chunk with so much speech behind what the engine accounts for, seconds, with a margin for its times
_LONGEST_TAIL, _TAIL_MARGIN = 2.0, 1.0
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
    if said >= LEAST_COVERAGE * spoken or spoken < (_LEAST_SPEECH_WITH_WORDS if said else _LEAST_SPEECH):
        return None
    if said:
        return "few words"
    # An event that is not speech (music, laughter) explains why there are no words.
    return "no words" if hypothesis.event in {None, "speech"} else None


def is_doubtful(chunk: Chunk, hypothesis: Hypothesis) -> bool:
    """Whether words that may be all should be compared with those of the chunk's parts."""
    spoken = spoken_seconds(chunk)
    if spoken < _LEAST_SPEECH_WITH_WORDS or (not hypothesis.text and hypothesis.event):
        return False
    end = hypothesis.end
    tail = 0.0 if end is None else spoken_seconds(chunk, after=end + _TAIL_MARGIN)
    return tail > _LONGEST_TAIL or said_seconds(hypothesis.text) < _LIKELY_COVERAGE * spoken


def spoken_seconds(chunk: Chunk, *, after: float = 0.0) -> float:
    """Seconds of a chunk, later than `after` from its start, that are loud and speech by the VAD; 0 where no VAD was
    used.
    """
    if len(chunk.speech) != len(chunk.levels):
        return 0.0
    loud = np.zeros(len(chunk.levels), np.bool_)
    for start, end in speech_spans(chunk):
        loud[round(start * SAMPLE_RATE / LEVEL_HOP) : round(end * SAMPLE_RATE / LEVEL_HOP)] = True
    loud[: round(after * SAMPLE_RATE / LEVEL_HOP)] = False
    return float(np.count_nonzero(loud & (chunk.speech >= _SPEECH))) * LEVEL_HOP / SAMPLE_RATE


def said_seconds(text: str) -> float:
    """About how long a text takes to say at a common pace, seconds."""
    return sum(spoken_length(word.text) for word in split_words(text))
