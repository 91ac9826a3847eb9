"""Which voice each piece and each local speaker of a window is, frame by frame.

A piece is the voice whose embedding is nearest. Speech of a local speaker outside its pieces follows the nearest piece
and the time that this local speaker shares with pieces of each voice, those of the neighbouring windows included.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from asrcli.speakers.types import (
    FRAME_OFFSET,
    FRAME_SECONDS,
    FRAMES,
    HOP_FRAMES,
    Mask,
    Vectors,
    WindowResults,
    runs,
    zone,
)
from asrcli.transcript import Turn

#: speech within so many seconds of a piece is likely of its voice
_NEAR = 1.0
#: how much the embedding of a local speaker who is never alone counts
_CROWDED = 0.5

_Floats = npt.NDArray[np.float64]


def frames_of_voices(parts: Sequence[WindowResults], voices: Vectors) -> Iterator[Mask]:
    """Who speaks in each frame of the recording.

    Args:
        parts: the results of all jobs, in order.
        voices: shape (voices, dimensions), of length 1; at least one.

    Yields:
        bool, shape (voices, frames), for one window after the other.
    """
    named = [part.embeddings.reshape(-1, voices.shape[1]) @ voices.T for part in parts]
    count = sum(part.windows for part in parts)
    known = np.full((count - 1) * HOP_FRAMES + FRAMES, -1, dtype=np.int16)
    for first, part, likeness in _with_first_window(parts, named):
        for (window, _, start, end), alike in zip(part.pieces.tolist(), likeness, strict=True):
            at = (first + window) * HOP_FRAMES
            known[at + start : at + end] = alike.argmax()
    for first, part, likeness in _with_first_window(parts, named):
        for number, activity in enumerate(part.activity):
            window = first + number
            rows = np.flatnonzero(part.pieces[:, 0] == number)
            decides = zone(first=window == 0, last=window == count - 1)
            around = known[window * HOP_FRAMES : window * HOP_FRAMES + FRAMES]
            naming = _Naming(activity, part.pieces[rows, 1:], likeness[rows], around)
            yield naming.frames(decides)[:, decides]


def _with_first_window(
    parts: Sequence[WindowResults], named: Sequence[Vectors]
) -> Iterator[tuple[int, WindowResults, Vectors]]:
    first = 0
    for part, likeness in zip(parts, named, strict=True):
        yield first, part, likeness
        first += part.windows


class _Naming:
    """One window."""

    def __init__(
        self, activity: Mask, pieces: npt.NDArray[np.int32], likeness: Vectors, known: npt.NDArray[np.int16]
    ) -> None:
        self._activity = activity
        self._pieces = pieces
        self._likeness = likeness
        voices = self._voices = likeness.shape[1]
        single = (activity.sum(axis=0) == 1) & (known >= 0)
        #: seconds that each local speaker shares with each voice's pieces
        shared = [np.bincount(known[active & single], minlength=voices) for active in activity]
        self._shared = np.array(shared, np.float64) * FRAME_SECONDS

    def frames(self, decides: slice) -> Mask:
        """The frames of each voice: bool, shape (voices, FRAMES)."""
        names = np.full(self._activity.shape, -1)
        leaning = np.zeros((len(self._activity), self._voices))
        for local, active in enumerate(self._activity):
            inside = np.zeros(FRAMES, dtype=bool)
            inside[decides] = active[decides]
            if inside.any():
                leaning[local] = self._name(local, inside, names[local])
        self._part(names, leaning)
        voices = np.zeros((self._voices, FRAMES), dtype=bool)
        for row in names:
            at = np.flatnonzero(row >= 0)
            voices[row[at], at] = True
        return voices

    def _name(self, local: int, inside: Mask, names: npt.NDArray[np.intp]) -> _Floats:
        """Name a local speaker's frames; returns what is known of it besides its pieces."""
        own = np.flatnonzero((self._pieces[:, 0] == local) & (self._pieces[:, 2] > 0))
        crowded = np.flatnonzero((self._pieces[:, 0] == local) & (self._pieces[:, 2] == 0))
        total = float(self._shared[local].sum())
        share = self._shared[local] / max(total, 1e-9)
        voice_of = self._likeness[own].argmax(axis=1)
        spans = self._pieces[own, 1:].tolist()
        for number, (start, end) in enumerate(spans):
            names[start:end] = np.where(inside[start:end], voice_of[number], names[start:end])
        leaning: _Floats = share
        if not total and not len(own) and len(crowded):
            leaning = _CROWDED * self._likeness[crowded[0]].astype(np.float64)
        for start, end in runs(inside & (names < 0)):
            weights = leaning.copy()
            if spans:
                gaps = [max(piece[0] - end, start - piece[1], 0) * FRAME_SECONDS for piece in spans]
                near = int(np.argmin(gaps))
                weights[voice_of[near]] += max(0.0, _NEAR - gaps[near])
            if weights.max() > 0.0:
                names[start:end] = weights.argmax()
        return leaning

    def _part(self, names: npt.NDArray[np.intp], leaning: _Floats) -> None:
        """Two local speakers at one frame are two voices."""
        evidence = leaning + self._shared / np.maximum(self._shared.sum(axis=1, keepdims=True), 1e-9)
        for frame in np.flatnonzero((names >= 0).sum(axis=0) > 1):
            locals_ = np.flatnonzero(names[:, frame] >= 0)
            voice = names[locals_[0], frame]
            if self._voices == 1 or len(set(names[locals_, frame].tolist())) == len(locals_):
                continue
            weaker = locals_[int(np.argmin([leaning[local, voice] + self._shared[local, voice] for local in locals_]))]
            weights = evidence[weaker].copy()
            weights[voice] = -1.0
            names[weaker, frame] = weights.argmax() if weights.max() > 0.0 else -1


def turns_of(blocks: Iterable[Mask], voices: int) -> list[Turn]:
    """Runs of frames as turns, speakers called "0", "1", ...; seconds from the first frame.

    Args:
        blocks: bool, shape (voices, frames), one after the other in time.
        voices: how many there are.
    """
    turns: list[Turn] = []
    since = np.full(voices, -1)
    at = 0

    def close(voice: int, frame: int) -> None:
        turns.append(Turn(_time(int(since[voice])), _time(frame), str(voice)))
        since[voice] = -1

    for block in blocks:
        before = np.concatenate([(since >= 0)[:, None], block[:, :-1]], axis=1)
        voice_of, frame_of = np.nonzero(before != block)
        for voice, frame in sorted(zip(voice_of.tolist(), frame_of.tolist(), strict=True), key=lambda pair: pair[1]):
            if since[voice] < 0:
                since[voice] = at + frame
            else:
                close(voice, at + frame)
        at += block.shape[1]
    for voice in map(int, np.flatnonzero(since >= 0)):
        close(voice, at)
    return turns


def _time(frame: int) -> float:
    return frame * FRAME_SECONDS + FRAME_OFFSET if frame else 0.0
