"""FsmnVADStreaming (fsmn-vad) with weights set by hand: what is louder than about -50 dB is speech."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

_BANDS, _FRAMES = 80, 5
#: mean of the logarithms of a frame's energies that is as likely speech as not, and the slope there
_MIDDLE, _SLOPE = 5.0, 4.0


def build(class_name: str, folder: Path, words: Sequence[str]) -> None:
    import funasr  # noqa: F401 - registers the classes
    from funasr.register import tables

    del words
    size = _BANDS * _FRAMES
    config: dict[str, Any] = {
        "model": class_name,
        "model_conf": {"sil_pdf_ids": [0], "silence_pdf_num": 1, "speech_noise_thres": 0.6},
        "encoder": "FSMN",
        "encoder_conf": {
            "input_dim": size, "input_affine_dim": 1, "fsmn_layers": 4, "linear_dim": 1, "proj_dim": 1, "lorder": 20,
            "rorder": 0, "lstride": 1, "rstride": 0, "output_affine_dim": 1, "output_dim": 2,
        },
        "frontend": "WavFrontendOnline",
        "frontend_conf": {
            "fs": 16000, "window": "hamming", "n_mels": _BANDS, "frame_length": 25, "frame_shift": 10, "dither": 1.0,
            "lfr_m": _FRAMES, "lfr_n": 1,
        },
    }  # fmt: skip
    model = tables.model_classes[class_name](**config, **config["model_conf"])
    for name, parameter in model.named_parameters():
        # The loudness is passed on; each block adds a little of the last 0.2 s to it.
        parameter.fill_(0.001 if "conv_left" in name else 0.0 if name.endswith("bias") else 1.0)
    model.encoder.in_linear1.linear.weight.fill_(1 / size)
    model.encoder.out_linear2.linear.weight.copy_(torch.tensor([[-_SLOPE], [0.0]]))
    model.encoder.out_linear2.linear.bias.copy_(torch.tensor([_SLOPE * _MIDDLE, 0.0]))
    torch.save(model.state_dict(), folder / "model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    metas = {"init_param": "model.pt", "config": "config.yaml"}
    (folder / "configuration.json").write_text(json.dumps({"file_path_metas": metas}), encoding="utf-8")
