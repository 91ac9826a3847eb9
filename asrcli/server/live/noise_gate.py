"""Only who is close is heard: quiet stretches of a stream are taken for silence. Off unless asked for.

It keeps a television in the background out, and a quiet speaker as well. Block and levels are funasr-api's (protocol
contract, section 3.8).
"""

from __future__ import annotations

import numpy as np

from asrcli.audio.types import Samples

#: samples judged together (240 ms)
_BLOCK = 3840
#: somebody who is speaking may be this much quieter
_WHILE_SPEAKING = 0.6


class NoiseGate:
    """Replaces blocks below an RMS by silence, so that times stay as they are. One a stream."""

    def __init__(self, threshold: float) -> None:
        """Judge by a threshold, RMS of full scale (0.005 for quiet rooms, 0.015 for noisy ones)."""
        self._threshold = threshold
        self._rest = np.empty(0, np.float32)

    def push(self, samples: Samples, *, speaking: bool) -> Samples:
        """What the next (n,) samples complete, (m,).

        Args:
            samples: of the stream.
            speaking: whether a sentence is going on.
        """
        whole = np.concatenate([self._rest, samples])
        count = len(whole) // _BLOCK
        self._rest = whole[count * _BLOCK :]
        return self._judge(whole[: count * _BLOCK].reshape(-1, _BLOCK), speaking=speaking)

    def finish(self, *, speaking: bool) -> Samples:
        """The rest, (m,)."""
        rest, self._rest = self._rest, np.empty(0, np.float32)
        return self._judge(rest[None, :], speaking=speaking) if len(rest) else rest

    def _judge(self, blocks: Samples, *, speaking: bool) -> Samples:
        level = np.sqrt(np.mean(blocks**2, axis=1, keepdims=True))
        near = level >= self._threshold * (_WHILE_SPEAKING if speaking else 1.0)
        kept: Samples = (blocks * near).reshape(-1)
        return kept
