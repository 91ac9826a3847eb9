"""One input to one Transcript, top to bottom: decode, VAD, chunks, backend, assemble, speakers, text.

Audio flows through as it is decoded. While the engine works on the first chunks the next ones are being cut, and
nothing holds more of the recording than the chunks in flight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Protocol

from asrcli.assemble import Assembler
from asrcli.audio import open_audio
from asrcli.audio.channels import DuplicateChannelFilter
from asrcli.audio.types import SAMPLE_RATE, AudioStream, Samples, Source
from asrcli.backends.types import Hypothesis
from asrcli.errors import AsrcliError
from asrcli.language_detection import Identify, LanguageDetector
from asrcli.options import RecognitionOptions, TranscribeOptions
from asrcli.transcript import Segment, Timing, Transcript, Turn
from asrcli.vad import Segmenter
from asrcli.vad.types import Chunk

#: what a silent input's transcript says instead of words
NO_SPEECH = "no speech"


class SpeechBackend(Protocol):
    """What the pipeline needs of a backend; `backends.recognizer.ChunkRecognizer` is the one for local engines."""

    @property
    def model(self) -> str:
        """Name of the model."""
        ...

    @property
    def backend(self) -> str:
        """Name of the engine."""
        ...

    @property
    def window(self) -> float:
        """Longest chunk, seconds."""
        ...

    def submit(self, samples: Samples, request: RecognitionOptions) -> Future[Hypothesis]:
        """Hand over one chunk, (samples,) at 16 kHz; waits while the engine has enough to do."""
        ...


class SpeakerTracker(Protocol):
    """Listens to the audio beside the recogniser and says in the end who spoke when (`speakers.diarizer`)."""

    def push(self, samples: Samples) -> None:
        """Hear the next (samples,) at 16 kHz."""
        ...

    def finish(self) -> list[Turn]:
        """The turns, in stream time, labels final."""
        ...

    def label(self, segments: Sequence[Segment], turns: Sequence[Turn]) -> list[Segment]:
        """Segments with speakers, split where the speaker changes."""
        ...


class Listener(Protocol):
    """Hears of progress while an input is transcribed. Called from the thread that transcribes."""

    def opened(self, duration: float | None) -> None:
        """The input is open; its length in seconds where it is known."""
        ...

    def read(self) -> None:
        """The recording has been read to its end; what is left to do is the engine's."""
        ...

    def heard(self, seconds: float) -> None:
        """So much of the recording has been recognised."""
        ...

    def recognised(self, segment: Segment) -> None:
        """A segment stands (its id and speaker may still change)."""
        ...


@dataclass(frozen=True, slots=True)
class Resources:
    """What inputs share: the loaded backend, and the optional steps."""

    backend: SpeechBackend
    #: a fresh tracker for each input, or None without diarization
    new_tracker: Callable[[], SpeakerTracker] | None = None
    #: text steps in order (punctuation, ITN, hotword correction, ...)
    steps: tuple[Callable[[Transcript], Transcript], ...] = ()
    #: tells the spoken language, for backends that have to be told; None: they find out, or the user says it
    identify: Identify | None = None
    #: what the backend can do, where languages are told; empty: anything
    languages: tuple[str, ...] = ()


class CancelledError(AsrcliError):
    """The input was dropped on request; nothing of it stands."""

    code = "cancelled"


@dataclass(slots=True)
class _Channel:
    """One channel on its way: what was cut, what the engine still owes, what stands."""

    segmenter: Segmenter
    assembler: Assembler
    channel: int | None
    finder: LanguageDetector | None = None
    owed: deque[tuple[Chunk, Future[Hypothesis]]] = field(default_factory=deque)
    segments: list[Segment] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    heard: int = 0

    def settle(self, *, wait: bool) -> Iterator[Segment]:
        """Take the answers that are there, in order; with `wait`, all of them."""
        while self.owed and (wait or self.owed[0][1].done()):
            chunk, future = self.owed.popleft()
            hypothesis = future.result()
            if hypothesis.language and hypothesis.text:
                self.languages.append(hypothesis.language)
            self.heard = max(self.heard, chunk.end)
            yield from self.stand(self.assembler.push(chunk, hypothesis))

    def stand(self, segments: Sequence[Segment]) -> Iterator[Segment]:
        for segment in segments:
            labelled = segment if self.channel is None else replace(segment, channel=self.channel)
            self.segments.append(labelled)
            yield labelled


class _Silent:
    """Stands in where nobody listens."""

    def opened(self, duration: float | None) -> None: ...

    def read(self) -> None: ...

    def heard(self, seconds: float) -> None: ...

    def recognised(self, segment: Segment) -> None: ...


def transcribe(
    source: Source,
    resources: Resources,
    options: TranscribeOptions,
    *,
    listener: Listener | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Transcript:
    """Transcribe one input.

    Args:
        source: what to read.
        resources: the loaded backend and the optional steps.
        options: what was asked for.
        listener: told of progress and of each segment as it stands.
        cancelled: asked now and then; once true, `CancelledError` is raised.

    Raises:
        InputError: the input holds no audio that can be decoded.
        EngineError: the engine failed at one of its chunks.
        CancelledError: `cancelled` said so.
    """
    with open_audio(source, options.audio) as stream:
        work = _Transcription(stream, resources, options, listener or _Silent(), cancelled)
        work.read(source.name)
    return work.finish(source.name)


class _Transcription:
    """The state of one input on its way through."""

    def __init__(
        self,
        stream: AudioStream,
        resources: Resources,
        options: TranscribeOptions,
        listener: Listener,
        cancelled: Callable[[], bool],
    ) -> None:
        self._stream = stream
        self._resources = resources
        self._options = options
        self._listener = listener
        self._cancelled = cancelled
        self._position = 0
        split = stream.lanes > 1
        self._dedupe = DuplicateChannelFilter(stream.lanes) if split else None
        self._lanes = [self._new_lane(channel if split else None) for channel in range(stream.lanes)]
        self._tracker = resources.new_tracker() if resources.new_tracker and not split else None

    def _new_lane(self, channel: int | None) -> _Channel:
        options, resources = self._options, self._resources
        finder = None
        if resources.identify is not None and options.recognition.language is None:
            finder = LanguageDetector(
                resources.identify, resources.languages, per_chunk=options.identification.per_chunk
            )
        segmenter = Segmenter(options.vad, resources.backend.window)
        return _Channel(segmenter, Assembler(language=options.recognition.language), channel, finder)

    def read(self, name: str) -> None:
        """Read the recording to its end and hand all its speech to the engine."""
        self._listener.opened(self._stream.info.duration)
        for block in self._stream.blocks():
            if self._cancelled():
                raise CancelledError(f"{name} was dropped.")
            self._hear(block)
        for lane in self._lanes:
            self._submit(lane, lane.segmenter.finish(), last=True)

    def finish(self, name: str) -> Transcript:
        """Wait for what the engine still owes."""
        self._listener.read()
        for lane in self._lanes:
            self._report(lane, lane.settle(wait=True))
            lane.heard = self._position
            self._report(lane, lane.stand(lane.assembler.finish()))
        return self._transcript(name)

    def _hear(self, block: Samples) -> None:
        self._position += len(block)
        lanes = self._dedupe.push(block) if self._dedupe else [block[:, 0]]
        for lane, samples in zip(self._lanes, lanes, strict=True):
            self._submit(lane, lane.segmenter.push(samples))
        if self._tracker is not None:
            self._tracker.push(lanes[0])
        for lane in self._lanes:
            self._report(lane, lane.settle(wait=False))
            if not lane.owed:
                lane.heard = self._position

    def _submit(self, lane: _Channel, chunks: Sequence[Chunk], *, last: bool = False) -> None:
        request = self._options.recognition
        if lane.finder is None:
            ready = [(chunk, request) for chunk in chunks]
        else:
            told = lane.finder.push(chunks)
            told += lane.finder.finish() if last else []
            ready = [(chunk, replace(request, language=language)) for chunk, language in told]
        for chunk, asked in ready:
            future = self._resources.backend.submit(chunk.samples, asked)
            # The samples are the engine's now; what assembling needs are the positions.
            lane.owed.append((chunk.without_samples(), future))

    def _report(self, lane: _Channel, segments: Iterator[Segment]) -> None:
        for segment in segments:
            self._listener.recognised(self._in_file_time(lane, segment))
        self._listener.heard(min(lane.heard for lane in self._lanes) / SAMPLE_RATE)

    def _in_file_time(self, lane: _Channel, segment: Segment) -> Segment:
        late = self._dedupe.starts[lane.channel] if self._dedupe and lane.channel is not None else 0
        shift = self._stream.offset + late / SAMPLE_RATE
        words = tuple(replace(word, start=word.start + shift, end=word.end + shift) for word in segment.words)
        return replace(segment, start=segment.start + shift, end=segment.end + shift, words=words)

    def _transcript(self, name: str) -> Transcript:
        segments, turns = self._speakers()
        segments.sort(key=lambda segment: (segment.start, segment.channel or 0))
        languages = [language for lane in self._lanes for language in lane.languages]
        warnings = [*self._stream.warnings, *(note for lane in self._lanes for note in lane.assembler.warnings)]
        if not segments:
            warnings.append(NO_SPEECH)
        timed: set[Timing] = {lane.assembler.timing for lane in self._lanes if lane.segments}
        transcript = Transcript(
            source=name,
            duration=self._stream.offset + self._position / SAMPLE_RATE,
            segments=tuple(replace(segment, id=number) for number, segment in enumerate(segments)),
            language=max(languages, key=languages.count) if languages else self._options.recognition.language,
            model=self._resources.backend.model,
            backend=self._resources.backend.backend,
            timing="model" if timed == {"model"} else "estimated",
            warnings=tuple(warnings),
            turns=tuple(turns),
        )
        for step in self._resources.steps:
            transcript = step(transcript)
        return transcript

    def _speakers(self) -> tuple[list[Segment], list[Turn]]:
        """All lanes' segments in file time, with speakers: a channel's own, or the tracker's turns."""
        found = [self._in_file_time(lane, segment) for lane in self._lanes for segment in lane.segments]
        if self._tracker is not None:
            offset = self._stream.offset
            if not found:
                return [], []  # noise may sound like a voice to diarization, but says nothing
            turns = [replace(turn, start=turn.start + offset, end=turn.end + offset) for turn in self._tracker.finish()]
            return self._tracker.label(found, turns), turns
        if self._dedupe is not None and len(self._dedupe.duplicates()) < len(self._lanes) - 1:
            found = [_named(segment, f"Speaker {(segment.channel or 0) + 1}") for segment in found]
        return found, []


def _named(segment: Segment, speaker: str) -> Segment:
    return replace(segment, speaker=speaker, words=tuple(replace(word, speaker=speaker) for word in segment.words))


__all__ = ["CancelledError", "Listener", "Resources", "SpeakerTracker", "SpeechBackend", "transcribe"]
