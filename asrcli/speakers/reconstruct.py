"""From local speakers in overlapping windows to turns of voices in the recording.

As in pyannote.audio's pipeline: each frame is heard by several windows, which vote. How many speak is the mean of what
the windows heard, rounded; who they are are the voices with most votes (Bredin, "pyannote.audio 2.1 speaker diarization
pipeline", Interspeech 2023). Windows are taken one after the other, so memory does not grow with the recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from asrcli.speakers.types import FRAME_OFFSET, FRAME_SECONDS, FRAMES, HOP_FRAMES, Vectors
from asrcli.transcript import Turn

#: two local speakers of one window are one voice only if that gains them more similarity than this
_SHARING = 0.3
#: how many of the nearest voices are considered for each local speaker
_NEAREST = 3


def name_locals(embeddings: Vectors, voices: Vectors) -> tuple[int, ...]:
    """The voice of each local speaker of one window: the choice with most similarity in all. `embeddings` have the
    shape (n, dimensions), n at most a few; `voices` (voices, dimensions).
    """
    similar = embeddings @ voices.T
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :_NEAREST]

    def merit(choice: tuple[int, ...]) -> float:
        gained = sum(float(similar[row, voice]) for row, voice in enumerate(choice))
        return gained - _SHARING * (len(choice) - len(set(choice)))

    return max(product(*nearest.tolist()), key=merit)


def frames_of_voices(
    windows: Iterable[tuple[npt.NDArray[np.bool_], Sequence[tuple[int, int]]]], voices: int
) -> Iterator[npt.NDArray[np.bool_]]:
    """The speakers in each frame: bool, shape (voices, HOP_FRAMES) for each hop, at the end the rest of the last
    window. `windows` has for each window its activity, shape (local speakers, FRAMES), and (local speaker, voice)
    pairs.
    """
    votes = np.zeros((voices, FRAMES), dtype=np.int16)
    speaking = np.zeros(FRAMES, dtype=np.int16)
    heard = np.zeros(FRAMES, dtype=np.int16)
    for number, (activity, pairs) in enumerate(windows):
        if number:
            yield _decide(votes[:, :HOP_FRAMES], speaking[:HOP_FRAMES], heard[:HOP_FRAMES])
            for buffer in (votes, speaking, heard):
                buffer[..., :-HOP_FRAMES] = buffer[..., HOP_FRAMES:].copy()
                buffer[..., -HOP_FRAMES:] = 0
        named = np.zeros((voices, FRAMES), dtype=bool)
        for local, voice in pairs:
            named[voice] |= activity[local]
        votes += named
        speaking += named.sum(axis=0, dtype=np.int16)
        heard += 1
    yield _decide(votes, speaking, heard)


def _decide(
    votes: npt.NDArray[np.int16], speaking: npt.NDArray[np.int16], heard: npt.NDArray[np.int16]
) -> npt.NDArray[np.bool_]:
    # Half a speaker is a speaker: missed speech costs words their name, a false alarm costs little.
    count = (2 * speaking + heard) // np.maximum(2 * heard, 1)
    rank = np.empty_like(votes)
    order = np.argsort(-votes, axis=0, kind="stable")
    np.put_along_axis(rank, order, np.arange(len(votes), dtype=np.int16)[:, None], axis=0)
    return np.asarray((rank < count) & (votes > 0))


def turns_of(blocks: Iterator[npt.NDArray[np.bool_]], voices: int) -> list[Turn]:
    """Runs of frames as turns, speakers called "0", "1", ...; seconds from the first frame."""
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
