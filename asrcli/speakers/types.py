"""Messages between the diarization service and its client; plain data that crosses between processes.

The recording is divided into windows of `WINDOW` samples, one every `HOP`. In each, the segmentation model marks up to
three *local* speakers frame by frame. A *piece* is a run of frames in which one local speaker is active alone; each
piece has an embedding. Which pieces are one voice is decided by the client, by clustering (`clustering`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import SAMPLE_RATE

#: receptive field of pyannote's segmentation model: one frame every 270 samples, each of 991
FRAME_STEP = 270
FRAME_FIELD = 991
#: frames of a window, and its length in samples
FRAMES = 589
WINDOW = 10 * SAMPLE_RATE
#: frames from one window to the next (4.995 s): whole frames, so that windows share one grid
HOP_FRAMES = 296
HOP = HOP_FRAMES * FRAME_STEP
#: first frame that a window decides; those before it are decided by the window before
LEAD = (FRAMES - HOP_FRAMES) // 2
#: windows in one job (45 s of audio, 3 MB)
WINDOWS_PER_JOB = 8

FRAME_SECONDS = FRAME_STEP / SAMPLE_RATE
#: time of the middle of frame 0
FRAME_OFFSET = FRAME_FIELD / 2 / SAMPLE_RATE

Vectors = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DiarizationRequest:
    """What is asked of the samples of a job.

    Attributes:
        windows: how many windows there are, the first at the first sample.
        starts, ends: whether the first window is the recording's first, and the last one its last.
    """

    windows: int
    starts: bool
    ends: bool


@dataclass(frozen=True, slots=True)
class WindowResults:
    """The windows of one job, in order.

    Attributes:
        bits: `activity` in an eighth of the memory, as the client keeps that of hours.
        pieces: int32, shape (n, 4): window, local speaker, first frame, frame after the last one. A local speaker who
            is only active together with others has one piece without frames.
        embeddings: float32, shape (n, dimensions), of length 1.
    """

    bits: npt.NDArray[np.uint8]
    pieces: npt.NDArray[np.int32]
    embeddings: Vectors

    @classmethod
    def of(cls, activity: npt.ArrayLike, pieces: npt.NDArray[np.int32], embeddings: Vectors) -> WindowResults:
        """The results of windows with this activity."""
        return cls(np.packbits(np.asarray(activity, dtype=bool), axis=-1), pieces, embeddings)

    @classmethod
    def empty(cls, windows: int) -> WindowResults:
        """So many windows in which no speaker is active."""
        return cls.of(np.zeros((windows, 1, FRAMES), bool), np.zeros((0, 4), np.int32), np.zeros((0, 0), np.float32))

    @property
    def windows(self) -> int:
        """How many windows there are."""
        return len(self.bits)

    @property
    def activity(self) -> Mask:
        """Who is active when: bool, shape (windows, local speakers, FRAMES)."""
        return np.unpackbits(self.bits, axis=-1, count=FRAMES).astype(bool)


def window_count(samples: int) -> int:
    """Number of windows in which every sample is in one."""
    return 0 if samples <= 0 else 1 + max(0, -(-(samples - WINDOW) // HOP))


def zone(*, first: bool, last: bool) -> slice:
    """The frames that a window decides: its middle, up to the ends of the recording."""
    return slice(0 if first else LEAD, FRAMES if last else LEAD + HOP_FRAMES)


def runs(mask: Mask) -> list[tuple[int, int]]:
    """The runs of true values: (first, after the last)."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def same_direction(vectors: Any) -> Any:
    """Scale each row to length 1; a zero row is unchanged."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(norm == 0.0, 1.0, norm)
