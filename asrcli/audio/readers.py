"""Decoders inside this process: libsndfile, silence, and recordings joined to one."""

import io
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np
import soundfile

from asrcli.audio.layouts import default_layout, layout_of_map
from asrcli.audio.types import SAMPLE_RATE, AudioInfo, Samples
from asrcli.errors import AsrcliError, AudioDecodeError

#: what one read takes at most: samples of each channel (more would not stay in the processor's cache), samples of all
#: channels together, seconds
_FRAMES, _SAMPLES, BLOCK_SECONDS = 1 << 16, 1 << 18, 4
#: Hz; real recordings lie well inside
RATES = range(1000, 384_001)
MAX_CHANNELS = 128
#: seconds that a length may differ from the sound: encoder delay, rounding to frames
_TOLERANCE = 0.25
_RAW_HINT = "If you know what it holds, say so: --raw s16le --rate 16000 --channels 1."


class DamagedError(Exception):
    """The decoder cannot go on; what it gave so far is good."""


class Reader(Protocol):
    """A decoder at work, at the recording's own rate."""

    warnings: list[str]

    @property
    def info(self) -> AudioInfo: ...

    @property
    def rate(self) -> int: ...

    @property
    def channels(self) -> int:
        """Columns of a block."""

    @property
    def layout(self) -> str:
        """Their positions, see `layouts`; empty where unknown."""

    @property
    def claimed(self) -> float | None:
        """Seconds that the header claims, to be held against what came; None where it claims nothing to rely on."""

    def skip(self, seconds: float) -> float:
        """Go forward from the start; gives the position that was reached, in seconds."""

    def read(self) -> Samples:
        """The next block, shape (samples, channels), empty at the end; good until the next call. Raises DamagedError:
        nothing more can be decoded here, but the recording has not ended.
        """

    def close(self) -> None: ...


def check_form(rate: int, channels: int) -> None:
    """Refuse a header that no recording can have. Raises AudioDecodeError: the rate or the number of channels is
    absurd.
    """
    if rate not in RATES:
        raise AudioDecodeError(
            f"The header claims a sample rate of {rate:,} Hz; from {RATES.start:,} to {RATES.stop - 1:,} are read.",
            "If it is right, convert the recording: ffmpeg -i IN -ar 48000 OUT.flac. If not, export it again. "
            + _RAW_HINT,
        )
    if not 0 < channels <= MAX_CHANNELS:
        raise AudioDecodeError(
            f"The header is broken: it claims {channels:,} channels.", "Export the recording again. " + _RAW_HINT
        )


def frames_at_a_time(rate: int, channels: int, seconds: int = BLOCK_SECONDS) -> int:
    return max(1, min(rate * seconds, _FRAMES, _SAMPLES // channels))


class PatchedFile(io.RawIOBase):
    """A file up to some byte, with other bytes at some positions: headers whose sizes are wrong, or that are lost."""

    def __init__(self, descriptor: int, end: int, patches: Sequence[tuple[int, bytes]], *, owned: bool = False) -> None:
        self._descriptor, self._end, self._patches, self._owned = descriptor, end, sorted(patches), owned
        self._longest = max((len(right) for _, right in patches), default=0)
        self._position = 0

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = bytearray(os.pread(self._descriptor, max(0, min(len(view), self._end - self._position)), self._position))
        first, last = (
            bisect_left(self._patches, (at,)) for at in (self._position - self._longest, self._position + len(data))
        )
        for position, right in self._patches[first:last]:
            for index, byte in enumerate(right, position - self._position):
                if 0 <= index < len(data):
                    data[index] = byte
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if self._owned and not self.closed:
            os.close(self._descriptor)
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


class SoundReader:
    """libsndfile: wav, flac, ogg (Vorbis, Opus), mp3, aiff, au, caf, sphere.

    Takes over the file descriptor. A pipe's serves too, where libsndfile can do without seeking (wav, ogg, mp3).
    """

    def __init__(
        self,
        descriptor: int,
        *,
        length: float | Literal["header", "unknown"] = "header",
        end: int | None = None,
        patches: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        """Open a descriptor at position 0, which is closed with the reader and on errors. `length`: seconds, where
        known better than by libsndfile, which estimates some MP3s'; the file is read up to byte `end`, with `patches`
        (position, bytes) in its header. Raises AudioDecodeError: libsndfile does not read this, or the header is
        absurd.
        """
        try:
            file = descriptor if end is None else PatchedFile(descriptor, end, patches)
            self._file = soundfile.SoundFile(file, closefd=False)
        except soundfile.LibsndfileError as error:
            os.close(descriptor)
            reason = error.error_string.strip().rstrip(".") or "unknown format"
            raise AudioDecodeError(f"The audio cannot be decoded: {reason}.", "Export the recording again.") from None
        self._descriptor = descriptor
        self.rate, self.channels = int(self._file.samplerate), int(self._file.channels)
        try:
            check_form(self.rate, self.channels)
        except AudioDecodeError:
            self.close()
            raise
        self.layout = self._layout()
        endless = self._file.frames >= 1 << 62  # a pipe
        if length == "header":
            length = "unknown" if endless else self._file.frames / self.rate
        duration = None if length == "unknown" else length
        self.info = AudioInfo(duration, self.rate, self.channels, self._format())
        self.claimed = duration
        self.warnings: list[str] = []
        #: gives memory for that many samples of the only channel, in which the next block is returned
        self.room: Callable[[int], Samples] | None = None
        self._position = 0
        self._buffer = np.empty((frames_at_a_time(self.rate, self.channels), self.channels), np.float32)

    def skip(self, seconds: float) -> float:
        frames = round(seconds * self.rate)
        seeks = self.info.duration is not None and self._file.format != "MP3"
        if seeks and frames < self._file.frames:
            with suppress(soundfile.LibsndfileError):  # G.721 and others cannot be seeked
                self._position = int(self._file.seek(frames))
                return self._position / self.rate
        # MP3 frames lean on earlier ones; decoding from the start is exact, and runs at some 1000 x real time.
        done = 0
        while done < frames and (got := len(self._fill(self._buffer[: frames - done]))):
            done += got
        return done / self.rate

    def read(self) -> Samples:
        block = self._fill(self.room(len(self._buffer)) if self.room else self._buffer)
        if not len(block) and self.claimed is not None and self._position / self.rate < self.claimed - _TOLERANCE:
            raise DamagedError  # libsndfile does not report when it loses its way
        return block

    def close(self) -> None:
        if not self._file.closed:
            self._file.close()
            os.close(self._descriptor)

    def _fill(self, window: Samples) -> Samples:
        """Read into C-contiguous memory.

        libsndfile's own function is called: after every read, soundfile's seeks to where it already is, which costs a
        third of the time and makes the MP3 decoder lose its bit reservoir and complain on stderr.
        """
        file = self._file._file  # noqa: SLF001
        data = soundfile._ffi.cast("float *", window.__array_interface__["data"][0])  # noqa: SLF001
        if self._file.format == "MP3":
            window.fill(np.nan)
        count = int(soundfile._snd.sf_readf_float(file, data, len(window)))  # noqa: SLF001
        if soundfile._snd.sf_error(file):  # noqa: SLF001
            if self._file.format == "MP3":  # the count is 0, whatever was written before the error
                count = int(np.argmax(np.append(np.isnan(window).all(axis=1), True)))
            if not count:
                raise DamagedError
        self._position += count
        return window[:count]

    def _layout(self) -> str:
        # soundfile has no name for SFC_GET_CHANNEL_MAP_INFO; libsndfile fills it from the headers of these only.
        if self._file.format in {"WAVEX", "RF64", "W64", "CAF"}:
            found = soundfile._ffi.new("int[]", self.channels)  # noqa: SLF001
            if soundfile._snd.sf_command(self._file._file, 0x1100, found, 4 * self.channels):  # noqa: SLF001
                return layout_of_map(list(found))
        return default_layout(self._file.format, self.channels)

    def _format(self) -> str:
        codec = self._file.subtype.lower().replace("mpeg_layer_iii", "mp3")
        return f"{self._file.format.lower()}/{codec}"


class SilentReader:
    """A recording without sound: pictures only."""

    claimed: float | None = None

    def __init__(self, info: AudioInfo, warning: str) -> None:
        self.info = info
        self.rate, self.channels, self.layout = SAMPLE_RATE, 1, ""
        self.warnings = [warning]

    def skip(self, seconds: float) -> float:
        return seconds

    def read(self) -> Samples:
        return np.empty((0, 1), np.float32)

    def close(self) -> None:
        return


class JoinedReader:
    """Recordings that follow each other, each decoded on its own. `read` is empty at the end of each."""

    def __init__(self, openers: Iterable[Callable[[], Reader]]) -> None:
        """Open the first of at least one recording. Raises AsrcliError: it cannot be decoded."""
        self._openers = iter(openers)
        self._reader = next(self._openers)()
        self.warnings = list(self._reader.warnings)
        #: recordings so far, the number of this one, and what was read of it
        self._count, self._number, self._samples = 1, 1, 0

    @property
    def info(self) -> AudioInfo:
        """The form of the recording that is read now, without a length: what follows is not known."""
        return replace(self._reader.info, duration=None)

    @property
    def rate(self) -> int:
        return self._reader.rate

    @property
    def channels(self) -> int:
        return self._reader.channels

    @property
    def layout(self) -> str:
        return self._reader.layout

    @property
    def claimed(self) -> float | None:
        """That of the only recording; of several, each is checked at its end."""
        return self._reader.claimed if self._count == 1 else None

    def skip(self, seconds: float) -> float:
        done = self._skip(seconds)
        while done < seconds - 1 / self.rate and self.advance():
            done += self._skip(seconds - done)
        return done

    def read(self) -> Samples:
        try:
            block = self._reader.read()
        except AsrcliError as error:
            if self._number == 1:
                raise
            self._skipped(self._number, error)
            return np.empty((0, self.channels), np.float32)
        self._samples += len(block)
        return block

    def advance(self) -> bool:
        """Go to the next recording that can be decoded; its rate and channels may differ."""
        for opener in self._openers:
            self._count += 1
            try:
                following = opener()
            except AsrcliError as error:
                self._skipped(self._count, error)
                continue
            self._finish()
            self._reader.close()
            self._reader, self._number, self._samples = following, self._count, 0
            return True
        self._finish()
        return False

    def close(self) -> None:
        self._reader.close()

    def _skipped(self, number: int, error: AsrcliError) -> None:
        self.warnings.append(f"damaged: recording {number} in this file cannot be decoded ({error.message})")

    def _skip(self, seconds: float) -> float:
        done = self._reader.skip(seconds)
        self._samples += round(done * self.rate)
        return done

    def _finish(self) -> None:
        """Take the warnings of a recording that was read."""
        self.warnings += [warning for warning in self._reader.warnings if warning not in self.warnings]
        if self._count > 1 and not self._samples:
            self.warnings.append(f"damaged: nothing of recording {self._number} in this file could be read")
        claimed, read = self._reader.claimed, self._samples / self.rate
        if self._count > 1 and claimed is not None and claimed - read > _TOLERANCE:
            self.warnings.append(
                f"truncated: {claimed - read:.1f} s of {claimed:.1f} s missing in recording {self._number}"
            )
