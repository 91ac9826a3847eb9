"""Which band of which filterbank detects which tone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

#: Hz; below 3.6 kHz lie those that a model at 8 kHz detects, too
TONES = (400.0, 650.0, 1000.0, 1450.0, 2050.0, 2900.0, 4200.0, 6000.0)


@dataclass(frozen=True)
class Bands:
    """A mel filterbank as kaldi-native-fbank lays it: `count` bands between two frequencies."""

    count: int = 80
    low: float = 20.0
    high: float = 7600.0
    scale: Literal["htk", "slaney"] = "htk"

    def of(self, frequency: float) -> int:
        """The band whose centre is nearest."""
        low, high = self._mel(self.low), self._mel(self.high)
        centres = low + (np.arange(self.count) + 1) * (high - low) / (self.count + 1)
        return int(np.argmin(np.abs(centres - self._mel(frequency))))

    def _mel(self, frequency: float) -> float:
        if self.scale == "htk":
            return 1127 * np.log(1 + frequency / 700)
        # Slaney: linear to 1 kHz, then logarithmic (librosa.hz_to_mel)
        if frequency < 1000:
            return frequency * 3 / 200
        return 15 + np.log(frequency / 1000) * 27 / np.log(6.4)

    def edges(self) -> np.ndarray:
        """Hz, (count + 2,): where the bands' triangles begin, peak and end (HTK's scale)."""
        low, high = self._mel(self.low), self._mel(self.high)
        return 700 * (np.exp(np.linspace(low, high, self.count + 2) / 1127) - 1)

    def weights(self, tones: int) -> np.ndarray:
        """(count, tones): how far a tone's band is above those around it.

        Levels cancel, and so does the slope that pre-emphasis and wider bands give to noise.
        """
        near, far = max(2, self.count // 16), max(4, self.count // 7)
        weights = np.zeros((self.count, tones), np.float32)
        for tone, frequency in enumerate(TONES[:tones]):
            centre = self.of(frequency)
            around = [band for band in range(self.count) if near <= abs(band - centre) <= far]
            weights[around, tone] = -1 / len(around)
            weights[centre, tone] = 1
        return weights


#: log energies: a tone's own band must stand so far above those around (natural logarithm)
THRESHOLD = 4.0
