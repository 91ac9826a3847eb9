"""One ffmpeg process at work: its blocks in the recording's time, and what it reports."""

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asrcli.audio.channels import no_channel
from asrcli.audio.ffmpeg.frames import Frame, FrameParser
from asrcli.audio.ffmpeg.log import NMS_ADPCM, FfmpegLog
from asrcli.audio.ffmpeg.process import (
    DEEP_PROBE,
    TIMESTAMP_OFFSET,
    confine,
    decode_command,
    file_url,
    find_ffmpeg,
    probe_command,
)
from asrcli.audio.ffmpeg.timeline import Piece, Timeline
from asrcli.audio.ffmpeg.tracks import TrackChoice
from asrcli.audio.layouts import default_layout
from asrcli.audio.readers import BLOCK_SECONDS, check_form
from asrcli.audio.stream_pump import StreamPump
from asrcli.audio.types import SAMPLE_RATE, AudioInfo, Samples
from asrcli.errors import AsrcliError, AudioDecodeError, InputError
from asrcli.options import AudioOptions

#: seconds that looking at a file's header may take
_PROBE_TIMEOUT = 60
#: what one read takes of ffmpeg's output: about a second of mono
_READ = 1 << 16
#: seconds decoded before a place that was seeked: decoders need some sound to settle
_PREROLL = 0.5
#: seconds by which sound may lag its timestamps, or be shorter than announced, without a warning
_LAG = 0.25


class NoTrackError(InputError, code="empty"):
    """The file has pictures and no sound."""

    def __init__(self, message: str, hint: str = "", info: AudioInfo | None = None) -> None:
        super().__init__(message, hint)
        self.info = info or AudioInfo(None, 0, 0, "unknown", 0)


def probe_ffmpeg(path: Path, options: AudioOptions) -> AudioInfo:
    """The file's form by ffmpeg. Raises FfmpegMissingError: there is no ffmpeg; InputError: ffmpeg finds no audio in
    it.
    """
    choice = TrackChoice(options)
    while True:
        command = probe_command(find_ffmpeg(), file_url(path), choice.attempt)
        log = FfmpegLog()
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            raise AudioDecodeError(
                f"ffmpeg did not finish reading the file's header within {_PROBE_TIMEOUT} s.",
                "Export the recording again.",
            ) from None
        for line in done.stderr.decode("utf-8", "replace").splitlines():
            log.feed(line)
        if not choice.again(log, decoded=not done.returncode):
            break
    if done.returncode:
        raise _failure(log, choice, done.returncode)
    choice.check(log)
    return _form(log, options)


def _form(log: FfmpegLog, options: AudioOptions) -> AudioInfo:
    """The recording's form, if it is one that can be and has what is asked for."""
    info, channel = log.info(), options.channels
    if info.format.endswith(f"/{NMS_ADPCM}"):
        raise AudioDecodeError("ffmpeg has no decoder for NMS ADPCM.", "Convert the recording to another form of WAV.")
    if info.sample_rate:
        check_form(info.sample_rate, info.channels or 1)
    if isinstance(channel, int) and 0 < info.channels <= channel:
        raise no_channel(info.channels, channel)  # ffmpeg itself would give silence
    return info


def _failure(log: FfmpegLog, choice: TrackChoice, status: int) -> AsrcliError:
    attempt = choice.attempt
    if status < 0:
        return AudioDecodeError(
            f"ffmpeg crashed on the file (signal {-status}).", "Update ffmpeg, or convert the file to wav elsewhere."
        )
    if log.tracks and attempt.track >= len(log.tracks):
        has = "1 audio track" if len(log.tracks) == 1 else f"{len(log.tracks)} audio tracks"
        return InputError(f"Audio track {attempt.track} does not exist: the file has {has}.", "Tracks count from 0.")
    if log.has_video and not log.tracks:
        where = f" in its first {DEEP_PROBE >> 20} MB" if attempt.deep else ""
        return NoTrackError(
            f"The file has no audio track{where}.", "Check that the recording was made with sound.", log.info()
        )
    return log.failure()


class _Process:
    """ffmpeg, its log, and the frames that it writes."""

    def __init__(self, command: list[str], feeder: StreamPump | None) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if feeder else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is ours to handle; ffmpeg would end as if the file did. In a session of its own its priority would
            # not count: Linux shares the processor between sessions first.
            process_group=0,
        )
        confine(self.process.pid)
        self.log = FfmpegLog()
        self._described = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="ffmpeg-log", daemon=True)
        self._listener.start()
        if feeder:
            assert self.process.stdin is not None
            feeder.start(self.process.stdin)
        self.parser = FrameParser(self._output)

    def describe(self) -> bool:
        """Wait for the file's form and the first bytes of sound; False where none come."""
        found = self.parser.header()
        self._described.wait()
        if not found:
            self.wait()
        return found

    def wait(self) -> int:
        """The exit status, once all of the log has been read."""
        status = self.process.wait()
        self._listener.join()
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()

    def _output(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.read1(_READ)  # type: ignore[attr-defined,no-any-return]

    def _listen(self) -> None:
        assert self.process.stderr is not None
        # A bound on a line's length: file names and metadata are the sender's.
        while line := self.process.stderr.readline(4096):
            if self.log.feed(line.decode("utf-8", "replace").rstrip("\r\n")):
                self._described.set()
        self._described.set()


class FfmpegReader:
    """Gives 16 kHz blocks whose columns are the channels asked for, or those to be mixed."""

    def __init__(
        self,
        url: str,
        options: AudioOptions,
        *,
        seek: float = 0.0,
        feeder: StreamPump | None = None,
        lacking: Callable[[], float] = lambda: 0.0,
        at_end: Callable[[], Sequence[str]] = tuple,
        live: bool = False,
        counted: Callable[[], float | None] = lambda: None,
        uncounted: Callable[[], bool] = lambda: False,
        lead: float = 0.0,
        first_sample: int = 0,
    ) -> None:
        """Start ffmpeg and wait for its first samples. `url` is from `file_url`, or "pipe:0" with a `feeder`; `seek`:
        seconds to skip in a container with an index; `lacking` returns at the end the part known to be missing: if any
        is, a damaged last packet is not reported again; `at_end` returns warnings about an end without a known length;
        `live`: deliver samples as they arrive; `counted` returns the seconds that the header counts;
        `uncounted` returns whether what it has is no length of this file; `lead`: seconds of silence before the sound
        that ffmpeg does not count; `first_sample`: its number in the recording from which the file was copied.
        Raises FfmpegMissingError: there is no ffmpeg; InputError: nothing can be decoded.
        """
        self._options, self._feeder, self._lacking, self._live = options, feeder, lacking, live
        self._at_end, self._counted, self._uncounted = at_end, counted, uncounted
        self._lead, self._first_sample = round(1000 * lead), first_sample
        self.rate = SAMPLE_RATE
        self.warnings: list[str] = []
        self._pending: deque[Piece] = deque()
        self._ended, self._empty = False, True
        choice = TrackChoice(options, max(0.0, seek - _PREROLL) if seek else 0.0, live=live)
        while True:
            self._child = _Process(decode_command(find_ffmpeg(), url, options, choice.attempt), feeder)
            decoded = self._child.describe()
            frames = self._child.parser.frames() if decoded else []
            again = choice.again(self._child.log, decoded=decoded, empty=decoded and not frames)
            if not again or (feeder and not feeder.restartable):
                break
            self._child.close()
        if feeder:
            feeder.release()
        self._process, self._log, self._choice = self._child.process, self._child.log, choice
        try:
            self._begin(frames, decoded=decoded)
        except AsrcliError:
            self.close()
            raise

    @property
    def claimed(self) -> float | None:
        claimed, counted = None if self._uncounted() else self._log.claimed, self._counted()
        return max(claimed, counted) if claimed and counted and self._lacking() else claimed or counted

    def skip(self, seconds: float) -> float:
        target = round(seconds * SAMPLE_RATE)
        while self._position < target and (piece := self._next(target - self._position)):
            self._position += self._length(piece)
        return self._position / SAMPLE_RATE

    def read(self) -> Samples:
        limit = SAMPLE_RATE * (1 if self._feeder else BLOCK_SECONDS)
        piece = self._next(limit)
        if isinstance(piece, int):
            block = np.zeros((piece, self.channels), np.float32)
        else:
            sounds = [piece, *self._more_sound(limit - self._length(piece))] if piece else []
            block = np.frombuffer(b"".join(sounds), np.float32).reshape(-1, self.channels)
        self._position += len(block)
        if len(block):
            self._empty = False
        elif not self._ended:
            self._ended = True
            self._end()
        return block

    def close(self) -> None:
        self._child.close()

    def _begin(self, frames: list[Frame], *, decoded: bool) -> None:
        log = self._log
        if not decoded and (self._process.returncode or not log.tracks):
            raise _failure(log, self._choice, self._process.returncode)
        self._choice.check(log)
        self.info = _form(log, self._options)
        if self._uncounted():
            self.info = replace(self.info, duration=None)
        self.warnings += self._choice.notices(log)
        self.channels = self._child.parser.channels or 1
        self.layout = default_layout("", self.channels) if self.channels > 2 else ""
        self._width = 4 * self.channels
        before = self._first_sample / max(1, self.info.sample_rate)
        start = None if log.start is None else round(1000 * (log.start + before + TIMESTAMP_OFFSET)) - self._lead
        self._timeline = Timeline(self._width, start, timed=log.timed, counted=log.counted)
        seeked = frames and self._choice.attempt.seek
        self._position = self._timeline.origin(frames[0]) if frames else 0
        if not seeked:
            self._position = 0
        self._timeline.begin(self._position)
        self._pending.extend(self._timeline.place(frames))

    def _more_sound(self, limit: int) -> Iterator[memoryview]:
        """Sound up to `limit` samples or the next silence; of a live stream, what is there."""
        while limit > 0 and (self._pending or (not self._live and self._fill())):
            piece = self._pending[0]
            if isinstance(piece, int):
                return
            length = len(piece) // self._width
            if length > limit:
                self._pending[0] = piece[limit * self._width :]
                piece = piece[: limit * self._width]
            else:
                self._pending.popleft()
            limit -= length
            yield piece

    def _next(self, limit: int) -> Piece | None:
        """The next sound or silence, at most `limit` samples; None at the end."""
        if not self._pending and not self._fill():
            return None
        piece = self._pending.popleft()
        if (over := self._length(piece) - limit) > 0:
            rest = over if isinstance(piece, int) else piece[limit * self._width :]
            self._pending.appendleft(rest)
            piece = limit if isinstance(piece, int) else piece[: limit * self._width]
        return piece

    def _fill(self) -> bool:
        """Place the next frames; False at the end."""
        frames = None
        while not self._pending and frames != []:
            frames = self._child.parser.frames()
            self._pending.extend(piece for piece in self._timeline.place(frames, last=not frames) if piece)
        return bool(self._pending)

    def _length(self, piece: Piece | None) -> int:
        """Samples."""
        return piece if isinstance(piece, int) else len(piece or b"") // self._width

    def _end(self) -> None:
        status = self._child.wait()
        if self._feeder and self._feeder.error:
            self.warnings.append(f"truncated: the input broke off ({self._feeder.error})")
        else:
            self.warnings += self._at_end()
        if self._empty and (self._log.errors or status):
            raise _failure(self._log, self._choice, status)
        self.warnings += self._timeline_warnings()
        self.warnings += self._log.missed()
        missing = (self.claimed or 0.0) - self._position / SAMPLE_RATE
        if self._counted() and missing > _LAG and not (self._lacking() or self._log.cut):
            self.warnings.append("damaged: sound is missing within the recording; times after it are too early")
        if status < 0:
            self.warnings.append(f"damaged: ffmpeg crashed at this point (signal {-status})")
        elif not (missing > _LAG or self._lacking()) and (self._log.errors or status):
            self.warnings.append(f"damaged: ffmpeg could not decode parts of it ({self._log.reason()})")

    def _timeline_warnings(self) -> list[str]:
        timeline, warnings = self._timeline, []
        timeline.add_short_gaps()
        if timeline.miscounted:
            warnings.append("timestamps: those of the file do not fit its sound; all sound was kept, without gaps")
        if timeline.unfilled:
            warnings.append(
                f"timestamps: a gap of {timeline.unfilled:.0f} s was left out; times after it are too early"
            )
        if timeline.gaps:
            at, lacking = timeline.gaps_from / SAMPLE_RATE, timeline.gap_samples / SAMPLE_RATE
            count = "a gap" if timeline.gaps == 1 else f"{timeline.gaps} gaps"
            warnings.append(f"timestamps: {count} of {lacking:.1f} s, from {at:.1f} s on, was filled with silence")
        if timeline.late > _LAG * SAMPLE_RATE:
            at, late = timeline.late_from / SAMPLE_RATE, timeline.late / SAMPLE_RATE
            warnings.append(
                f"timestamps: from {at:.1f} s on, timestamps run backwards or do not advance, by {late:.1f} s; "
                "all sound was kept, in order"
            )
        return warnings
