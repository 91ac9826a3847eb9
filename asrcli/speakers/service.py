"""The diarization service: segmentation and embeddings of windows, in the engine process.

Clustering is left to the client, which has the results of the whole recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import Samples
from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.speakers.networks import Embedding, Segmentation, load_networks
from asrcli.speakers.pieces import find_pieces, levels, never_alone
from asrcli.speakers.types import (
    FRAMES,
    HOP,
    WINDOW,
    DiarizationRequest,
    Mask,
    Vectors,
    WindowResults,
    same_direction,
    zone,
)

#: local speaker, first frame, frame after the last
Piece = tuple[int, int, int]


def load(spec: ModelSpec, threads: int) -> DiarizationService:
    """Load the models of a spec of `loading.diarization_spec`.

    Each call runs on one engine thread: parallelism is across jobs.
    """
    del threads
    return DiarizationService(*load_networks(spec))


class DiarizationService:
    """Analyses windows; jobs carry a `DiarizationRequest`, results are `WindowResults`."""

    batch_size = 1

    def __init__(self, segment: Segmentation, embed: Embedding) -> None:
        self._segment, self._embed = segment, embed

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Any]:
        return [self._analyse(job.samples, job.request) for job in jobs]

    def _analyse(self, samples: Samples, request: DiarizationRequest) -> WindowResults:
        activity: list[Mask] = []
        pieces: list[tuple[int, ...]] = []
        vectors: list[Vectors] = []
        last = request.windows - 1
        for number in range(request.windows):
            window = samples[number * HOP : number * HOP + WINDOW]
            active = self._segment(window)
            activity.append(active)
            decides = zone(first=request.starts and number == 0, last=request.ends and number == last)
            if active[:, decides].any():
                found = self._embedded(window, active, decides)
                pieces += [(number, *piece) for piece, _ in found]
                vectors += [vector for _, vector in found]
        return WindowResults.of(
            activity,
            pieces=np.array(pieces, dtype=np.int32).reshape(-1, 4),
            embeddings=np.array(vectors, np.float32).reshape(-1, self._embed.dimensions),
        )

    def _embedded(self, window: Samples, active: Mask, decides: slice) -> list[tuple[Piece, Vectors]]:
        """The pieces of a window with their embeddings. One between two of its run that are surely one voice is not
        embedded: the two have half of it each.
        """
        prepared = self._embed.prepare(window)
        found = _to_embed(active, decides, levels(window), self._embed.longest)
        pieces = [piece for piece, _ in found]
        joined = [one[0] == other[0] and one[2] == other[1] for (one, _), (other, _) in pairwise(found)]
        between = [number for number, both in enumerate(pairwise(joined), 1) if all(both)]
        vectors: dict[int, Vectors] = {}
        for number in [*sorted(set(range(len(found))).difference(between)), *between]:
            beside = [vectors[each] for each in (number - 1, number + 1) if each in vectors]
            if number in between and len(beside) == 2 and float(beside[0] @ beside[1]) > self._embed.sure:
                local, first, end = pieces[number]
                middle = (first + end) // 2
                pieces[number - 1] = (local, pieces[number - 1][1], middle)
                pieces[number + 1] = (local, middle, pieces[number + 1][2])
                continue
            vector = self._embed(prepared, found[number][1])
            if vector is not None and np.isfinite(vector).all():
                vectors[number] = same_direction(vector)
        return [(pieces[number], vectors[number]) for number in sorted(vectors)]


def _to_embed(active: Mask, decides: slice, level: npt.NDArray[np.float32], longest: int) -> list[tuple[Piece, Mask]]:
    """The pieces of a window with the frames to embed, at most `longest`."""
    pieces = find_pieces(active, decides, level)
    found = [(piece, _middle(piece[1], piece[2], longest)) for piece in pieces]
    # Who is only active together with others: a poor embedding is better than none.
    for local, frames in never_alone(active, decides, pieces):
        found.append(((local, 0, 0), frames & (np.cumsum(frames) <= longest)))
    return found


def _middle(first: int, end: int, longest: int) -> Mask:
    spare = max(0, end - first - longest)
    frames = np.zeros(FRAMES, dtype=bool)
    frames[first + spare // 2 : end - (spare - spare // 2)] = True
    return frames
