"""What the diarization service and our side of it say to each other; plain data that crosses between processes.

The recording is heard through windows of `WINDOW` samples, one every `HOP`. In each, the segmentation model marks up
to three *local* speakers frame by frame; an embedding says what each of them sounds like. Which local speakers are
one voice is decided on our side, by clustering (`clustering`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import SAMPLE_RATE

#: receptive field of pyannote's segmentation model: one frame every 270 samples, each looking at 991
FRAME_STEP = 270
FRAME_FIELD = 991
#: frames a window gives, and its length in samples
FRAMES = 589
WINDOW = 10 * SAMPLE_RATE
#: frames from one window to the next (2.5 s): whole frames, so that windows lie on one grid. A hop of 1 s costs 2.5
#: times as much and gains no accuracy (docs/speakers.md).
HOP_FRAMES = 148
HOP = HOP_FRAMES * FRAME_STEP
#: windows in one job (47 s of audio, 3 MB)
WINDOWS_PER_JOB = 16

FRAME_SECONDS = FRAME_STEP / SAMPLE_RATE
#: time of the middle of frame 0
FRAME_OFFSET = FRAME_FIELD / 2 / SAMPLE_RATE

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class WindowResults:
    """The windows of one job, in order.

    Attributes:
        activity: bool, shape (windows, local speakers, FRAMES): who is heard when.
        window, local: int, shape (n,): whose voice each embedding is.
        embeddings: float32, shape (n, dimensions), of length 1.
        seconds: float32, shape (n,): how much speech without overlap each embedding was made of.
    """

    activity: npt.NDArray[np.bool_]
    window: npt.NDArray[np.int32]
    local: npt.NDArray[np.int32]
    embeddings: Vectors
    seconds: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DiarizationRequest:
    """What is asked of the samples of a job: so many windows, the first at its first sample."""

    windows: int


def window_count(samples: int) -> int:
    """How many windows are wanted so that every sample is heard by one."""
    return 0 if samples <= 0 else 1 + max(0, -(-(samples - WINDOW) // HOP))


def same_direction(vectors: Any) -> Vectors:
    """Scale each row to length 1; a zero row stays."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norm == 0.0, 1.0, norm), dtype=np.float32)
