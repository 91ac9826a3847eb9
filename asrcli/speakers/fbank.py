"""Mel filter bank features as Kaldi computes them, in the form that WeSpeaker's embeddings were trained on.

Frames of 25 ms every 10 ms, DC removed, pre-emphasis 0.97, Hamming window, 512-point FFT, 80 mel bins from 20 Hz, no
dither.
Source: kaldi-asr/kaldi, `feat/feature-fbank.cc` and `feat/mel-computations.cc`.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import SAMPLE_RATE, Samples

#: features of a second, and samples from one to the next
RATE = 100
STEP = SAMPLE_RATE // RATE
_FRAME, _FFT, _BINS, _LOWEST = 400, 512, 80, 20.0
#: Kaldi reads samples as 16-bit integers
_SCALE = 32768.0
_FLOOR = np.float32(1.1920929e-07)

_Floats = npt.NDArray[np.float32]


def fbank(samples: Samples) -> _Floats:
    """Log mel energies less their mean over time: shape (frames, 80); no frames for less than 25 ms."""
    if len(samples) < _FRAME:
        return np.zeros((0, _BINS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples * np.float32(_SCALE), _FRAME)[::STEP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    emphasised = np.empty_like(frames)
    emphasised[:, 0] = frames[:, 0] * np.float32(0.03)
    np.multiply(frames[:, :-1], np.float32(-0.97), out=emphasised[:, 1:])
    emphasised[:, 1:] += frames[:, 1:]
    window, filters = _window(), _mel_filters()
    spectrum = np.fft.rfft(emphasised * window, _FFT)[:, : _FFT // 2]
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    features = np.log(np.maximum(power @ filters, _FLOOR))
    return np.asarray(features - features.mean(axis=0))


@cache
def _window() -> _Floats:
    return np.hamming(_FRAME).astype(np.float32)


@cache
def _mel_filters() -> _Floats:
    """Triangles that are equally spaced in mel: shape (FFT / 2, 80)."""

    def mel(frequency: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return 1127.0 * np.log1p(np.asarray(frequency, np.float64) / 700.0)

    edges = np.linspace(mel(_LOWEST), mel(SAMPLE_RATE / 2), _BINS + 2)
    bins = mel(np.arange(_FFT // 2) * SAMPLE_RATE / _FFT)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
