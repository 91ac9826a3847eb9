"""Audio inside the program: a stream of 16 kHz float32 blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import numpy as np
import numpy.typing as npt

#: every stream and every model runs at this rate
SAMPLE_RATE = 16000

#: float32 in -1..1; shape (samples,), or (samples, channels) where a docstring states it
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Source:
    """One input: a file, or an open byte stream (stdin, a request body)."""

    #: what messages, outputs and transcripts call it ("stdin" for `-`)
    name: str
    path: Path | None = None
    stream: BinaryIO | None = None
    #: whether the file is a stranger's: what can be decoded in a process of its own, is
    untrusted: bool = False
    #: a stream that may be recorded right now: samples are delivered, and text is reported, as they come
    live: bool = False


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a probe finds without decoding everything."""

    #: seconds; None where the container does not tell (a pipe)
    duration: float | None
    sample_rate: int
    channels: int
    #: container and codec for people: "wav/pcm_s16le", "mp4/aac"
    format: str
    #: number of audio tracks
    tracks: int = 1


class AudioStream(Protocol):
    """A decoder at work. Iterate `blocks` once; `warnings` and `position` are complete when it ends.

    Used as a context manager; leaving it stops a decoder that still runs.
    """

    info: AudioInfo
    #: how many channels a block has: 1, or the recording's channels under `--channels split`
    channels: int
    #: time of the first sample in the recording (`--start`), seconds
    offset: float
    #: what the user should know of this input ("truncated: 12.3 s of 60.0 s missing")
    warnings: list[str]

    def blocks(self) -> Iterator[Samples]:
        """Yield arrays of shape (samples, channels) at 16 kHz, at most about a second each. Raises InputError: nothing
        could be decoded; what was decodable has been yielded and warned about otherwise.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
