"""One input to one Transcript, top to bottom: decode, VAD, chunks, backend, assemble, speakers, text.

Chunks are cut while the engine works on those before; only the chunks in flight are held in memory.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Protocol

from asrcli.assemble.assembler import Assembler
from asrcli.assemble.sentence_ends import SentenceEnds
from asrcli.assemble.speaker_labels import SpeakerLabels, SpeakerTracker, StreamTracker, of_channels
from asrcli.audio import open_audio
from asrcli.audio.channels import DuplicateChannelFilter
from asrcli.audio.live_input import LiveBlocks
from asrcli.audio.types import SAMPLE_RATE, AudioStream, Samples, Source
from asrcli.backends.types import Growing, Hypothesis
from asrcli.chunk_decoding import ChunkQueue, DecodedChunk, gaps_of
from asrcli.errors import CancelledError
from asrcli.language_detection import Identify, LanguageDetector
from asrcli.listener import Listener
from asrcli.options import RecognitionOptions, TranscribeOptions
from asrcli.script import join
from asrcli.transcript import NO_SPEECH, Gap, Segment, Timing, Transcript, Turn
from asrcli.vad import Segmenter
from asrcli.vad.detector import Submit as DetectSpeech
from asrcli.vad.detector import engine_detector
from asrcli.vad.types import Chunk

_STALL = 0.7  # seconds without data after which a live stream counts as paused
#: amplification of a chunk that the transcript records, dB
_NOTED_GAIN = 1.0


class SpeechBackend(Protocol):
    """What the pipeline needs of a backend; `backends.loaded_models.LoadedModel` implements it for local engines."""

    #: names of the model and of the engine; what the user should know of how it was loaded
    @property
    def model(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def notices(self) -> tuple[str, ...]: ...

    #: longest pause inside a chunk where the user sets none, seconds
    @property
    def max_gap(self) -> float: ...

    #: speech is amplified for it to so many dB below the usual level
    @property
    def gain_offset(self) -> float: ...

    def window_for(self, request: RecognitionOptions) -> float:
        """Longest chunk for a request, seconds."""

    def submit(
        self, samples: Samples, request: RecognitionOptions, *, order: int = 0, growing: Growing = None
    ) -> Future[Hypothesis]:
        """Hand over one chunk, (samples,) at 16 kHz; waits while the engine is busy. A lower `order` goes first.
        `growing` gets what is recognised so far, in another thread, from models that write their text word by word.
        """


@dataclass(frozen=True, slots=True)
class Resources:
    """What inputs share: the loaded backend, and the optional steps."""

    backend: SpeechBackend
    #: a fresh tracker for each input, or None without diarization
    new_tracker: Callable[[], SpeakerTracker] | None = None
    #: text steps in order (punctuation, ITN, hotword correction, ...)
    steps: tuple[Callable[[Transcript], Transcript], ...] = ()
    #: detects the spoken language, for backends that need it; None: they detect it, or the user sets it
    identify: Identify | None = None
    #: what the backend can do, where languages are detected; empty: anything
    languages: tuple[str, ...] = ()
    #: a fresh tracker for each stream whose segments are settled while it is recorded, or None without diarization
    new_stream_tracker: Callable[[], StreamTracker] | None = None
    #: detects speech in the engine process; None: what the options name does
    detect: DetectSpeech | None = None


@dataclass(slots=True)
class _Channel:
    """One channel of an input: its chunks, what the engine has not answered yet, and its segments."""

    segmenter: Segmenter
    assembler: Assembler
    channel: int | None
    chunks: ChunkQueue
    detector: LanguageDetector | None = None
    segments: list[Segment] = field(default_factory=list)
    #: how many chunks were in which language
    languages: Counter[str] = field(default_factory=Counter)
    missing: list[DecodedChunk] = field(default_factory=list)
    #: chunks that the engine gave a hypothesis for
    decoded: int = 0
    #: stream position up to which everything is recognised
    position: int = 0
    #: the most by which a chunk was amplified, dB
    gain: float = 0.0
    #: seconds before which no later segment starts
    clear: float = 0.0

    def take(self, *, wait: bool) -> Iterator[list[Segment]]:
        """The segments of each chunk that is decoded, in order; with `wait`, of all chunks."""
        for decoded in self.chunks.take(wait=wait):
            if decoded.hypothesis.language and decoded.hypothesis.text:
                self.languages[decoded.hypothesis.language] += 1
            if decoded.missing:
                self.missing.append(decoded.bare())
            self.decoded += decoded.error is None
            self.gain = max(self.gain, decoded.chunk.gain)
            self.position = max(self.position, decoded.chunk.end)
            segments = self.assembler.push(decoded.chunk, decoded.hypothesis)
            held = self.assembler.held
            self.clear = min(decoded.clear / SAMPLE_RATE, held[0] if held else inf)
            yield self.keep(segments)

    def keep(self, segments: Sequence[Segment]) -> list[Segment]:
        """Record segments under the channel's number."""
        kept = [segment if self.channel is None else replace(segment, channel=self.channel) for segment in segments]
        self.segments += kept
        return kept


def transcribe(
    source: Source,
    resources: Resources,
    options: TranscribeOptions,
    *,
    listener: Listener | None = None,
    order: int = 0,
) -> Transcript:
    """Transcribe one input. `listener` receives progress and each segment as it is recognised; of the inputs in
    progress, those of lower `order` are decoded first. Raises InputError: there is no audio that can be decoded;
    EngineError: the engine failed at every chunk, lacks memory or was closed; CancelledError: `listener` cancelled it.
    """
    with open_audio(source, options.audio) as stream:
        work = _Transcription(source, stream, resources, options, listener or Listener(), order=order)
        work.read()
    return work.finish()


class _Transcription:
    """The state of one input while it is transcribed."""

    def __init__(
        self,
        source: Source,
        stream: AudioStream,
        resources: Resources,
        options: TranscribeOptions,
        listener: Listener,
        *,
        order: int,
    ) -> None:
        self._name = source.name
        self._stream = stream
        self._resources = resources
        self._options = options
        self._listener = listener
        self._submit_chunk = partial(resources.backend.submit, order=order)
        self._position = 0
        self._source_is_live = source.live
        split = stream.channels > 1
        self._dedupe = DuplicateChannelFilter(stream.channels) if split else None
        self._channels = [self._new_channel(channel if split else None) for channel in range(stream.channels)]
        live = source.live and not split and (resources.new_tracker is None or self._listener.awaits_settled())
        new_tracker = resources.new_stream_tracker if live else resources.new_tracker
        self._speakers = SpeakerLabels(new_tracker() if new_tracker and not split else None, stream.offset)
        self._live = LiveBlocks(stream.blocks()) if live else None
        self._sentences = SentenceEnds(self._channels[0].segmenter, self._channels[0].chunks, self._submit_chunk)
        self._waiting = False  # whether the stream has turned out to be recorded right now
        #: whether the listener has taken segments for good, and what the text steps had to report of them
        self._taken = False
        self._taken_warnings: list[str] = []

    def _new_channel(self, channel: int | None) -> _Channel:
        options, resources = self._options, self._resources
        detector = None
        if resources.identify is not None and options.recognition.language is None:
            detector = LanguageDetector(
                resources.identify, resources.languages, per_chunk=options.identification.per_chunk
            )
        backend = resources.backend
        return _Channel(
            Segmenter(
                options.vad,
                backend.window_for(options.recognition),
                max_gap=backend.max_gap,
                gain_offset=backend.gain_offset,
                detector=engine_detector(resources.detect) if resources.detect else None,
                in_batches=not self._source_is_live,
            ),
            Assembler(language=options.recognition.language),
            channel,
            ChunkQueue(self._submit_chunk, recorded=not self._source_is_live),
            detector,
        )

    def read(self) -> None:
        """Read the recording to its end and hand all its speech to the engine."""
        self._listener.opened(self._stream.info.duration)
        for block in self._live or self._stream.blocks():
            if self._listener.cancelled():
                raise CancelledError(f"{self._name} was cancelled.")
            if block is not None:
                self._hear(block)
            if self._live is not None:
                self._keep_up(self._live, self._channels[0])
        for channel in self._channels:
            self._submit(channel, channel.segmenter.finish(), last=True)

    def finish(self) -> Transcript:
        """Wait for the chunks that the engine has not answered yet."""
        self._listener.read()
        for channel in self._channels:
            self._report(channel, channel.take(wait=True))
            channel.position, channel.clear = self._position, self._position / SAMPLE_RATE
            self._report(channel, [channel.keep(channel.assembler.finish())])
        return self._transcript()

    def _hear(self, block: Samples) -> None:
        self._position += len(block)
        channels = self._dedupe.push(block) if self._dedupe else [block[:, 0]]
        for channel, samples in zip(self._channels, channels, strict=True):
            self._submit(channel, channel.segmenter.push(samples))
        self._speakers.push(channels[0])
        for channel in self._channels:
            self._report(channel, channel.take(wait=False))
            if not channel.chunks:
                channel.position = self._position

    def _keep_up(self, live: LiveBlocks, channel: _Channel) -> None:
        """Report what a live speaker has said as soon as they pause, or as the stream stops for a while."""
        stalled = live.idle >= _STALL
        if self._waiting != (stalled or live.live):
            self._waiting = not self._waiting
            channel.segmenter.set_live(self._waiting)
        if not self._waiting:
            return
        shown = self._listener.shows_growing
        self._sentences.look(self._options.recognition, cuts=channel.detector is None, shown=shown)
        if stalled:
            self._submit(channel, channel.segmenter.flush())
        self._report(channel, channel.take(wait=False))
        ended = channel.assembler.ends(channel.segmenter.silent / SAMPLE_RATE)
        if not channel.chunks and (ended or (stalled and channel.assembler.held)):
            channel.clear = channel.segmenter.clear / SAMPLE_RATE
            self._report(channel, [channel.keep(channel.assembler.finish())])
        if shown:
            self._listener.growing(join([channel.assembler.held_text, self._sentences.text]))

    def _submit(self, channel: _Channel, chunks: Sequence[Chunk], *, last: bool = False) -> None:
        request, clear = self._options.recognition, channel.segmenter.clear
        if channel.detector is None:
            for chunk in chunks:
                channel.chunks.push(chunk, request, clear)
            return
        detected = channel.detector.push(chunks)
        detected += channel.detector.finish() if last else []
        for chunk, language in detected:
            channel.chunks.push(chunk, replace(request, language=language), clear)

    def _report(self, channel: _Channel, groups: Iterable[Sequence[Segment]]) -> None:
        for segments in groups:
            timed = [self._in_file_time(segment) for segment in segments]
            for segment in timed:
                self._listener.recognised(segment)
            settled = self._speakers.settle(timed, recorded_now=self._waiting) if self._live is not None else []
            if settled:
                self._give(self._complete(settled, [], until=channel.clear), channel)
        self._listener.heard(min(each.position for each in self._channels) / SAMPLE_RATE)

    def _give(self, part: Transcript, channel: _Channel) -> None:
        """Hand a part of a live source to the listener. One that awaits it gets it for good: streams go on for days."""
        self._listener.settled(part, waiting=self._waiting)
        if self._listener.awaits_settled():
            self._taken = True
            self._taken_warnings += part.warnings
            channel.segments.clear()
            self._speakers.forget()

    def _shift(self, channel: int | None) -> float:
        """From the time of a channel's samples to the time of the recording, seconds."""
        late = self._dedupe.starts[channel] if self._dedupe and channel is not None else 0
        return self._stream.offset + late / SAMPLE_RATE

    def _in_file_time(self, segment: Segment) -> Segment:
        shift = self._shift(segment.channel)
        if not shift:
            return segment
        words = tuple(replace(word, start=word.start + shift, end=word.end + shift) for word in segment.words)
        return replace(segment, start=segment.start + shift, end=segment.end + shift, words=words)

    def _transcript(self) -> Transcript:
        segments, turns = self._labelled()
        segments.sort(key=lambda segment: (segment.start, segment.channel or 0))
        gaps = self._gaps()
        assembled = [note for each in self._channels for note in each.assembler.warnings(self._shift(each.channel))]
        warnings = [*self._resources.backend.notices, *self._stream.warnings, *assembled]
        warnings += [*self._speakers.warnings, *(gap.warning for gap in gaps), *self._taken_warnings]
        if not segments and not gaps and not self._taken:
            warnings.append(NO_SPEECH)
        transcript = self._complete(segments, turns, until=self._position / SAMPLE_RATE)
        gain, notes = max(each.gain for each in self._channels), transcript.notes
        if gain >= _NOTED_GAIN:
            notes = {"levels": {"max_gain_db": round(gain, 1)}, **notes}
        return replace(transcript, warnings=(*warnings, *transcript.warnings), gaps=tuple(gaps), notes=notes)

    def _gaps(self) -> list[Gap]:
        """All channels' gaps in file time."""
        errors = [decoded.error for channel in self._channels for decoded in channel.missing if decoded.error]
        if errors and not any(channel.decoded for channel in self._channels):
            raise errors[0]
        gaps = [gap for channel in self._channels for gap in gaps_of(channel.missing, channel.channel)]
        timed = [(gap, self._shift(gap.channel)) for gap in gaps]
        moved = [replace(gap, start=gap.start + shift, end=gap.end + shift) for gap, shift in timed]
        return sorted(moved, key=lambda gap: (gap.start, gap.channel or 0))

    def _complete(self, segments: Sequence[Segment], turns: Sequence[Turn], *, until: float) -> Transcript:
        """Segments in file time as a transcript, text steps applied; `until` is in stream time."""
        languages = sum((each.languages for each in self._channels), Counter[str]())
        timed: set[Timing] = {each.assembler.timing for each in self._channels if each.segments}
        transcript = Transcript(
            source=self._name,
            duration=self._stream.offset + until,
            segments=tuple(replace(segment, id=number) for number, segment in enumerate(segments)),
            language=max(languages, key=languages.__getitem__) if languages else self._options.recognition.language,
            model=self._resources.backend.model,
            backend=self._resources.backend.backend,
            timing="model" if timed == {"model"} else "estimated",
            turns=tuple(turns),
        )
        for step in self._resources.steps:
            transcript = step(transcript)
        return transcript

    def _labelled(self) -> tuple[list[Segment], list[Turn]]:
        """All segments in file time, with speakers."""
        found = [self._in_file_time(segment) for each in self._channels for segment in each.segments]
        if self._dedupe is not None and len(self._dedupe.duplicates()) < len(self._channels) - 1:
            return of_channels(found), []
        return self._speakers.finish(found)
