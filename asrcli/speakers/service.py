"""The diarization service: segmentation and embeddings of windows, in the engine process.

sherpa-onnx's `OfflineSpeakerDiarization` segments, embeds and clusters in one call that holds the GIL and is quadratic
in the length of the recording. Given exactly one window it returns the segmentation alone, without embedding or
clustering; so it is asked window by window, `SpeakerEmbeddingExtractor` (which releases the GIL) embeds, and clustering
is left to the other side, which hears the whole recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sherpa_onnx

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.speakers.types import (
    FRAME_OFFSET,
    FRAME_SECONDS,
    FRAME_STEP,
    FRAMES,
    HOP,
    WINDOW,
    DiarizationRequest,
    WindowResults,
    same_direction,
)

#: below this an embedding says nothing (and short inputs have crashed engines)
_LEAST_SPEECH = 0.25


def load(spec: ModelSpec, threads: int) -> DiarizationService:
    """Load the models of a spec made by `models.diarization_spec`.

    Each call runs on one engine thread: parallelism is across jobs.
    """
    del threads
    return DiarizationService(spec.files["segmentation"], spec.files["embedding"])


class DiarizationService:
    """Analyses windows; jobs carry a `DiarizationRequest`, results are `WindowResults`."""

    batch_size = 1

    def __init__(self, segmentation: Path, embedding: Path) -> None:
        voice = sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(embedding), num_threads=1)
        pyannote = sherpa_onnx.OfflineSpeakerSegmentationPyannoteModelConfig(model=str(segmentation))
        config = sherpa_onnx.OfflineSpeakerDiarizationConfig(
            segmentation=sherpa_onnx.OfflineSpeakerSegmentationModelConfig(pyannote=pyannote, num_threads=1),
            embedding=voice,
            clustering=sherpa_onnx.FastClusteringConfig(num_clusters=1),
            min_duration_on=0.0,
            min_duration_off=0.0,
        )
        self._segmenter = sherpa_onnx.OfflineSpeakerDiarization(config)
        self._extractor = sherpa_onnx.SpeakerEmbeddingExtractor(voice)

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Any]:
        return [self._analyse(job.samples, job.request) for job in jobs]

    def _analyse(self, samples: Samples, request: DiarizationRequest) -> WindowResults:
        windows = [samples[i * HOP : i * HOP + WINDOW] for i in range(request.windows)]
        activity = [self._segment(window) for window in windows]
        owners: list[tuple[int, int]] = []
        embeddings: list[npt.NDArray[np.float32]] = []
        seconds: list[float] = []
        for index, (window, speakers) in enumerate(zip(windows, activity, strict=True)):
            alone = speakers & (speakers.sum(axis=0) == 1)
            for local in np.flatnonzero(speakers.any(axis=1)):
                clean = float(alone[local].sum()) * FRAME_SECONDS
                # Who is only heard under others is embedded from that: a poor likeness, but better than no name.
                frames = alone[local] if clean >= _LEAST_SPEECH else speakers[local]
                vector = self._embed(_audible(window, frames))
                if vector is not None:
                    owners.append((index, int(local)))
                    embeddings.append(vector)
                    seconds.append(clean)
        vectors = np.array(embeddings, dtype=np.float32).reshape(len(embeddings), self._extractor.dim)
        owner = np.array(owners, dtype=np.int32).reshape(-1, 2)
        width = max((len(speakers) for speakers in activity), default=0)
        return WindowResults(
            activity=np.array([_with_rows(speakers, width) for speakers in activity], dtype=bool),
            window=owner[:, 0],
            local=owner[:, 1],
            embeddings=same_direction(vectors),
            seconds=np.array(seconds, dtype=np.float32),
        )

    def _segment(self, window: Samples) -> npt.NDArray[np.bool_]:
        """Who is heard when: shape (local speakers, FRAMES)."""
        padded = np.zeros(WINDOW, dtype=np.float32)
        padded[: len(window)] = window
        found = self._segmenter.process(padded).sort_by_start_time()
        speakers = np.zeros((max((turn.speaker for turn in found), default=-1) + 1, FRAMES), dtype=bool)
        for turn in found:
            first, last = (round((time - FRAME_OFFSET) / FRAME_SECONDS) for time in (turn.start, turn.end))
            speakers[turn.speaker, first:last] = True
        speakers[:, -(-len(window) // FRAME_STEP) :] = False
        return speakers

    def _embed(self, audio: Samples) -> npt.NDArray[np.float32] | None:
        if len(audio) < _LEAST_SPEECH * SAMPLE_RATE:
            return None
        stream = self._extractor.create_stream()
        stream.accept_waveform(SAMPLE_RATE, audio)
        stream.input_finished()
        if not self._extractor.is_ready(stream):
            return None
        vector = np.array(self._extractor.compute(stream), dtype=np.float32)
        return vector if np.isfinite(vector).all() else None


def _audible(window: Samples, frames: npt.NDArray[np.bool_]) -> Samples:
    """The samples of the marked frames, joined."""
    return window[np.repeat(frames, FRAME_STEP)[: len(window)].nonzero()[0]]


def _with_rows(speakers: npt.NDArray[np.bool_], rows: int) -> npt.NDArray[np.bool_]:
    return np.pad(speakers, ((0, rows - len(speakers)), (0, 0)))
