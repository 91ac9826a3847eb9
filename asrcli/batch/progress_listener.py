"""An input in progress: its place among those that read, and the pipeline's reports as events."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Semaphore
from typing import Self

from asrcli.batch.events import Event, FileDone, FileFailed, FileProgress, FileSkipped, SegmentReady
from asrcli.batch.recording import Item
from asrcli.batch.results.growing_result import GrowingResult
from asrcli.batch.stop_signal import DroppedError, StopSignal
from asrcli.formats.stream_writer import StreamWriter
from asrcli.listener import Listener
from asrcli.transcript import Segment, Transcript

#: seconds between two reports of a file's progress
_REPORT_EVERY = 0.1
_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one input ended."""

    item: Item
    #: None: the input was dropped
    event: FileDone | FileSkipped | FileFailed | None
    #: the result, or the rest of it, where it goes to stdout
    text: str | bytes | None = None


@dataclass(frozen=True, slots=True)
class TextPart:
    """The next part of a result for stdout."""

    item: Item
    text: str


@dataclass(frozen=True, slots=True)
class GrowingText:
    """The sentence that is being spoken."""

    text: str


Post = Callable[[Event | Outcome | TextPart | GrowingText], None]


class Reading:
    """A place among those that read: held from the start of an input until it has been read to its end."""

    def __init__(self, places: Semaphore, stop: StopSignal) -> None:
        self._places = places
        self._stop = stop
        self._held = False

    def __enter__(self) -> Self:
        while not self._places.acquire(timeout=_POLL):
            if self._stop.requested():
                raise DroppedError
        self._held = True
        return self

    def end(self) -> None:
        """Give the place back; more than once does no harm."""
        if self._held:
            self._held = False
            self._places.release()

    def __exit__(self, *_: object) -> None:
        self.end()


@dataclass(slots=True)
class ProgressListener(Listener):
    """Turns the pipeline's reports into events."""

    item: Item
    post: Post
    stop: StopSignal
    reading: Reading
    writer: StreamWriter | None
    saved: GrowingResult | None = None
    shows_growing: bool = False
    #: segments whose text has been taken by the writer; 0: the stream did not settle
    streamed: int = 0
    _growing_text: str = ""
    _total: float | None = None
    _next_report: float = 0.0

    def opened(self, duration: float | None) -> None:
        self._total = duration
        self._report(0.0)

    def read(self) -> None:
        self.reading.end()

    def heard(self, seconds: float) -> None:
        if time.monotonic() >= self._next_report:
            self._report(seconds)

    def recognised(self, segment: Segment) -> None:
        if self.saved is not None:
            self.saved.add(segment)
        self.post(SegmentReady(self.item.index, self.item.source.name, segment))

    def settled(self, part: Transcript, *, waiting: bool) -> None:
        if self.writer is not None:
            self.streamed += len(part.segments)
            if text := self.writer.push(part, awaited=waiting):
                self.post(TextPart(self.item, text))

    def awaits_settled(self) -> bool:
        return self.writer is not None

    def growing(self, text: str) -> None:
        if text != self._growing_text:
            self._growing_text = text
            self.post(GrowingText(text))

    def cancelled(self) -> bool:
        return self.stop.requested() or (self.stop.ending and not self.item.stream)

    def _report(self, seconds: float) -> None:
        self._next_report = time.monotonic() + _REPORT_EVERY
        self.post(FileProgress(self.item.index, self.item.source.name, seconds, self._total))
