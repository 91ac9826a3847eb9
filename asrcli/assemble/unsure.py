"""Speech whose words the model is not sure of: of a language that it does not know, music, noise."""

from asrcli.assemble.coverage import spoken_seconds
from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis
from asrcli.vad.types import Chunk

#: less speech in a row is not reported, seconds: the probabilities of a few words vary much
_LEAST_SPEECH = 3.0
_HINT = "Is another language spoken? See the languages of models with: asrcli models list; choose one with --model."


class UnsureSpans:
    """Takes the chunks of a stream in order; keeps the spans of neighbouring ones with unsure words."""

    def __init__(self) -> None:
        #: start and end, and how much speech is between them, seconds
        self._spans: list[tuple[float, float, float]] = []
        #: whether the last one may go on
        self._open = False

    def push(self, chunk: Chunk, hypothesis: Hypothesis) -> None:
        """Take the next chunk."""
        if not hypothesis.text:
            return
        start, end = chunk.start / SAMPLE_RATE, chunk.end / SAMPLE_RATE
        speech = spoken_seconds(chunk) or end - start
        if hypothesis.unsure and self._open:
            first, _, before = self._spans.pop()
            self._spans.append((first, end, before + speech))
        elif hypothesis.unsure:
            if self._spans and self._spans[-1][2] < _LEAST_SPEECH:
                self._spans.pop()
            self._spans.append((start, end, speech))
        self._open = hypothesis.unsure

    def warnings(self, shift: float) -> list[str]:
        """A warning for each span so far, its times moved by `shift`."""
        spans = [f"{start + shift:.1f} to {end + shift:.1f} s" for start, end, _ in self._long_enough()]
        found = [f"low-confidence: {span}: the model is not sure of its words there" for span in spans]
        return [f"{found[0]}. {_HINT}", *found[1:]] if found else []

    def _long_enough(self) -> list[tuple[float, float, float]]:
        return [span for span in self._spans if span[2] >= _LEAST_SPEECH]
