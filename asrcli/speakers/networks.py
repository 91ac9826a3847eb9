"""The networks of diarization in the engine process: community-1's on onnxruntime, FunASR's CAM++ in its toolkit,
others on sherpa-onnx.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.funasr.companions import EMBEDDING, load_embedding
from asrcli.backends.types import ModelSpec
from asrcli.speakers import fbank
from asrcli.speakers.types import FRAME_OFFSET, FRAME_SECONDS, FRAME_STEP, FRAMES, WINDOW, Mask, Vectors
from asrcli.storage.allocator import reuse_freed_blocks
from asrcli.storage.onnx_session import cached_session, load_runtime, open_session, saved_graph

#: an embedding of less is unreliable (and short inputs have crashed engines), seconds
_LEAST_SPEECH = 0.25


class Segmentation(Protocol):
    """Marks local speakers."""

    def __call__(self, window: Samples) -> Mask:
        """Who is active when: shape (local speakers, FRAMES), given at most WINDOW samples at 16 kHz."""


class Embedding(Protocol):
    """Embeds frames of a window."""

    dimensions: int
    #: most frames of a piece that are embedded
    longest: int
    #: pieces of one run that are more alike (cosine) are surely one voice
    sure: float

    def prepare(self, window: Samples) -> Any:
        """What all embeddings of a window share."""

    def __call__(self, prepared: Any, frames: Mask) -> Vectors | None:
        """The embedding of the marked frames; None: too little speech."""


def load_networks(spec: ModelSpec) -> tuple[Segmentation, Embedding]:
    """The networks of a spec of `loading.diarization_spec`.

    Raises:
        ModelError: a library does not contain its network.
    """
    from asrcli.models.builtin import SPEAKER_TYPES

    segmentation, embedding = spec.files["segmentation"], spec.files["embedding"]
    networks: dict[str, Callable[[Path], Embedding]] = {
        SPEAKER_TYPES["embedding"]: _CommunityEmbedding,
        EMBEDDING: _ToolkitEmbedding,
    }
    network = networks.get(spec.options["embedding_type"], _SherpaEmbedding)
    embed = network(embedding)
    if spec.options["segmentation_type"] == SPEAKER_TYPES["segmentation"]:
        return _CommunitySegmentation(segmentation), embed
    if network is _SherpaEmbedding:
        return _SherpaSegmentation(segmentation, embedding), embed
    return _PyannoteSegmentation(segmentation), embed


class _CommunitySegmentation:
    """The embedded segmentation: 0 or 1 for each frame and local speaker."""

    def __init__(self, path: Path) -> None:
        from asrcli.models.builtin import read_network

        self._session = _open_session(read_network(path, "segmentation"))

    def __call__(self, window: Samples) -> Mask:
        (found,) = self._session.run(None, {"waveforms": _padded(window)[None, None]})
        return _within(found[0].T > 0.5, window)


class _PyannoteSegmentation:
    """pyannote's segmentation 3.0 on onnxruntime: a class for each set of up to two of three local speakers."""

    _SETS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=bool)

    def __init__(self, path: Path) -> None:
        self._session = _open_session(str(path))

    def __call__(self, window: Samples) -> Mask:
        (scores,) = self._session.run(None, {self._session.get_inputs()[0].name: _padded(window)[None, None]})
        return _within(self._SETS[scores[0].argmax(axis=1)].T, window)


class _SherpaSegmentation:
    """pyannote's segmentation in sherpa-onnx.

    sherpa-onnx's `OfflineSpeakerDiarization` segments, embeds and clusters in one call. Given exactly one window it
    returns the segmentation alone, without embedding or clustering.
    """

    def __init__(self, path: Path, embedding: Path) -> None:
        import sherpa_onnx

        pyannote = sherpa_onnx.OfflineSpeakerSegmentationPyannoteModelConfig(model=str(path))
        config = sherpa_onnx.OfflineSpeakerDiarizationConfig(
            segmentation=sherpa_onnx.OfflineSpeakerSegmentationModelConfig(pyannote=pyannote, num_threads=1),
            embedding=sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(embedding), num_threads=1),
            clustering=sherpa_onnx.FastClusteringConfig(num_clusters=1),
            min_duration_on=0.0,
            min_duration_off=0.0,
        )
        self._segmenter = sherpa_onnx.OfflineSpeakerDiarization(config)

    def __call__(self, window: Samples) -> Mask:
        found = self._segmenter.process(_padded(window)).sort_by_start_time()
        speakers = np.zeros((3, FRAMES), dtype=bool)
        for turn in found:
            first, last = (round((time - FRAME_OFFSET) / FRAME_SECONDS) for time in (turn.start, turn.end))
            speakers[turn.speaker, first:last] = True
        return _within(speakers, window)


class _CommunityEmbedding:
    """The embedded WeSpeaker ResNet34, given features."""

    dimensions = 256
    #: 1.2 s of a piece: the whole is no better (docs/speakers.md), at 1.5 times the cost
    longest = round(1.2 / FRAME_SECONDS)
    #: two voices are 0.3 alike at most; 0.3 gives a wrong count more, 0.45 none (docs/speakers.md)
    sure = 0.45
    #: which frame of the segmentation each feature is in
    _FRAME_OF = np.minimum((np.arange(WINDOW // fbank.STEP) * fbank.STEP + 200) // FRAME_STEP, FRAMES - 1)

    def __init__(self, path: Path) -> None:
        from asrcli.models.builtin import read_network

        self._session = _open_unpacked(read_network(path, "embedding"))

    def prepare(self, window: Samples) -> npt.NDArray[np.float32]:
        return fbank.fbank(window)

    def __call__(self, prepared: npt.NDArray[np.float32], frames: Mask) -> Vectors | None:
        rows = prepared[frames[self._FRAME_OF[: len(prepared)]]]
        if len(rows) < _LEAST_SPEECH * fbank.RATE:
            return None
        weights = np.ones((1, len(rows)), np.float32)
        (vectors,) = self._session.run(None, {"fbank": rows[None], "weights": weights})
        return np.asarray(vectors[0])


class _SampleEmbedding:
    """A speaker embedding, given samples."""

    longest = FRAMES
    #: not measured for these
    sure = inf
    dimensions: int

    def prepare(self, window: Samples) -> Samples:
        return window

    def __call__(self, prepared: Samples, frames: Mask) -> Vectors | None:
        audio = prepared[np.repeat(frames, FRAME_STEP)[: len(prepared)].nonzero()[0]]
        return self._embed(audio) if len(audio) >= _LEAST_SPEECH * SAMPLE_RATE else None

    def _embed(self, audio: Samples) -> Vectors | None:
        raise NotImplementedError


class _ToolkitEmbedding(_SampleEmbedding):
    """CAM++ in FunASR's toolkit."""

    def __init__(self, path: Path) -> None:
        self._infer = load_embedding(path)
        self.dimensions = len(self._infer(np.ones(SAMPLE_RATE, np.float32)))

    def _embed(self, audio: Samples) -> Vectors:
        return np.asarray(self._infer(audio), np.float32)


class _SherpaEmbedding(_SampleEmbedding):
    """A speaker embedding in sherpa-onnx."""

    def __init__(self, path: Path) -> None:
        import sherpa_onnx

        config = sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(path), num_threads=1)
        self._extractor = sherpa_onnx.SpeakerEmbeddingExtractor(config)
        self.dimensions = self._extractor.dim

    def _embed(self, audio: Samples) -> Vectors | None:
        stream = self._extractor.create_stream()
        stream.accept_waveform(SAMPLE_RATE, audio)
        stream.input_finished()
        if not self._extractor.is_ready(stream):
            return None
        return np.array(self._extractor.compute(stream), dtype=np.float32)


def _open_unpacked(network: bytes) -> Any:
    """A network with 8-bit weights, which are made float32 once instead of at each run, and in the order in which
    convolutions are fastest: 0.75 of the time, equal results. onnxruntime does both to models in ONNX's format alone.
    """
    settings = {"graph_optimization_level": load_runtime().GraphOptimizationLevel.ORT_DISABLE_ALL}
    digest = hashlib.sha256(network).hexdigest()
    try:
        return cached_session(
            "speaker-embedding", [digest], lambda: saved_graph(network, "ONNX", **settings), **_reuse_memory()
        )
    except Exception:  # noqa: BLE001 -- no temporary file can be written; onnxruntime's errors have no class in common
        return _open_session(network)


def _open_session(model: bytes | str) -> Any:
    return open_session(model, **_reuse_memory())


@cache
def _reuse_memory() -> dict[str, Any]:
    """Settings of sessions whose layers reuse what others have freed: without that, segmentation takes 1.2 times the
    time. Windows are of one length, so an arena of onnxruntime's does not grow with the recording, but each session has
    one for each of its threads: 40 MB more for two.
    """
    return {"enable_cpu_mem_arena": not reuse_freed_blocks()}


def _padded(window: Samples) -> Samples:
    return np.pad(window, (0, WINDOW - len(window)))


def _within(speakers: Mask, window: Samples) -> Mask:
    """The activity without that in the padding."""
    speakers[:, -(-len(window) // FRAME_STEP) :] = False
    return speakers
