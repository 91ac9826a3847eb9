"""Which frames of a window are embedded: pieces of one local speaker alone, and speakers who are never alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asrcli.speakers.types import FRAME_SECONDS, Mask, runs

#: a pause up to this long in which no speaker is active does not end a piece, seconds
_GAP = 0.2
#: shortest and longest piece, seconds; a longer run is divided into equal parts
_SHORTEST, _LONGEST = 0.4, 4.0


def find_pieces(activity: Mask, zone: slice) -> list[tuple[int, int, int]]:
    """The pieces of a window: (local speaker, first frame, frame after the last).

    Args:
        activity: shape (local speakers, FRAMES).
        zone: the frames that this window decides.
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
            seconds = (end - start) * FRAME_SECONDS
            if seconds >= _SHORTEST:
                edges = np.linspace(start, end, int(np.ceil(seconds / _LONGEST)) + 1).round().astype(int).tolist()
                pieces += [(local, *span) for span in pairwise(edges)]
    return pieces


def never_alone(activity: Mask, zone: slice, pieces: list[tuple[int, int, int]]) -> list[tuple[int, Mask]]:
    """Local speakers of a window without a piece, with their frames."""
    with_piece = {local for local, _, _ in pieces}
    found = [(local, _within(active, zone)) for local, active in enumerate(activity) if local not in with_piece]
    return [(local, frames) for local, frames in found if frames.any()]


def _within(frames: npt.NDArray[np.bool_], zone: slice) -> Mask:
    inside = np.zeros_like(frames)
    inside[zone] = frames[zone]
    return inside
