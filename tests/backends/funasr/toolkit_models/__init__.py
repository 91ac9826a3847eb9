"""Folders of a few kB that FunASR's own classes load and that really recognise tones (tests/tone), made with torch.

The weights are set by hand; nothing is trained. What makes that possible is an anchor: two dimensions that are always
+A and -A, so that each layer norm divides by the same number whatever the others say, and differences stay in nats.

Models of the same layers as the published ones: SenseVoiceSmall (tags before the text, forced alignment), Paraformer,
BiCifParaformer (times from firings at three times the frame rate), SeacoParaformer (hotwords through a recurrent bias
encoder and cross attention), and FunASRNano (an encoder whose frames stand in the prompt of a language model).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from toolkit_models import detection, nano, paraformer, punctuation, sense_voice, speakers

CLASSES = (
    "SenseVoiceSmall", "Paraformer", "BiCifParaformer", "SeacoParaformer", "FunASRNano", "CTTransformer", "CAMPPlus",
    "FsmnVADStreaming",
)  # fmt: skip


def build(class_name: str, folder: Path, words: Sequence[str]) -> Path:
    """Write the folder of a model of one of `CLASSES`."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    builders = {
        "SenseVoiceSmall": sense_voice.build,
        "FunASRNano": nano.build,
        "CTTransformer": punctuation.build,
        "CAMPPlus": speakers.build,
        "FsmnVADStreaming": detection.build,
    }
    with torch.no_grad():
        builders.get(class_name, paraformer.build)(class_name, folder, words)
    return folder
