"""Silero VAD version 4, as sherpa-onnx publishes it, run by sherpa-onnx.

Its Python API only separates speech from silence, so a "probability" from here is 1 or 0, decided at the threshold.
Versions 5 and later are computed in `vad.silero`, which is faster and gives real probabilities.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.errors import ModelError
from asrcli.storage.onnx_file import read_input_names
from asrcli.vad.types import WINDOW


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
