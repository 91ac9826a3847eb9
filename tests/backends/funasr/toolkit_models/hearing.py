"""What the models have in common: the ear, and the form of their folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from tests.tone.bands import Bands

BANDS, STACKED = 80, 7
INPUT = BANDS * STACKED
#: log energy by which a tone's own band is above those around it
HEARD = 4.0
#: an indicator is 1 where a tone is heard, with a slope of so much a nat
SLOPE = 20.0
ANCHOR = 1000.0
FRONTEND = {
    "fs": 16000,
    "window": "hamming",
    "n_mels": BANDS,
    "frame_length": 25,
    "frame_shift": 10,
    "lfr_m": STACKED,
    "lfr_n": 6,
    "dither": 0.0,
}
#: sounds like 高, and is written only if it is a hotword
HOMOPHONE = "糕"


def write_folder(folder: Path, config: dict[str, Any], model: torch.nn.Module, files: dict[str, Any]) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    metas = {
        "init_param": "model.pt",
        "config": "config.yaml",
        "frontend_conf": {"cmvn_file": "am.mvn"},
        **files,
    }
    (folder / "configuration.json").write_text(
        json.dumps({"framework": "pytorch", "model": {"type": "funasr"}, "file_path_metas": metas}), encoding="utf-8"
    )
    shift = np.zeros(INPUT)
    shift[-2:] = ANCHOR, -ANCHOR
    rows = [" ".join(["<LearnRateCoef> 0 [", *(f"{value:g}" for value in row), "]"]) for row in (shift, np.ones(INPUT))]
    (folder / "am.mvn").write_text(
        f"<Nnet>\n<AddShift> {INPUT} {INPUT}\n{rows[0]}\n<Rescale> {INPUT} {INPUT}\n{rows[1]}\n</Nnet>\n"
    )
    torch.save(model.state_dict(), folder / "model.pt")


def blank_model(class_name: str, config: dict[str, Any], vocabulary: int) -> Any:
    import funasr  # noqa: F401 - registers the classes
    from funasr.register import tables

    settings = {**config, **config["model_conf"], "input_size": INPUT, "vocab_size": vocabulary}
    model = tables.model_classes[class_name](**settings)
    for name, parameter in model.named_parameters():
        if "norm" not in name:
            parameter.zero_()
    return model


def norm_of_anchor(size: int) -> float:
    """What a layer norm divides by."""
    return ANCHOR * float(np.sqrt(2 / size))


class Listening:
    """The one encoder layer: from stacked frames to scores in nats, and from these to whatever a unit makes of them."""

    def __init__(self, layer: Any, size: int, zero: int) -> None:
        """`zero`: a dimension that always is, from which others are reported once the norm has taken off their mean."""
        self._attention, self._feed, self._size, self._zero = layer.self_attn, layer.feed_forward, size, zero
        self._units = 0

    def hear(self, words: int) -> None:
        """Dimension k: how far tone k is out in the middle frame of a stack; the last two: the anchor."""
        scale = norm_of_anchor(INPUT)
        weights = Bands(count=BANDS, high=8000.0).weights(words).T * scale
        middle = BANDS * (STACKED // 2)
        self.value[:words, middle : middle + BANDS] = torch.from_numpy(weights)
        self.value_bias[-2:] = torch.tensor([ANCHOR, -ANCHOR])

    @property
    def value(self) -> Any:
        """(size, 560): what becomes of a frame."""
        return self._attention.linear_q_k_v.weight[2 * self._size :]

    @property
    def value_bias(self) -> Any:
        return self._attention.linear_q_k_v.bias[2 * self._size :]

    def unit(self, inputs: dict[int, float], threshold: float, outputs: dict[int, float]) -> None:
        """Add a unit: outputs += relu(sum of weighted inputs - threshold)."""
        unit, self._units = self._units, self._units + 1
        for dimension, weight in (inputs | {self._zero: -sum(inputs.values())}).items():
            self._feed.w_1.weight[unit, dimension] = weight * norm_of_anchor(self._size)
        self._feed.w_1.bias[unit] = -threshold
        for dimension, weight in outputs.items():
            self._feed.w_2.weight[dimension, unit] = weight

    def indicate(self, score: int, to: int, height: float) -> None:
        """Dimension `to` is `height` where a score is above `HEARD`, else 0."""
        self.unit({score: SLOPE}, SLOPE * HEARD, {to: height})
        self.unit({score: SLOPE}, SLOPE * HEARD + 1, {to: -height})


class Dimensions:
    """Where what is in the encoder's and the decoders' vectors."""

    def __init__(self, words: int) -> None:
        self.words = words
        #: tone k heard: 8 + k
        self.heard = words
        self.hotword, self.no_hotword = 2 * words, 2 * words + 1
        self.anchor = 2 * words + 2
        self.size = 2 * words + 4
