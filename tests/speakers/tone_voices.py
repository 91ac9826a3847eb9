"""Speaker models of a few kB in which a voice is a tone: segmentation and embedding, for the real engine to load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from asrcli.backends.types import ModelSpec
from asrcli.transcript import Turn
from tests.tone.graph import FLOAT, Graph

RATE = 16000
#: the voices, Hz
VOICES = (440.0, 1000.0, 2300.0)

_WINDOW, _FIELD, _STEP = 160000, 991, 270
#: the sets of speakers that the classes of segmentation stand for
_POWERSET = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
_AUDIBLE = 0.03


def build_segmentation(path: Path) -> Path:
    """Marks in each frame which of the tones sound."""
    g = Graph()
    time = np.arange(_FIELD) / RATE
    waves = [wave(2 * np.pi * pitch * time) for pitch in VOICES for wave in (np.cos, np.sin)]
    kernels = np.array(waves)[:, None, :] * (2 / _FIELD)
    power = g.op("Mul", *[g.op("Conv", "x", g.const(kernels), strides=[_STEP])] * 2)
    frames = g.op("Transpose", power, perm=[0, 2, 1])
    pairs = np.kron(np.eye(3), np.ones((2, 1)))
    heard = g.op("Greater", g.op("MatMul", frames, g.const(pairs)), g.const(_AUDIBLE**2))
    # +1 for each voice that is as the class has it, -1 for each that is not
    signs = np.array([[1.0 if voice in members else -1.0 for members in _POWERSET] for voice in range(3)])
    sides = g.op("Sub", g.op("Mul", g.op("Cast", heard, to=FLOAT), g.const(2.0)), g.const(1.0))
    g.op("MatMul", sides, g.const(signs), out="y")
    g.save(
        path,
        [("x", FLOAT, ["N", 1, "T"])],
        [("y", FLOAT, ["N", "F", 7])],
        {
            "model_type": "pyannote-segmentation-3.0", "num_speakers": 3, "powerset_max_classes": 2, "num_classes": 7,
            "sample_rate": RATE, "window_size": _WINDOW, "receptive_field_size": _FIELD,
            "receptive_field_shift": _STEP, "version": 1,
        },
    )  # fmt: skip
    return path


def build_embedding(path: Path) -> Path:
    """The mean spectrum, sharpened: near one-hot at the tone's band."""
    g = Graph()
    g.op("Softmax", g.op("ReduceMean", "x", axes=[1], keepdims=0), axis=1, out="embedding")
    g.save(
        path,
        [("x", FLOAT, ["N", "T", 80])],
        [("embedding", FLOAT, ["N", 80])],
        {
            "framework": "wespeaker", "language": "English", "output_dim": 80, "sample_rate": RATE,
            "normalize_samples": 0, "comment": "tones", "url": "",
        },
    )  # fmt: skip
    return path


def build_specs(folder: Path) -> tuple[ModelSpec, ModelSpec]:
    """What the registry would make of both models."""
    return (
        ModelSpec(
            "tone-segmentation", "pyannote", {"model": build_segmentation(folder / "segmentation.onnx")}, digest="s"
        ),
        ModelSpec(
            "tone-embedding",
            "speaker_embedding",
            {"model": build_embedding(folder / "embedding.onnx")},
            options={"cluster_threshold": 0.7},
            digest="e",
        ),
    )


def conversation(turns: Sequence[Turn], seconds: float, *, seed: int = 0) -> np.ndarray:
    """Tones that sound as the turns say, speakers named by the number of the voice; float32 over faint noise."""
    audio = np.random.default_rng(seed).normal(0, 0.001, round(seconds * RATE))
    for turn in turns:
        span = slice(round(turn.start * RATE), round(turn.end * RATE))
        time = np.arange(span.stop - span.start) / RATE
        audio[span] += 0.2 * np.sin(2 * np.pi * VOICES[int(turn.speaker)] * time)
    return audio.astype(np.float32)
