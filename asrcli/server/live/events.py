"""Results of a live stream, in the order in which they come."""

from collections import Counter
from dataclasses import dataclass

from asrcli.errors import AsrcliError
from asrcli.server.live.endpoint import Reason
from asrcli.transcript import Gap, Segment, Word


@dataclass(frozen=True, slots=True)
class SentenceBegan:
    """The first words of a sentence were recognised. Seconds of the stream."""

    index: int
    start: float


@dataclass(frozen=True, slots=True)
class Partial:
    """Text of a growing sentence."""

    index: int
    text: str
    #: the first part of `text`, which later results do not change
    stable: str
    #: end of the audio that it covers, seconds of the stream
    end: float


@dataclass(frozen=True, slots=True)
class SentenceEnded:
    """A final sentence. Seconds of the stream."""

    index: int
    start: float
    end: float
    text: str
    #: what append-only clients add to the last `Partial.stable`: recognised text, before the text steps
    rest: str
    reason: Reason | None
    #: the sentence split at its punctuation
    segments: tuple[Segment, ...] = ()
    #: spans with speech that could not be recognised
    gaps: tuple[Gap, ...] = ()
    #: the last failure of the engine in it
    error: AsrcliError | None = None

    @property
    def language(self) -> str | None:
        return next((segment.language for segment in self.segments), None)

    @property
    def speaker(self) -> str | None:
        """Who speaks most of the words; None: there are no labels."""
        named = Counter(word.speaker for word in self.words if word.speaker is not None)
        return max(named, key=named.__getitem__, default=None)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)


Event = SentenceBegan | Partial | SentenceEnded
