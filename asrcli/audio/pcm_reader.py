"""Plain PCM: raw samples, and those of a WAV stream."""

import os
from functools import lru_cache
from typing import IO

import numpy as np

from asrcli.audio.containers.wav_stream import WavSound
from asrcli.audio.readers import BLOCK_SECONDS, check_form, frames_at_a_time
from asrcli.audio.types import AudioInfo, Samples
from asrcli.errors import AudioDecodeError

#: bytes beyond a WAV stream's claimed size that are not worth a warning
_SURPLUS = 256
#: numpy's type and the full scale of each form of PCM
_PCM = {
    "alaw": ("u1", 1),
    "mulaw": ("u1", 1),
    "u8": ("u1", 1 << 7),
    "s16le": ("<i2", 1 << 15),
    "s24le": ("<i4", 1 << 31),
    "s32le": ("<i4", 1 << 31),
    "f32le": ("<f4", 1),
    "f64le": ("<f8", 1),
}


class PcmReader:
    """Samples with no container, or behind a WAV header that only gives their form."""

    def __init__(
        self,
        stream: IO[bytes] | WavSound,
        head: bytes,
        encoding: str,
        rate: int,
        channels: int,
        *,
        size: int | None,
        name: str,
        owned: bool = False,
        live: bool = False,
        layout: str = "",
    ) -> None:
        """`stream` gives the samples that follow `head`; `encoding`: alaw, mulaw, u8, s16le, s24le, s32le, f32le or
        f64le; `rate` in Hz; `channels` interleaved; `size`: bytes of samples (None: until the stream ends); `name` for
        `AudioInfo.format`; `owned`: close the stream with the reader; `live`: return blocks of 0.1 s or more as they
        arrive. Raises AudioDecodeError: rate or channels are absurd.
        """
        self._owned = owned
        try:
            check_form(rate, channels)
        except AudioDecodeError:
            if owned:
                stream.close()
            raise
        self.rate, self.channels, self.layout = rate, channels, layout
        self._stream, self._head, self._encoding = stream, head, encoding
        #: bytes to come; None: as many as the stream has
        self._left = None if isinstance(stream, WavSound) else size
        self._frame = channels * pcm_width(encoding)
        self._frames = frames_at_a_time(rate, channels, BLOCK_SECONDS if owned else 1)
        #: bytes after which a block need not be full
        self._enough = rate // 10 * self._frame if live else None
        duration = None if size is None else size // self._frame / rate
        self.info = AudioInfo(duration, rate, channels, f"{name}/pcm_{encoding}")
        self.claimed = duration
        self.warnings: list[str] = []

    def skip(self, seconds: float) -> float:
        frames, done = round(seconds * self.rate), 0
        if self._owned and self._left is not None and not isinstance(self._stream, WavSound):  # a file
            there = os.fstat(self._stream.fileno()).st_size - self._stream.tell()
            done = max(0, min(frames, min(self._left, there) // self._frame))
            self._stream.seek(done * self._frame, os.SEEK_CUR)
            self._left -= done * self._frame
            return done / self.rate
        while done < frames:
            got = len(self._bytes(min(frames - done, self._frames))) // self._frame
            if not got:
                break
            done += got
        return done / self.rate

    def read(self) -> Samples:
        data = self._bytes(self._frames)
        whole = len(data) - len(data) % self._frame
        if not data and isinstance(self._stream, WavSound) and self._stream.surplus > _SURPLUS:
            seconds = self._stream.surplus / self._frame / self.rate
            self.warnings.append(
                f"header: {seconds:.1f} s of sound follow beyond the header's size; all of it was read"
            )
            self._stream.surplus = 0
        if whole < len(data) and not self._left:  # else it ended before it should, which is reported
            self.warnings.append(f"the last {len(data) - whole} bytes are no whole sample and were left out")
        return pcm_samples(data[:whole], self._encoding).reshape(-1, self.channels)

    def close(self) -> None:
        if self._owned:
            self._stream.close()

    def _bytes(self, frames: int) -> bytes:
        wanted = frames * self._frame
        if self._left is not None:
            wanted = min(wanted, self._left)
        parts = [self._head[:wanted]]
        self._head = self._head[wanted:]
        got = len(parts[0])
        missing = wanted - got
        try:
            in_parts = self._enough is not None or isinstance(self._stream, WavSound)
            read = getattr(self._stream, "read1", None) if in_parts else None
            read = read or self._stream.read  # type: ignore[union-attr]
            while missing > 0 and (part := read(missing)):
                parts.append(part)
                got += len(part)
                # Of a live stream, no more than the rest of a sample is waited for once there is enough.
                missing = (-got % self._frame) if self._enough is not None and got >= self._enough else wanted - got
        except (OSError, ValueError) as error:
            self.warnings.append(f"truncated: the input broke off ({error})")
            self._left, parts = 0, [b"".join(parts)[: got - got % self._frame]]
        data = b"".join(parts)
        if self._left is not None:
            self._left = max(0, self._left - len(data))
        return data


def pcm_samples(data: bytes, encoding: str) -> Samples:
    """Whole samples, (n,), of one of the encodings of `_PCM`, scaled to -1..1."""
    kind, scale = _PCM[encoding]
    if encoding in {"alaw", "mulaw"}:
        table: Samples = _companded(encoding)[np.frombuffer(data, np.uint8)]
        return table
    if encoding == "s24le":  # no such type: move the bytes to the upper end of 32 bits
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data = wide.tobytes()
    # A double may exceed what a float holds, and damaged bytes are no numbers: the stream counts them.
    with np.errstate(over="ignore", invalid="ignore"):
        samples = np.frombuffer(data, kind).astype(np.float32)
        samples *= np.float32(1 / scale)
    return samples - np.float32(1) if encoding == "u8" else samples


def pcm_width(encoding: str) -> int:
    """Bytes of a sample."""
    return 3 if encoding == "s24le" else np.dtype(_PCM[encoding][0]).itemsize


@lru_cache
def _companded(law: str) -> Samples:
    """The 256 values of ITU-T G.711."""
    codes = np.arange(256) ^ (0x55 if law == "alaw" else 0xFF)
    exponent, mantissa, positive = codes >> 4 & 7, codes & 15, codes & 0x80 if law == "alaw" else ~codes & 0x80
    if law == "alaw":
        size = np.where(exponent == 0, (mantissa << 4) + 8, (mantissa << 4) + 0x108 << np.maximum(exponent - 1, 0))
    else:
        size = ((mantissa << 3) + 0x84 << exponent) - 0x84
    values: Samples = (np.where(positive != 0, size, -size) / 32768).astype(np.float32)
    return values
