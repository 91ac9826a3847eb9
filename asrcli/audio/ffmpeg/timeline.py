"""Decoded frames in the recording's time: silence where timestamps leave a gap, and no sound is ever dropped."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from asrcli.audio.ffmpeg.frames import Frame
from asrcli.audio.types import SAMPLE_RATE

#: samples a millisecond
_MS = SAMPLE_RATE // 1000
#: samples that timestamps may be off without meaning anything: jitter of the container's clock
_JITTER = 50 * _MS
#: samples after a jump that must follow its timestamps before the jump counts
_PROOF = 250 * _MS
#: samples of the shortest gap that is reported, and the share of the time that shorter ones have where they are
_NOTED, _NOTED_SHARE = 250 * _MS, 0.01
#: samples of the longest gap that is filled with silence: 70 minutes
_LONGEST_GAP = 4200 * SAMPLE_RATE
#: samples over which a clock that runs slow is measured, and the most that it can lag: more is a splice
_DRIFT_WINDOW = 10 * SAMPLE_RATE
_DRIFT_LIMIT = SAMPLE_RATE
#: jumps that the frames after them do not follow: damage leaves fewer
_MISCOUNTS = 5
#: frames below this peak are skipped where a clock runs slow (-50 dBFS)
_QUIET = 3e-3

#: samples as float32 bytes, or a number of silent samples
Piece = memoryview | int


class Timeline:
    """Places frames. Positions are samples at 16 kHz from the start of the recording."""

    def __init__(self, frame_bytes: int, start: int | None, *, timed: bool = True, counted: bool = False) -> None:
        """`frame_bytes`: of one sample of all channels; `start`: timestamp of the recording's start in ms (None: that
        of the first frame); `timed`: the container has timestamps, otherwise frames follow each other; `counted`: the
        timestamps are counts of packets, which have no gap but where the file is damaged.
        """
        self._width, self._timed, self._counted = frame_bytes, timed, counted
        self._start = start
        #: end of what was placed
        self._end: int | None = None
        self._held: list[Frame] = []
        self._drift: deque[tuple[int, int, int]] = deque()
        self._excess = 0
        #: gaps after the first sound that were filled: how many, samples in all, and where the first one is
        self.gaps, self.gap_samples, self.gaps_from = 0, 0, 0
        #: the same of shorter ones
        self._short, self._short_samples, self._short_from = 0, 0, 0
        #: samples by which sound lies behind its timestamps at most
        self.late = 0
        #: position where that was first more than jitter
        self.late_from = 0
        #: seconds of all gaps that were too long to be filled
        self.unfilled = 0.0
        #: jumps of counts that the frames after them do not follow
        self._refused = 0

    @property
    def miscounted(self) -> bool:
        """Whether counts of packets do not give the time, and are not used."""
        return self._refused >= _MISCOUNTS

    def origin(self, frame: Frame) -> int:
        """Take the first frame; gives its position."""
        time = frame[0]
        if self._start is None or not self._timed or time < self._start:
            self._start = time
        return (time - self._start) * _MS

    def begin(self, position: int) -> None:
        """Place what comes from this position on."""
        self._end = position

    def add_short_gaps(self) -> None:
        """At the end: count gaps that are too short to be reported alone, where they are many."""
        if self._short_samples > max(_NOTED, _NOTED_SHARE * (self._end or 0)):
            self.gaps += self._short
            self.gap_samples += self._short_samples
            self.gaps_from = min(self.gaps_from or self._short_from, self._short_from)

    def place(self, frames: Sequence[Frame], *, last: bool = False) -> list[Piece]:
        """Silence and sound in order. With `last`, nothing is held back."""
        if self._start is None or self._end is None or not self._timed:  # no start: nothing was decoded
            return [samples for _, samples in frames]
        pieces: list[Piece] = []
        queue = [*self._held, *frames] if self._held else frames
        self._held = []
        start, end, width = self._start, self._end, self._width
        nearest = -_LONGEST_GAP
        for index, frame in enumerate(queue):
            time, samples = frame
            ahead = (time - start) * _MS - end
            if ahead > _JITTER:
                proven = self._proof(queue[index:])
                if proven is None and not last:
                    self._held = list(queue[index:])
                    break
                if proven is not False:
                    silence = self._gap(ahead, end)
                    start = self._start
                    if silence:
                        pieces.append(silence)
                        end += silence
            elif ahead < -_JITTER:
                self._note_late(-ahead, end)
                if self._excess > 0 and _quiet(samples):
                    self._excess -= len(samples) // width
                    continue
            nearest = max(nearest, ahead)
            pieces.append(samples)
            end += len(samples) // width
        self._end = end
        if queue:
            self._measure(queue[-1][0], end, -nearest)
        return pieces

    def _proof(self, frames: Sequence[Frame]) -> bool | None:
        """Whether a jump of the timestamps is one of time; None: what follows must decide."""
        proven = _proven(frames, self._width, exact=self._counted)
        self._refused += self._counted and proven is False
        return False if self.miscounted else proven

    def _gap(self, samples: int, position: int) -> int:
        """The silence for a gap; one that is too long moves the start instead."""
        if samples <= _LONGEST_GAP:
            if position > 0 and samples > _NOTED:
                self.gaps_from = self.gaps_from or position
                self.gaps += 1
                self.gap_samples += samples
            elif position > 0:
                self._short_from = self._short_from or position
                self._short += 1
                self._short_samples += samples
            return samples
        self.unfilled += samples / SAMPLE_RATE
        assert self._start is not None
        self._start += samples // _MS
        return 0

    def _note_late(self, samples: int, position: int) -> None:
        if not self.late:
            self.late_from = position
        self.late = max(self.late, samples)

    def _measure(self, time: int, end: int, late: int) -> None:
        """Find a clock that runs slow: all of the last seconds lie behind their timestamps, which do advance."""
        self._drift.append((time, end, late))
        first_time, first_end, _ = self._drift[0]
        span = (time - first_time) * _MS
        self._excess = 0
        if end - first_end < _DRIFT_WINDOW:
            return
        if span > 0.8 * _DRIFT_WINDOW:  # else the timestamps do not advance
            lag = min(late for _, _, late in self._drift)
            self._excess = lag - _JITTER // 2 if _JITTER < lag < _DRIFT_LIMIT else 0
        while end - self._drift[0][1] > _DRIFT_WINDOW:
            self._drift.popleft()


def _proven(frames: Sequence[Frame], width: int, *, exact: bool) -> bool | None:
    """Whether the frames after a jump follow its timestamps, and with `exact` each other; None: too few to tell."""
    first, total = frames[0][0], 0
    for time, samples in frames:
        ahead = (time - first) * _MS - total
        if ahead < -_JITTER or (exact and ahead > _JITTER):
            return False
        total += len(samples) // width
        if total > _PROOF + _JITTER:
            return True
    return None


def _quiet(samples: memoryview) -> bool:
    values = np.frombuffer(samples, np.float32)
    return bool(len(values)) and float(np.abs(values).max()) < _QUIET
