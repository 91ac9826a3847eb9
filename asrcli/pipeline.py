"""One input to one Transcript, top to bottom: decode, VAD, chunks, backend, assemble, speakers, text.

Audio flows through as it is decoded. While the engine works on the first chunks the next ones are being cut, and
nothing holds more of the recording than the chunks in flight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from math import inf
from typing import Protocol

from asrcli.assemble.assembler import PAUSE, Assembler
from asrcli.audio import open_audio
from asrcli.audio.channels import DuplicateChannelFilter
from asrcli.audio.live_input import LiveBlocks
from asrcli.audio.types import SAMPLE_RATE, AudioStream, Samples, Source
from asrcli.backends.types import Hypothesis
from asrcli.errors import AsrcliError
from asrcli.language_detection import Identify, LanguageDetector
from asrcli.listener import Listener
from asrcli.options import RecognitionOptions, TranscribeOptions
from asrcli.transcript import Segment, Timing, Transcript, Turn
from asrcli.vad import Segmenter
from asrcli.vad.types import Chunk

#: what a silent input's transcript says instead of words
NO_SPEECH = "no speech"
#: Seconds without data after which a live stream counts as paused: in silence, and while speech was heard last.
_STALL, _LONG_STALL = 0.7, 2.0


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
    #: chunks in the engine, each with the sample before which no later chunk begins
    owed: deque[tuple[Chunk, int, Future[Hypothesis]]] = field(default_factory=deque)
    segments: list[Segment] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    heard: int = 0
    #: seconds before which no later segment starts
    clear: float = 0.0

    def settle(self, *, wait: bool) -> Iterator[list[Segment]]:
        """Take the answers that are there, in order; with `wait`, all of them. Yields each chunk's segments."""
        while self.owed and (wait or self.owed[0][2].done()):
            chunk, clear, future = self.owed.popleft()
            hypothesis = future.result()
            if hypothesis.language and hypothesis.text:
                self.languages.append(hypothesis.language)
            self.heard = max(self.heard, chunk.end)
            segments = self.assembler.push(chunk, hypothesis)
            held = self.assembler.held
            self.clear = min(clear / SAMPLE_RATE, held[0] if held else inf)
            yield self.keep(segments)

    def keep(self, segments: Sequence[Segment]) -> list[Segment]:
        kept = [segment if self.channel is None else replace(segment, channel=self.channel) for segment in segments]
        self.segments += kept
        return kept


def transcribe(
    source: Source,
    resources: Resources,
    options: TranscribeOptions,
    *,
    listener: Listener | None = None,
) -> Transcript:
    """Transcribe one input.

    Args:
        source: what to read.
        resources: the loaded backend and the optional steps.
        options: what was asked for.
        listener: receives progress and each segment as it is recognised.

    Raises:
        InputError: the input holds no audio that can be decoded.
        EngineError: the engine failed at one of its chunks.
        CancelledError: `listener.cancelled` returned true.
    """
    with open_audio(source, options.audio) as stream:
        work = _Transcription(source, stream, resources, options, listener or Listener())
        work.read()
    return work.finish()


class _Transcription:
    """The state of one input on its way through."""

    def __init__(
        self,
        source: Source,
        stream: AudioStream,
        resources: Resources,
        options: TranscribeOptions,
        listener: Listener,
    ) -> None:
        self._name = source.name
        self._stream = stream
        self._resources = resources
        self._options = options
        self._listener = listener
        self._position = 0
        split = stream.lanes > 1
        self._dedupe = DuplicateChannelFilter(stream.lanes) if split else None
        self._lanes = [self._new_lane(channel if split else None) for channel in range(stream.lanes)]
        self._tracker = resources.new_tracker() if resources.new_tracker and not split else None
        self._live = LiveBlocks(stream.blocks()) if source.live and not split and self._tracker is None else None
        #: whether the stream has turned out to be recorded right now
        self._waiting = False

    def _new_lane(self, channel: int | None) -> _Channel:
        options, resources = self._options, self._resources
        finder = None
        if resources.identify is not None and options.recognition.language is None:
            finder = LanguageDetector(
                resources.identify, resources.languages, per_chunk=options.identification.per_chunk
            )
        segmenter = Segmenter(options.vad, resources.backend.window)
        return _Channel(segmenter, Assembler(language=options.recognition.language), channel, finder)

    def read(self) -> None:
        """Read the recording to its end and hand all its speech to the engine."""
        self._listener.opened(self._stream.info.duration)
        for block in self._live or self._stream.blocks():
            if self._listener.cancelled():
                raise CancelledError(f"{self._name} was dropped.")
            if block is not None:
                self._hear(block)
            if self._live is not None:
                self._keep_up(self._live, self._lanes[0])
        for lane in self._lanes:
            self._submit(lane, lane.segmenter.finish(), last=True)

    def finish(self) -> Transcript:
        """Wait for what the engine still owes."""
        self._listener.read()
        for lane in self._lanes:
            self._report(lane, lane.settle(wait=True))
            lane.heard = self._position
            lane.clear = self._position / SAMPLE_RATE
            self._report(lane, [lane.keep(lane.assembler.finish())])
        return self._transcript()

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

    def _keep_up(self, live: LiveBlocks, lane: _Channel) -> None:
        """Report what a live speaker has said as soon as they pause, or as the stream stops for a while."""
        stalled = live.idle >= (_STALL if lane.segmenter.quiet else _LONG_STALL)
        if self._waiting != (stalled or live.live):
            self._waiting = not self._waiting
            lane.segmenter.set_live(self._waiting)
        if not self._waiting:
            return
        if stalled:
            self._submit(lane, lane.segmenter.flush())
        self._report(lane, lane.settle(wait=False))
        held = lane.assembler.held
        clear = lane.segmenter.clear / SAMPLE_RATE
        if held and not lane.owed and (stalled or clear - held[1] >= PAUSE):
            lane.clear = clear
            self._report(lane, [lane.keep(lane.assembler.finish())])

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
            lane.owed.append((chunk.without_samples(), lane.segmenter.clear, future))

    def _report(self, lane: _Channel, groups: Iterable[Sequence[Segment]]) -> None:
        for segments in groups:
            timed = [self._in_file_time(lane, segment) for segment in segments]
            for segment in timed:
                self._listener.recognised(segment)
            if timed and self._live is not None:
                part = self._complete(timed, [], until=lane.clear)
                self._listener.settled(part, waiting=self._waiting)
        self._listener.heard(min(lane.heard for lane in self._lanes) / SAMPLE_RATE)

    def _in_file_time(self, lane: _Channel, segment: Segment) -> Segment:
        late = self._dedupe.starts[lane.channel] if self._dedupe and lane.channel is not None else 0
        shift = self._stream.offset + late / SAMPLE_RATE
        words = tuple(replace(word, start=word.start + shift, end=word.end + shift) for word in segment.words)
        return replace(segment, start=segment.start + shift, end=segment.end + shift, words=words)

    def _transcript(self) -> Transcript:
        segments, turns = self._speakers()
        segments.sort(key=lambda segment: (segment.start, segment.channel or 0))
        warnings = [*self._stream.warnings, *(note for lane in self._lanes for note in lane.assembler.warnings)]
        if not segments:
            warnings.append(NO_SPEECH)
        transcript = self._complete(segments, turns, until=self._position / SAMPLE_RATE)
        return replace(transcript, warnings=(*warnings, *transcript.warnings))

    def _complete(self, segments: Sequence[Segment], turns: Sequence[Turn], *, until: float) -> Transcript:
        """Segments in file time as a transcript, text steps applied; `until` is in stream time."""
        languages = [language for lane in self._lanes for language in lane.languages]
        timed: set[Timing] = {lane.assembler.timing for lane in self._lanes if lane.segments}
        transcript = Transcript(
            source=self._name,
            duration=self._stream.offset + until,
            segments=tuple(replace(segment, id=number) for number, segment in enumerate(segments)),
            language=max(languages, key=languages.count) if languages else self._options.recognition.language,
            model=self._resources.backend.model,
            backend=self._resources.backend.backend,
            timing="model" if timed == {"model"} else "estimated",
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


__all__ = ["CancelledError", "Resources", "SpeakerTracker", "SpeechBackend", "transcribe"]
