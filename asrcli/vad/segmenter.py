"""A stream of samples to chunks, as it comes."""

from dataclasses import replace

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.errors import UsageError
from asrcli.options import VadOptions
from asrcli.vad.detector import new_detector
from asrcli.vad.gain import AHEAD, level_speech
from asrcli.vad.packing import choose_cut
from asrcli.vad.regions import HysteresisTracker
from asrcli.vad.types import BATCH, LEVEL_HOP, WINDOW, Chunk, LookingDetector, Region, SampleBuffer

#: the shortest chunk limit that leaves room for a word and its padding, seconds
_LEAST_LIMIT = 2.0
#: how much more than a full chunk is looked at before it is closed, as a part of the limit
_LOOKAHEAD = 0.5
#: Live streams: the longest chunk, seconds; how much more is looked at, as a part of it
_LIVE_CHUNK, _LIVE_LOOKAHEAD = 12.0, 0.1
#: the pause that ends a chunk of so much speech, seconds: the longer a chunk is, the better it is decoded alone
_LIVE_PAUSES = ((7.0, 0.3), (5.0, 0.4), (2.5, 0.6), (0.0, 1.0))

#: speech behind a pause that is worth another decode, samples
_LEAST_GROWTH = round(0.2 * SAMPLE_RATE)


class Segmenter:
    """Finds speech in one stream and packs it into chunks of at most `min(options.max_chunk, window)` seconds.

    All regions together are all the speech there is, each sample once: a region goes whole into one chunk, or is
    divided at a sample. A chunk is given out when a silence longer than `max_gap` follows it, or when half as much
    again as it may hold has been received (so that it can be closed at the best pause and no short rest is left for the
    next), so memory is bounded by the limit. What comes out does not depend on how the stream is cut into blocks.

    Without VAD (`options.enabled` false) the whole stream counts as one region.
    """

    def __init__(
        self,
        options: VadOptions,
        window: float,
        *,
        max_gap: float = 3.0,
        gain_offset: float = 0.0,
        detector: LookingDetector | None = None,
        in_batches: bool = False,
    ) -> None:
        """Prepare for one stream at 16 kHz. `window` and `max_gap` in seconds: longest chunk of the model, and longest
        pause inside a chunk where the options set none; `gain_offset`: see `level_speech`; `detector` None: what
        `options` name; `in_batches`: for recordings that are not live, the detector gets whole batches of windows,
        which takes less time than single ones. Raises UsageError: options that contradict each other; ModelError: the
        VAD model cannot be read; MissingExtraError: there is no VAD on this machine.
        """
        _check(options)
        if not options.enabled:
            options = replace(options, min_speech=0.0, pad_before=0.0, pad_after=0.0)
        self._detects = options.enabled
        self._detector = detector or new_detector(options)
        self._longest = max(min(options.max_chunk or window, window), _LEAST_LIMIT)
        self._max_gap = round((max_gap if options.max_gap is None else options.max_gap) * SAMPLE_RATE)
        self.set_live(False)
        # Padding is a margin, not content: a chunk must have room for speech.
        self._before, self._after = (
            min(round(seconds * SAMPLE_RATE), self._limit // 5) for seconds in (options.pad_before, options.pad_after)
        )
        self._level, self._gain_offset = options.level, gain_offset
        self._buffer = SampleBuffer()
        self._probabilities = SampleBuffer()
        self._tracker = HysteresisTracker(options, WINDOW)
        self._heard = 0
        self._heard_at_once = WINDOW * (BATCH if in_batches else 1)
        self._ahead = WINDOW * AHEAD if in_batches else 0
        #: stretches of speech not given out yet, without padding
        self._run: list[Region] = []
        #: end of the speech given out last, and of its padding
        self._done = self._given = 0
        #: end of the speech that was proposed last
        self._proposed = -1

    def set_live(self, live: bool) -> None:
        """Give out chunks soon after they are spoken (the stream is live), or when they are best closed."""
        self._live = live
        self._limit = round((min(self._longest, _LIVE_CHUNK) if live else self._longest) * SAMPLE_RATE)
        self._most = round(self._limit * (1 + (_LIVE_LOOKAHEAD if live else _LOOKAHEAD)))

    def push(self, samples: Samples) -> list[Chunk]:
        """Take the next samples, (n,), and return the chunks that they complete."""
        self._buffer.append(samples.copy())
        whole = (self._buffer.end - self._heard - self._ahead) // self._heard_at_once * self._heard_at_once
        if whole <= 0:
            return []
        chunks = self._hear(whole)
        self._buffer.forget(self._wanted())
        self._probabilities.forget(self._wanted() // WINDOW)
        return chunks

    def finish(self) -> list[Chunk]:
        """End the stream: the chunks that are left."""
        chunks = self._hear(self._buffer.end - self._heard) if self._heard < self._buffer.end else []
        self._note(self._tracker.close())
        return chunks + self._close_run()

    def flush(self) -> list[Chunk]:
        """Return the speech received so far without waiting for more: all of it in a pause, else up to the last one."""
        stretch = self._tracker.stretch
        if stretch is not None and self.quiet:
            self._note(stretch)
            self._tracker.cut(stretch.end)
        return self._close_run()

    def proposal(self) -> Chunk | None:
        """In a pause, once: the speech before it as a chunk, which is not given out unless `accept` takes it. None in
        speech, or if it does not fit a chunk.
        """
        if not self._run or self._tracker.onset is not None or self._run[-1].end == self._proposed:
            return None
        self._proposed = self._run[-1].end
        regions = self._padded()
        return self._chunk(regions) if regions[-1].end - regions[0].start <= self._limit else None

    def accept(self, chunk: Chunk) -> bool:
        """Take a proposed chunk as given out; False if some of it has been given out meanwhile."""
        count = len(chunk.regions)
        if count > len(self._run) or self._padded()[0].start != chunk.start:
            return False
        self._done, self._given = self._run[count - 1].end, chunk.end
        del self._run[:count]
        return True

    def growing(self) -> Chunk | None:
        """The speech so far and what follows it as a chunk, while it goes on; None in a pause, or if it does not fit a
        chunk.
        """
        stretch = self._tracker.stretch
        if stretch is None or stretch.end - stretch.start < _LEAST_GROWTH or self.size > self._limit:
            return None
        *regions, last = self._padded()
        return self._chunk([*regions, Region(last.start, self._received)])

    def give(self, chunk: Chunk, position: int, *, resume: int | None = None) -> Chunk | None:
        """Give out the first part of a chunk of `growing` or `proposal`, up to a position within it; None if some of it
        has been given out meanwhile. `resume`: no speech follows before this position, and what follows behind it
        counts only if it is long enough.
        """
        if self.begin != chunk.start:
            return None
        regions = self._padded()
        count = sum(region.start < position for region in regions)
        opened = count > len(self._run)
        part = self._take(count, position if opened or position < regions[count - 1].end else None)
        if opened and resume is not None:
            self._tracker.cut(resume, confirmed=False)
        return part

    @property
    def begin(self) -> int:
        """Where the speech begins that no chunk holds yet, padding included; -1: there is none."""
        return self._padded()[0].start if self._stretches() else -1

    @property
    def size(self) -> int:
        """The samples of that speech, while it goes on with what follows it."""
        if not self._stretches():
            return 0
        regions = self._padded()
        return (regions[-1].end if self._tracker.stretch is None else self._received) - regions[0].start

    @property
    def _received(self) -> int:
        """The end of the last window."""
        return min(self._tracker.now, self._buffer.end)

    @property
    def quiet(self) -> bool:
        """Whether the stream is silent right now."""
        return self._tracker.quiet

    @property
    def clear(self) -> int:
        """The sample before which no later chunk begins."""
        return max(self._given, self.silent - self._before)

    @property
    def silent(self) -> int:
        """The same, without padding: up to where no speech is that has not been given out."""
        pending = self._run[0].start if self._run else self._tracker.onset
        return self._tracker.now if pending is None else pending

    def _hear(self, count: int) -> list[Chunk]:
        """Detect speech in the next `count` samples; the stream's last window is filled up with zeros."""
        chunks: list[Chunk] = []
        known = self._buffer.read(self._heard, min(self._heard + count + self._ahead, self._buffer.end))
        samples = known[:count]
        if count % WINDOW:
            samples = np.concatenate([samples, np.zeros(-count % WINDOW, np.float32)])
        probabilities = self._detector.probabilities(samples, known[count:] if self._ahead else None)
        self._probabilities.append(probabilities)
        step = self._tracker.step
        for probability in probabilities.tolist():
            self._heard += WINDOW
            if (stretch := step(probability)) is not None:
                self._note(stretch)
            onset = self._tracker.onset
            if not self._run and onset is None:
                continue  # in silence, behind which nothing waits
            if onset is None and self._ends_here():
                chunks += self._close_run()
            while self._is_overfull():
                chunks.append(self._cut())
        return chunks

    def _ends_here(self) -> bool:
        """Whether the pause at hand ends the chunk."""
        pause = self._max_gap
        if self._live:
            spoken = (self._run[-1].end - self._run[0].start) / SAMPLE_RATE
            pause = min(pause, round(next(each for least, each in _LIVE_PAUSES if spoken >= least) * SAMPLE_RATE))
        return self._tracker.now - self._run[-1].end > pause

    def _note(self, stretch: Region | None) -> None:
        if stretch is not None:
            # The last window may be filled up with zeros behind the stream's end.
            self._run.append(Region(stretch.start, min(stretch.end, self._buffer.end)))

    def _close_run(self) -> list[Chunk]:
        chunks = []
        while self._run:
            count = len(self._run)
            regions = self._padded()[:count]
            fits = regions[-1].end - regions[0].start <= self._limit
            chunks.append(self._take(count, None) if fits else self._cut())
        return chunks

    def _is_overfull(self) -> bool:
        # Asked at every window: the cheap answer first.
        first = self._run[0].start if self._run else self._tracker.onset
        if first is None or self._tracker.now - first <= self._most:
            return False
        stretches = self._stretches()
        return bool(stretches) and stretches[-1].end - stretches[0].start > self._most

    def _cut(self) -> Chunk:
        cut = choose_cut(self._padded(), self._limit, self._buffer.read)
        return self._take(cut.regions, cut.inside)

    def _take(self, count: int, inside: int | None) -> Chunk:
        """The first `count` regions as a chunk, the last only up to `inside` if that is given."""
        regions = self._padded()[:count]
        taken = self._stretches()[:count]
        done, given = taken[-1].end, regions[-1].end
        if inside is not None:
            regions[-1] = Region(regions[-1].start, inside)
            given, done = inside, min(done, inside)
            if count > len(self._run):
                self._tracker.cut(inside)
            elif inside < taken[-1].end:
                # The last of the chunk's regions goes on as the first of the next one's.
                self._run.insert(count, Region(inside, taken[-1].end))
        del self._run[:count]
        self._done, self._given = done, given
        return self._chunk(regions)

    def _chunk(self, regions: list[Region]) -> Chunk:
        """These padded regions as a chunk."""
        start, given = regions[0].start, regions[-1].end
        samples, gain = self._buffer.read(start, given), 0.0
        if self._level:
            samples, gain = level_speech(samples, regions, start, offset=self._gain_offset)
        return Chunk(start, samples, tuple(regions), Chunk.measure(samples), self._speech(start, given), gain)

    def _speech(self, start: int, end: int) -> Samples:
        """The probability of speech at each level of a chunk; empty without VAD."""
        if not self._detects:
            return np.empty(0, np.float32)
        first = start // WINDOW
        probabilities = self._probabilities.read(first, -(-end // WINDOW))
        middles = np.arange((end - start) // LEVEL_HOP) * LEVEL_HOP + LEVEL_HOP // 2 + start
        speech: Samples = probabilities[middles // WINDOW - first]
        return speech

    def _stretches(self) -> list[Region]:
        stretch = self._tracker.stretch
        return [*self._run, stretch] if stretch is not None else list(self._run)

    def _padded(self) -> list[Region]:
        """The run with padding. Where two paddings meet in a pause, they share it."""
        stretches = self._stretches()
        onset = self._tracker.onset
        end = self._received if onset is None or self._tracker.stretch is not None else onset
        regions = []
        low = max(self._given, self._share(self._done, stretches[0].start)) if self._given else 0
        for stretch, following in zip(stretches, [*stretches[1:], None], strict=True):
            high = self._share(stretch.end, following.start) if following else max(end, stretch.end)
            regions.append(Region(max(stretch.start - self._before, low), min(stretch.end + self._after, high)))
            low = high
        return regions

    def _share(self, end: int, start: int) -> int:
        """Where the pause from `end` to `start` is divided between the padding of both sides."""
        both = self._before + self._after
        return end + (start - end) * self._after // both if both else end

    def _wanted(self) -> int:
        """The first sample that a chunk or the detector may still ask for."""
        starts = [self._heard, *(region.start for region in self._run[:1])]
        if self._tracker.onset is not None:
            starts.append(self._tracker.onset)
        return min(starts) - self._before


def _check(options: VadOptions) -> None:
    if not 0 < options.threshold < 1:
        raise UsageError(f"A VAD threshold of {options.threshold} is not a probability.", "Choose one between 0 and 1.")
    if options.end_threshold is not None and not 0 <= options.end_threshold <= options.threshold:
        raise UsageError(
            f"The VAD's end threshold ({options.end_threshold}) must lie between 0 and its threshold "
            f"({options.threshold})."
        )
    for name in ("min_speech", "min_silence", "pad_before", "pad_after", "max_gap"):
        if (getattr(options, name) or 0) < 0:
            raise UsageError(f"{name.replace('_', '-')} cannot be negative.")
    if options.max_chunk is not None and options.max_chunk < _LEAST_LIMIT:
        raise UsageError(
            f"Chunks of {options.max_chunk:g} s are too short to recognise.", f"Allow {_LEAST_LIMIT:g} s or more."
        )
