"""Which frames of a window are embedded: pieces of one local speaker alone, and speakers who are never alone."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import Samples
from asrcli.speakers.types import FRAME_SECONDS, FRAME_STEP, FRAMES, Mask, runs

#: a pause up to this long in which no speaker is active does not end a piece, seconds
_GAP = 0.2
#: shortest and longest piece, seconds; a longer run is divided into parts. Segmentation may take two voices in turn for
#: one: the shorter the pieces, the fewer of them hold both.
_SHORTEST, _LONGEST = 0.4, 2.0
#: a run is divided at the quietest frame within so many of the end of an equal part (0.3 s)
_LEEWAY_FRAMES = 18
#: level is averaged over so many frames (0.1 s)
_SMOOTHED = 6


def levels(window: Samples) -> npt.NDArray[np.float32]:
    """Power at each frame of a window, smoothed: shape (FRAMES,)."""
    power = np.zeros(FRAMES * FRAME_STEP, np.float32)
    samples = window[: len(power)]
    power[: len(samples)] = samples**2
    smooth = np.ones(_SMOOTHED, np.float32) / _SMOOTHED
    return np.convolve(power.reshape(FRAMES, FRAME_STEP).mean(axis=1), smooth, mode="same")


def find_pieces(activity: Mask, zone: slice, level: npt.NDArray[np.float32]) -> list[tuple[int, int, int]]:
    """The pieces of a window: (local speaker, first frame, frame after the last).

    Args:
        activity: shape (local speakers, FRAMES).
        zone: the frames that this window decides.
        level: see `levels`.
    """
    speaking = activity.sum(axis=0)
    pieces: list[tuple[int, int, int]] = []
    for local, active in enumerate(activity):
        alone = _within(active & (speaking == 1), zone)
        found = runs(alone)
        for (_, end), (start, _) in pairwise(found):
            if (start - end) * FRAME_SECONDS <= _GAP and not speaking[end:start].any():
                alone[end:start] = True
        for start, end in runs(alone):
            if (end - start) * FRAME_SECONDS >= _SHORTEST:
                pieces += [(local, *span) for span in pairwise(_edges(start, end, level))]
    return pieces


def never_alone(activity: Mask, zone: slice, pieces: list[tuple[int, int, int]]) -> list[tuple[int, Mask]]:
    """Local speakers of a window without a piece, with their frames."""
    with_piece = {local for local, _, _ in pieces}
    found = [(local, _within(active, zone)) for local, active in enumerate(activity) if local not in with_piece]
    return [(local, frames) for local, frames in found if frames.any()]


def _edges(start: int, end: int, level: npt.NDArray[np.float32]) -> list[int]:
    """Where a run is divided, its ends included."""
    parts = int(np.ceil((end - start) * FRAME_SECONDS / _LONGEST))
    edges = [start]
    for edge in np.linspace(start, end, parts + 1)[1:-1].round().astype(int).tolist():
        near = slice(edge - _LEEWAY_FRAMES, edge + _LEEWAY_FRAMES + 1)
        edges.append(near.start + int(level[near].argmin()))
    return [*edges, end]


def _within(frames: npt.NDArray[np.bool_], zone: slice) -> Mask:
    inside = np.zeros_like(frames)
    inside[zone] = frames[zone]
    return inside
