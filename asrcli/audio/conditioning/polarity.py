"""Where the sign between two channels changes: around it, a mix cancels one side or the other."""

import numpy as np
import numpy.typing as npt

#: energy of the mix as a share of its channels' energies: 1 where they are unrelated. Below the first figure they carry
#: one sound with opposite signs, above the second one they do not.
GONE, _KEPT = 0.02, 0.6
#: in a window that cancels, each channel has at least this share of the louder one's energy
_BOTH = 0.1


def sign_changes(
    sums: npt.NDArray[np.float64], weight: float, silence: float, span: int
) -> npt.NDArray[np.bool_] | None:
    """Of each run of `span` windows, whether the sign between two channels changes in it; None where it never does.

    `sums` (windows + 1, 3) up to the edges of windows: the energies of the channels and of their mix, with a `weight`
    for each; windows whose energy is not above `silence` do not count.
    """
    windows = sums[1:] - sums[:-1]
    left, right, mixed = windows.T
    separate = (left + right) * weight**2
    sound = separate > silence
    gone = sound & (mixed < GONE * separate) & (np.minimum(left, right) > _BOTH * np.maximum(left, right))
    kept = sound & (mixed > _KEPT * separate)
    count = len(mixed) - span + 1
    runs = [slice(first, first + count) for first in range(span)]
    found: npt.NDArray[np.bool_] = np.logical_or.reduce([gone[run] for run in runs])
    found &= np.logical_or.reduce([kept[run] for run in runs])
    return found if found.any() else None
