"""What a transcription in progress reports, and where it asks whether to continue."""

from asrcli.transcript import Segment, Transcript


class Listener:
    """Receives the progress of one input, in the thread that transcribes it. Subclasses override what they need."""

    def opened(self, duration: float | None) -> None:
        """The input is open; its length in seconds where it is known."""

    def read(self) -> None:
        """The recording has been read to its end; the engine still has chunks to decode."""

    def heard(self, seconds: float) -> None:
        """The recording has been recognised up to this time."""

    def recognised(self, segment: Segment) -> None:
        """A segment is recognised; its id and speaker may still change."""

    def settled(self, part: Transcript, *, waiting: bool) -> None:
        """The next segments of a live source alone, in their final form. No later segment starts before
        `part.duration`; `waiting`: the stream is recorded now, so the text should be shown at once.
        """

    def awaits_settled(self) -> bool:
        """Whether the segments of a live source are taken with `settled`: its speakers are labelled part by part then,
        not at the end, and the transcript has only those segments that did not settle.
        """
        return False

    #: whether `growing` is called, which costs further decoding
    shows_growing = False

    def growing(self, text: str) -> None:
        """The sentence of a live source that is being spoken, as far as it is recognised; "" between two."""

    def cancelled(self) -> bool:
        """Whether the result is no longer wanted; `CancelledError` is raised then."""
        return False
