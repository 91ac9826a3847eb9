"""What is to be looked at in the words of a stream: loops, unsure words, and words that the model did not place."""

from collections.abc import Sequence

from asrcli.assemble.coverage import spoken_seconds
from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis
from asrcli.vad.types import Chunk

#: less speech in a row is not reported as unsure, seconds: the probabilities of a few words vary much
_LEAST_UNSURE = 3.0
_HINT = (
    "Noise, several voices at once, or another language? See the languages of models with: asrcli models list; "
    "choose one with --model."
)


class ChunkWarnings:
    """Takes the chunks of a stream with words, in order."""

    def __init__(self) -> None:
        #: when the model repeated itself, and what
        self._loops: list[tuple[float, str]] = []
        self._unsure = _Spans(_LEAST_UNSURE)
        self._untimed = _Spans()
        #: whether the engine placed some words in time, or failed at it
        self._places = False

    def push(self, chunk: Chunk, hypothesis: Hypothesis, loops: Sequence[str]) -> None:
        """Take the next chunk, and the phrases of which loops were cut."""
        self._loops += [(chunk.start / SAMPLE_RATE, phrase) for phrase in loops]
        self._unsure.push(chunk, holds=hypothesis.unsure)
        # The times of words that are probably wrong do not matter.
        self._untimed.push(chunk, holds=not hypothesis.timed and not hypothesis.unsure)
        self._places = self._places or hypothesis.timed or hypothesis.unplaced

    def messages(self, shift: float) -> list[str]:
        """The warnings so far, their times moved by `shift` seconds."""
        found = [
            f'loop: at {at + shift:.1f} s the model repeated itself; three times kept: "{phrase}"'
            for at, phrase in self._loops
        ]
        hint = f". {_HINT}"
        for span in self._unsure.texts(shift):
            found.append(f"low-confidence: {span}: the model is not sure of its words there{hint}")
            hint = ""
        if self._places:
            found += [
                f"timestamps: {span}: the model did not place the words; their times are estimated"
                for span in self._untimed.texts(shift)
            ]
        return found


class _Spans:
    """Spans of neighbouring chunks of which something holds."""

    def __init__(self, least: float = 0.0) -> None:
        """Those with less than `least` seconds of speech are left out."""
        self._least = least
        #: start and end, and how much speech is between them, seconds
        self._spans: list[tuple[float, float, float]] = []
        #: whether the last one may go on
        self._open = False

    def push(self, chunk: Chunk, *, holds: bool) -> None:
        start, end = chunk.start / SAMPLE_RATE, chunk.end / SAMPLE_RATE
        speech = spoken_seconds(chunk) or end - start
        if holds and self._open:
            first, _, before = self._spans.pop()
            self._spans.append((first, end, before + speech))
        elif holds:
            if self._spans and self._spans[-1][2] < self._least:
                self._spans.pop()
            self._spans.append((start, end, speech))
        self._open = holds

    def texts(self, shift: float) -> list[str]:
        """Each span in words, moved by `shift` seconds."""
        return [
            f"{start + shift:.1f} to {end + shift:.1f} s" for start, end, speech in self._spans if speech >= self._least
        ]
