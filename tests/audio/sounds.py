"""Recordings whose sound is known: short bursts at known times, and where they are heard afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from asrcli.audio import open_audio
from asrcli.audio.types import Samples, Source
from asrcli.options import AudioOptions

#: when the bursts sound, seconds
TIMES = (0.5, 2.0, 3.25)
LENGTH = 4.0


def bursts(rate: int, times: tuple[float, ...] = TIMES, length: float = LENGTH, pitch: float = 1000.0) -> Samples:
    """Bursts of some 20 ms, each centred on its time, over a faint noise that keeps encoders honest."""
    clock = np.arange(round(rate * length)) / rate
    sound = np.random.default_rng(7).standard_normal(len(clock)) * 1e-3
    for time in times:
        sound += 0.6 * np.sin(2 * np.pi * pitch * clock) * np.exp(-(((clock - time) / 0.006) ** 2))
    return sound.astype(np.float32)


def heard(samples: Samples, offset: float = 0.0) -> list[float]:
    """The times of the bursts: centres of energy of all that is loud."""
    energy = samples.astype(float) ** 2
    loud = np.flatnonzero(energy > 0.05)
    groups = np.split(loud, np.flatnonzero(np.diff(loud) > 1600) + 1) if len(loud) else []
    centres = []
    for group in groups:
        around = np.arange(max(0, group[0] - 200), min(len(samples), group[-1] + 200))
        centres.append(offset + float((energy[around] * around).sum() / energy[around].sum()) / 16000)
    return centres


class Decoded:
    """Everything that came out of one input."""

    def __init__(self, source: Source, options: AudioOptions) -> None:
        with open_audio(source, options) as stream:
            self.blocks = list(stream.blocks())
        self.stream: Any = stream
        self.channels = np.concatenate(self.blocks)
        self.mono = self.channels[:, 0]
        self.seconds = len(self.channels) / 16000
        self.warnings = stream.warnings

    def heard(self) -> list[float]:
        return heard(self.mono, self.stream.offset)
