"""Speech probabilities to stretches of speech, by hysteresis, one window at a time."""

from asrcli.audio.types import SAMPLE_RATE
from asrcli.options import VadOptions
from asrcli.vad.types import Region


class HysteresisTracker:
    """Follows one stream. A stretch begins with the first window at `threshold` or above, and ends where the
    probability has stayed below `end_threshold` for `min_silence`; one shorter than `min_speech` never was.

    Positions are samples of the stream; stretches carry no padding.
    """

    def __init__(self, options: VadOptions, window: int) -> None:
        """Track windows of `window` samples."""
        self._window = window
        self._threshold = options.threshold
        below = options.threshold - 0.15 if options.end_threshold is None else options.end_threshold
        self._end_threshold = max(below, 0.01)
        self._min_speech = round(options.min_speech * SAMPLE_RATE)
        self._min_silence = round(options.min_silence * SAMPLE_RATE)
        self._now = 0
        self._start: int | None = None
        self._quiet_since: int | None = None
        self._confirmed = False

    @property
    def now(self) -> int:
        """End of the last window."""
        return self._now

    @property
    def onset(self) -> int | None:
        """Where the stretch at hand began, even if it may yet prove too short; None in silence."""
        return self._start

    @property
    def quiet(self) -> bool:
        """Whether the last window held no speech."""
        return self._start is None or self._quiet_since is not None

    @property
    def stretch(self) -> Region | None:
        """The stretch at hand as far as it goes, once it is long enough to stand."""
        if self._start is None or not self._confirmed or self._start >= self._reach:
            return None
        return Region(self._start, self._reach)

    def step(self, probability: float) -> Region | None:
        """Take the next window; returns the stretch that it shows to have ended, if any."""
        at = self._now
        self._now += self._window
        if self._start is None:
            if probability >= self._threshold:
                self._start, self._quiet_since = at, None
        elif probability >= self._end_threshold:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = at
        if self._start is None:
            return None
        self._confirmed = self._confirmed or self._reach - self._start >= self._min_speech
        if self._quiet_since is not None and self._now - self._quiet_since >= self._min_silence:
            return self.close()
        return None

    def close(self) -> Region | None:
        """End the stretch at hand here; returned if it is long enough."""
        stretch = self.stretch
        self._start, self._confirmed = None, False
        return stretch

    def cut(self, position: int, *, confirmed: bool = True) -> None:
        """What lies before `position` has been taken from the current stretch; the rest remains, however short; not
        `confirmed`: if it is long enough.
        """
        self._start, self._confirmed = position, confirmed

    @property
    def _reach(self) -> int:
        return self._now if self._quiet_since is None else self._quiet_since
