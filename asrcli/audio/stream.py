"""From a decoder's blocks to channels at 16 kHz: cleaned, cut to the requested span, checked."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import numpy as np

from asrcli.audio.conditioning.conditioner import Conditioner
from asrcli.audio.readers import DamagedError, JoinedReader, Reader, SilentReader, SoundReader
from asrcli.audio.resample import Resampler
from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.errors import AsrcliError, AudioDecodeError, EmptyInputError, InputChangedError
from asrcli.options import AudioOptions

#: seconds that headers may differ from the sound without being wrong: encoder delay, rounding to frames
_TOLERANCE = 0.25


@dataclass(frozen=True, slots=True)
class FileSnapshot:
    """A file as it was when it was opened."""

    path: Path
    status: os.stat_result

    def change(self) -> str | None:
        """What happened to the file since, for a warning. A deleted name does not matter: the data was read."""
        try:
            now = self.path.stat()
        except OSError:
            return None
        if now.st_size > self.status.st_size:
            return "the file grew while it was read: what was added may be missing"
        if now.st_size < self.status.st_size or now.st_mtime_ns != self.status.st_mtime_ns:
            return "the file changed while it was read: the transcript may mix old and new"
        return None


class ClosableStream:
    """The part of an `AudioStream` that ends it, with the files that belong to it."""

    def __init__(self) -> None:
        self._others: list[IO[bytes]] = []

    def close(self) -> None:
        """Stop the decoders that still run."""
        for other in self._others:
            other.close()

    def also_close(self, file: IO[bytes]) -> None:
        """Close `file` with this stream."""
        self._others.append(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stream(ClosableStream):
    """The `AudioStream` of every kind of input."""

    def __init__(
        self,
        reader: Reader,
        options: AudioOptions,
        *,
        watch: FileSnapshot | None = None,
        rescue: Callable[[float], Reader] | None = None,
        lacking: Callable[[], float] = lambda: 0.0,
        live: bool = False,
    ) -> None:
        """Go to the start of the span. `reader` starts at the recording's beginning, or at `options.start` if it can
        seek. `watch` is checked again at the end; `rescue` opens another decoder at a time in seconds if this one finds
        damage; `lacking` returns at the end the part of the announced bytes that is missing; with `live`, samples are
        given as they come. Raises EmptyInputError: the recording ends before the span begins.
        """
        super().__init__()
        self.info = reader.info
        self.channels = reader.channels if options.channels == "split" else 1
        self.warnings: list[str] = []
        self._reader, self._options = reader, options
        self._watch, self._rescue, self._lacking, self._live = watch, rescue, lacking, live
        self._given = 0
        self._conditioners: list[Conditioner] = []
        self._claimed: float | None = None
        self._started = False
        #: the last block is within full scale
        self._bounded = False
        self.offset = self._skip(options.start) if options.start else 0.0
        if self.offset < options.start - 1 / SAMPLE_RATE:
            raise self._nothing(max(self.offset, reader.claimed or 0.0))

    @property
    def position(self) -> float:
        """Seconds of the recording up to which blocks have been given."""
        return self.offset + self._given / SAMPLE_RATE

    def blocks(self) -> Iterator[Samples]:
        """See `AudioStream.blocks`."""
        assert not self._started, "blocks() can be iterated once"
        self._started = True
        end = self._options.end
        limit = None if end is None else max(0, round((end - self.offset) * SAMPLE_RATE))
        for block in self._converted():
            piece = block if limit is None else block[: limit - self._given]
            for at in range(0, len(piece), SAMPLE_RATE):
                part = piece[at : at + SAMPLE_RATE]  # of memory that is used again
                part = part.copy() if self._bounded else np.clip(part, -1.0, 1.0)
                self._given += len(part)
                yield part
            if limit is not None and self._given >= limit:
                break
        else:
            self._check_end()
        self._report()

    def close(self) -> None:
        self._reader.close()
        super().close()

    def _skip(self, seconds: float) -> float:
        try:
            return self._reader.skip(seconds)
        except DamagedError:
            if self._rescue is None:
                raise
            self._reader.close()
            self._reader, self._rescue = self._rescue(seconds), None
            self.info = self._reader.info
            return self._reader.skip(seconds)

    def _converted(self) -> Iterator[Samples]:
        try:
            yield from self._play()
            while isinstance(self._reader, JoinedReader) and self._reader.advance():
                yield from self._play()
        except DamagedError:
            given = self._given
            yield from self._rescued()
            if self._given > given:
                at = self.offset + given / SAMPLE_RATE
                self._reader.warnings.clear()  # the other decoder complains of the same place
                self.warnings.append(f"damaged: some audio near {at:.1f} s cannot be decoded")

    def _rescued(self) -> Iterator[Samples]:
        """What another decoder makes of the rest: nothing, where the file ends there."""
        if self._rescue is None:
            return
        reader = self._reader
        try:
            self._reader = self._rescue(self.position)
            self._claimed = reader.claimed
            self.warnings += reader.warnings
            reader.close()
            self._reader.skip(self.position)
            yield from self._play()
        except AsrcliError:
            return  # it finds nothing either, or is not there

    def _play(self) -> Iterator[Samples]:
        reader = self._reader
        conditioner = Conditioner(reader.rate, reader.channels, self._options.channels, reader.layout, live=self._live)
        self._conditioners.append(conditioner)
        resampler = Resampler(reader.rate, conditioner.channels)
        if isinstance(reader, SoundReader) and reader.channels == 1:
            reader.room = conditioner.room
        damage: DamagedError | None = None
        while damage is None:
            try:
                native = reader.read()
            except DamagedError as error:
                damage = error
                continue
            if not len(native):
                break
            block = resampler.push(conditioner.push(native))
            self._bounded = conditioner.bounded and reader.rate == SAMPLE_RATE
            if len(block):
                yield _as_channels(block, self.channels)
        self._bounded = False
        for tail in (resampler.push(conditioner.finish()), resampler.finish()):
            if len(tail):
                yield _as_channels(tail, self.channels)
        if damage:
            raise damage

    def _check_end(self) -> None:
        claimed, end = self._claimed or self._reader.claimed, self._options.end
        if isinstance(self._reader, SilentReader):
            return
        if self._given == 0:
            raise self._nothing(claimed)
        if 0 < (lacking := self._lacking()) < 1:
            claimed = max(claimed or 0.0, self.position / (1 - lacking))
        if claimed is None:
            return
        wanted = claimed if end is None else min(claimed, end)
        missing = wanted - self.position
        if missing > _TOLERANCE:
            self.warnings.append(f"truncated: {missing:.1f} s of {wanted - self.offset:.1f} s missing")

    def _nothing(self, length: float | None) -> AsrcliError:
        changed = self._watch.change() if self._watch else None
        if changed:
            return InputChangedError(f"Nothing could be read: {changed}.", "Run again when it is complete.")
        if self._options.start and length and length > self._options.start:
            return AudioDecodeError(
                f"Nothing can be decoded after {self.position:.1f} s of {length:.1f} s.", "Copy or download it whole."
            )
        if self._options.start and length:
            return EmptyInputError(
                f"The recording ends at {length:.1f} s, before the start at {self._options.start:g} s.",
                "Choose an earlier --start.",
            )
        return EmptyInputError("The file holds no audio, only a header.", "Record or export it again.")

    def _report(self) -> None:
        self.warnings += self._reader.warnings
        for conditioner in self._conditioners:
            self.warnings += [warning for warning in conditioner.warnings() if warning not in self.warnings]
        if self._watch and (changed := self._watch.change()):
            self.warnings.append(changed)
        if any(warning.startswith("truncated: ") for warning in self.warnings):
            self.warnings = [warning for warning in self.warnings if not warning.startswith("perhaps truncated: ")]


def _as_channels(block: Samples, channels: int) -> Samples:
    """A block with as many columns as the first recording of a joined file has: repeated, or mixed and repeated."""
    if block.shape[1] == channels:
        return block
    mixed = block.mean(axis=1, keepdims=True, dtype=np.float32)
    repeated: Samples = np.repeat(mixed, channels, axis=1)
    return repeated
