"""Greedy search over several chunks at once: each gets the tokens that it would get alone."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxruntime import OrtValue

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.certainty import mean_log_probability
from asrcli.backends.moonshine.alignment import token_frames
from asrcli.backends.moonshine.sizes import END, HALF, START, STRIDES, read_geometry
from asrcli.backends.moonshine.weights import Array, Weights
from asrcli.storage.onnx_session import cached_session

#: no speech has more: most scripts are spelled in bytes, and fast Chinese takes 20
_TOKENS_A_SECOND = 30
#: finished sequences are dropped from the batch when they are so large a part of it: dropping copies the rest
_DROPPED = 0.25
#: code that graphs are made by
_MODULES = ("architecture", "cross_attention", "graph", "sizes", "weights")
_FRAME = int(np.prod(STRIDES)) / SAMPLE_RATE

#: Chunks are padded to multiples of so many frames, and only those that are padded alike are decoded together. The sums
#: of attention round differently with every length that they run over. Where two tokens are about equally good, that
#: decides; and a recording's text must not hang on which others it was decoded with.
_STEP = 128

Frames = npt.NDArray[np.float32]


def size_class(samples: int) -> int:
    """Chunks of so many samples are padded, and so decoded together, with those of the same class."""
    return _steps(frame_count(samples))


def token_limit(frames: int) -> int:
    """The most tokens that are searched for in so many frames."""
    return int(frames * _FRAME * _TOKENS_A_SECOND)


def frame_count(samples: int) -> int:
    """About how many frames so many samples become."""
    return max(1, samples // int(np.prod(STRIDES)) - 1)


def _steps(frames: int) -> int:
    return -(-frames // _STEP)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was decoded in a chunk."""

    #: without those of start and end
    tokens: list[int]
    #: when each token begins, seconds from the chunk's start; empty where the attention does not show it
    starts: list[float]
    #: see `mean_log_probability`; of the end as well
    certainty: float = 0.0


class Moonshine:
    """The model. Thread-safe: calls of several threads do not wait for each other."""

    def __init__(self, encoder: Path, decoder: Path, digest: str = "") -> None:
        """Load the graphs, or build them out of the weights; `digest` is that of both files, if it is known. Raises
        UnknownGraphError: files of another form.
        """
        graphs = _Graphs({"encoder": encoder, "decoder": decoder}, digest)
        with ThreadPoolExecutor(2) as pool:
            loaded = [pool.submit(graphs.session, name) for name in ("decoder", "encoder", "cross")]
            self._decoder, self._encoder, self._cross = (each.result() for each in loaded)
        self._sizes = read_geometry(self._decoder)
        self._outputs = [port.name for port in self._decoder.get_outputs()]
        ports = self._decoder.get_inputs()
        #: shapes of what the decoder attends to
        self._attended = {port.name: port.shape for port in ports if port.name.startswith("cross.")}

    def encode(self, samples: Samples) -> Frames:
        """(samples,) at 16 kHz to (1, time, width)."""
        frames: Frames = self._encoder.run(None, {"samples": samples[np.newaxis]})[0]
        return frames

    def decode(self, chunks: Sequence[Frames]) -> list[Decoded]:
        """What each chunk has: the same with whatever others it comes."""
        decoded: dict[int, Decoded] = {}
        rows: dict[int, list[int]] = {}
        for row, chunk in enumerate(chunks):
            rows.setdefault(_steps(chunk.shape[1]) * _STEP, []).append(row)
        for length, group in rows.items():
            decoded.update(zip(group, self._decode([chunks[row] for row in group], length), strict=True))
        return [decoded[row] for row in range(len(chunks))]

    def _decode(self, chunks: Sequence[Frames], length: int) -> list[Decoded]:
        heard = self._heard(chunks, length)
        keys = [self._followed(heard, row, chunk.shape[1]) for row, chunk in enumerate(chunks)]
        batch = _Batch(chunks, heard, length)
        binding = self._decoder.io_binding()
        names = self._sizes.caches("past")
        free: dict[str | int, str | int] = {"batch": len(chunks), "past": 0}
        past = {
            name: OrtValue.ortvalue_from_numpy(np.zeros([int(free.get(size, size)) for size in shape], np.float32))
            for name, shape in names.items()
        }
        batch.bind(binding)
        for position in range(max(batch.limits)):
            binding.bind_cpu_input("token", batch.last)
            binding.bind_cpu_input("position", np.full_like(batch.last, position))
            for name, value in past.items():
                binding.bind_ortvalue_input(name, value)
            for output in self._outputs:
                binding.bind_output(output)
            self._decoder.run_with_iobinding(binding)
            made = dict(zip(self._outputs, binding.get_outputs(), strict=True))
            past = dict(zip(names, (made[name] for name in self._sizes.caches("present")), strict=True))
            queries = made["queries"].numpy() if "queries" in made else None
            kept = batch.take(made["next"].numpy(), made["probability"].numpy(), queries)
            if kept is not None:
                if not len(kept):
                    break
                past = {name: OrtValue.ortvalue_from_numpy(value.numpy()[kept]) for name, value in past.items()}
                batch.bind(binding)
        return [
            Decoded(tokens, self._starts(batch.queries[row], keys[row]), batch.certainty(row))
            for row, tokens in enumerate(batch.tokens)
        ]

    def _followed(self, heard: Mapping[str, Array], row: int, frames: int) -> Array | None:
        """What the heads that follow the speech attend to in one chunk, (heads, frames, width of a head)."""
        keys = []
        for head in self._sizes.following:
            values = heard[f"cross.{head.layer}.key"][row, head.number, :, :frames].T
            middle = 0 if values.dtype == np.int8 else HALF
            scale = heard[f"cross.{head.layer}.key_scale"][row, head.number]
            keys.append((values.astype(np.float32) - middle) * scale)
        return np.stack(keys) if keys else None

    def _starts(self, queries: Sequence[Array], keys: Array | None) -> list[float]:
        if keys is None or not queries:
            return []
        heads = self._sizes.following
        frames = token_frames(np.reshape(queries, (len(queries), len(heads), -1)), keys, heads)
        return [] if frames is None else [float(frame * _FRAME) for frame in frames]

    def _heard(self, chunks: Sequence[Frames], longest: int) -> dict[str, Array]:
        """What the decoder attends to, padded to one length."""
        heard: dict[str, Array] = {}
        for row, chunk in enumerate(chunks):
            parts = self._cross.run(list(self._attended), {"frames": chunk})
            for (name, shape), part in zip(self._attended.items(), parts, strict=True):
                if name not in heard:
                    whole = [longest if size == "frames" else size for size in shape[1:]]
                    heard[name] = np.zeros([len(chunks), *whole], part.dtype)
                heard[name][row][tuple(map(slice, part.shape[1:]))] = part[0]
        return heard


class _Graphs:
    """The three graphs of a model: the weights are only read for one that is not in the cache."""

    def __init__(self, paths: Mapping[str, Path], digest: str) -> None:
        self._paths = paths
        code = [Path(__file__).with_name(f"{module}.py") for module in _MODULES]
        self._sources = [*([digest] if digest else paths.values()), *code]
        self._lock = Lock()
        self._weights: dict[str, Weights] = {}

    def session(self, name: str) -> Any:
        """The session of "encoder", "cross" or "decoder"."""
        # Without plans of its memory: the runtime would keep one for each shape of its inputs that it has met, of which
        # there are as many as lengths of chunks.
        return cached_session(f"moonshine-{name}", self._sources, lambda: self._build(name), enable_mem_pattern=False)

    def _build(self, name: str) -> bytes:
        from asrcli.backends.moonshine import architecture
        from asrcli.backends.moonshine.cross_attention import cross_graph

        with self._lock:  # two at a time would take the memory of both
            for half, path in self._paths.items():
                if half not in self._weights:
                    self._weights[half] = Weights(path)
            sizes = architecture.geometry(self._weights["decoder"])
            build = {
                "encoder": architecture.encoder_graph,
                "cross": cross_graph,
                "decoder": architecture.decoder_graph,
            }[name]
            return build(self._weights["encoder" if name == "encoder" else "decoder"], sizes)


class _Batch:
    """Sequences on their way: what each has so far, and which rows of the batch they are."""

    def __init__(self, chunks: Sequence[Frames], heard: dict[str, Array], length: int) -> None:
        lengths = [chunk.shape[1] for chunk in chunks]
        self.limits = [token_limit(length) for length in lengths]
        self.tokens: list[list[int]] = [[] for _ in chunks]
        #: of the step that chose each token
        self.queries: list[list[Array]] = [[] for _ in chunks]
        #: of each token, and of the end
        self._probabilities: list[list[float]] = [[] for _ in chunks]
        self.last = np.full((len(chunks), 1), START, np.int64)
        self._rows = list(range(len(chunks)))  # row of the batch -> chunk
        self._ended = [limit == 0 for limit in self.limits]
        beyond = np.arange(length) >= np.array(lengths)[:, np.newaxis]
        mask = np.where(beyond, np.float32(-1e9), np.float32(0))[:, np.newaxis, np.newaxis]
        self._inputs: dict[str, Array] = {"mask": mask, **heard}

    def bind(self, binding: Any) -> None:
        """Give the decoder what stays the same from step to step."""
        for name, value in self._inputs.items():
            binding.bind_cpu_input(name, value)

    def certainty(self, chunk: int) -> float:
        """How sure the model is of a chunk's tokens."""
        probabilities = self._probabilities[chunk]
        ended = len(probabilities) > len(self.tokens[chunk])
        return mean_log_probability([*self.tokens[chunk], *([END] if ended else [])], probabilities)

    def take(
        self, following: npt.NDArray[np.int64], probabilities: Array, queries: Array | None
    ) -> npt.NDArray[np.int64] | None:
        """Take the next token of each; the rows to go on with, where others are dropped."""
        for row, chunk in enumerate(self._rows):
            token = int(following[row, 0])
            if not self._ended[chunk]:
                self._probabilities[chunk].append(float(probabilities[row, 0, 0]))
            if not self._ended[chunk] and token != END:
                self.tokens[chunk].append(token)
                if queries is not None:
                    self.queries[chunk].append(queries[row, 0])
            self._ended[chunk] |= token == END or len(self.tokens[chunk]) >= self.limits[chunk]
        self.last = following
        alive = np.array([row for row, chunk in enumerate(self._rows) if not self._ended[chunk]], np.int64)
        if len(alive) and len(self._rows) - len(alive) < _DROPPED * len(self._rows):
            return None
        self._rows = [self._rows[row] for row in alive]
        self.last = following[alive]
        self._inputs = {name: _moved_up(value, alive) for name, value in self._inputs.items()}
        return alive


def _moved_up(value: Array, rows: npt.NDArray[np.int64]) -> Array:
    """These rows alone, in the memory of all: what is attended to is large, and a copy would double it."""
    for new, old in enumerate(rows):
        if new != old:
            value[new] = value[old]
    kept: Array = value[: len(rows)]
    return kept
