"""When each token is spoken: what the decoder attends to while it chooses the token.

A few heads of the attention to the sound follow the speech. Their weights, averaged, are the likelihood of each frame;
the frames of a text are the most likely ones that ascend (as Whisper's alignment, Radford et al. 2022, without
its path through every frame).
"""

import numpy as np
import numpy.typing as npt

from asrcli.backends.moonshine.sizes import Head
from asrcli.backends.moonshine.weights import Array

#: likelihood of a frame that no head attends to
_LEAST = 1e-4
#: Each head's most attended frame is near the token's (frames) for most tokens, else the heads do not follow the
#: speech: noise, or a model of the same sizes that was trained apart. In 19 chunks of read speech the least part was
#: 0.83 (tiny-en) and 0.80 (base-en); that of three heads at random was 0.48 and 0.44 (medians of 40).
_NEAR, _LEAST_NEAR = 6, 0.6


def token_frames(queries: Array, keys: Array, heads: tuple[Head, ...]) -> npt.NDArray[np.int64] | None:
    """The frame at which each token begins, no two the same; None where the heads do not follow the speech.

    `queries` is (tokens, heads, width of a head), `keys` (heads, frames, width of a head).
    """
    attention = np.stack([_attention(queries[:, at], keys[at], head.late) for at, head in enumerate(heads)])
    frames = _ascending(attention.mean(axis=0))
    near = np.abs(attention.argmax(axis=2) - frames) <= _NEAR
    return frames if near.mean() >= _LEAST_NEAR else None


def _attention(queries: Array, keys: Array, late: int) -> Array:
    """What a head attends to (tokens, frames), earlier by so many frames as the head is late."""
    scores = queries @ keys.T * queries.shape[1] ** -0.5
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    moved: Array = np.zeros_like(weights)
    count = weights.shape[1]
    moved[:, max(0, -late) : count - late] = weights[:, max(0, late) : count + late]
    return moved


def _ascending(attention: Array) -> npt.NDArray[np.int64]:
    """The most likely frames of the tokens, each behind that of the token before. There are more frames than tokens."""
    costs = -np.log(attention + _LEAST)
    places = np.arange(costs.shape[1])
    origins = np.zeros(costs.shape, np.int64)
    total = costs[0]
    for token in range(1, len(costs)):
        least = np.minimum.accumulate(total)
        origins[token, 1:] = np.maximum.accumulate(np.where(total == least, places, 0))[:-1]
        total = costs[token] + np.concatenate([[np.inf], least[:-1]])
    frames = np.empty(len(costs), np.int64)
    frames[-1] = total.argmin()
    for token in range(len(costs) - 1, 0, -1):
        frames[token - 1] = origins[token, frames[token]]
    return frames
