"""Models of a few kB that really recognise a synthetic language: eight tones, each a word.

`build` makes one of any kind in `BUILDERS` for the real engine to load; `tone_audio` speaks. What comes back is right
only if the audio went through features, graph and decoder: nothing in a model is tied to one recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asrcli.backends.types import ModelSpec
from tests.tone import attention, ctc, llm, moonshine, online, paraformer, punctuation, spelling, transducer
from tests.tone.bands import TONES

RATE = 16000
#: seconds of a tone, of the gap after it, and of a pause (None in a sequence)
TONE, GAP, PAUSE = 0.3, 0.2, 0.5

#: kind -> function of (folder, words); returns nothing, the folder then holds the model's files
BUILDERS = {
    **ctc.BUILDERS,
    **paraformer.BUILDERS,
    **transducer.BUILDERS,
    **attention.BUILDERS,
    **moonshine.BUILDERS,
    **spelling.BUILDERS,
    **llm.BUILDERS,
    **online.BUILDERS,
    **punctuation.BUILDERS,
}

#: what the tones are called: seven Latin words and one Chinese character
WORDS = ("do", "re", "mi", "fa", "sol", "la", "ti", "高")


def build(kind: str, folder: Path, words: Sequence[str] = WORDS) -> Path:
    """Write a model of a kind into a folder and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    BUILDERS[kind](folder, words)
    return folder


def quantize(folder: Path) -> Path:
    """Give a built model int8 weights, with activations quantised as it runs; return the folder."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    for path in folder.glob("*.onnx"):
        quantize_dynamic(path, path, weight_type=QuantType.QUInt8, op_types_to_quantize=["MatMul"])
    return folder


def tone_spec(kind: str, folder: Path, **fields: Any) -> ModelSpec:
    """What the registry would make of a built model; `fields` replace or add."""
    graphs = {"paraformer" if kind == "paraformer" else path.stem: path for path in folder.glob("*.onnx")}
    others = {path.stem: path for path in (folder / "tokens.txt", folder / "tokenizer") if path.exists()}
    files = graphs | others
    return ModelSpec(**{"name": f"tone-{kind}", "type": kind, "files": files, **fields})


#: Eight Thai words of six letters each: in Whisper's model of tones 9 tokens each, 18 a second.
DENSE_WORDS = tuple(
    "".join(chr(0x0E01 + 6 * word + letter) for letter in range(6)) for word in (0, 1, 2, 3, 4, 5, 6, 10)
)


def tone_audio(
    sequence: Sequence[int | None], *, level: float = 0.3, seed: int = 0, tone: float = TONE, gap: float = GAP
) -> np.ndarray:
    """Tones by number and pauses (None), float32 of shape (samples,) at 16 kHz, over faint noise.

    A tone of `tone` seconds has `gap` seconds of silence behind it.
    """
    parts = [np.zeros(round(GAP * RATE))]
    for number in sequence:
        if number is None:
            parts.append(np.zeros(round(PAUSE * RATE)))
            continue
        time = np.arange(round(tone * RATE)) / RATE
        # Edges of 10 ms keep clicks, which sound at all frequencies, out of the language.
        edge = np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
        parts += [level * edge * np.sin(2 * np.pi * TONES[number] * time), np.zeros(round(gap * RATE))]
    audio = np.concatenate(parts)
    return (audio + np.random.default_rng(seed).normal(0, level / 300, len(audio))).astype(np.float32)


def tone_starts(sequence: Sequence[int | None]) -> list[float]:
    """When each tone of a sequence begins, seconds."""
    starts, now = [], GAP
    for tone in sequence:
        if tone is None:
            now += PAUSE
        else:
            starts.append(now)
            now += TONE + GAP
    return starts
