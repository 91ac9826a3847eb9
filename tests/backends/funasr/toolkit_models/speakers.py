"""CAMPPlus (cam++), with random weights: its embeddings are noise, but the same noise for the same sound."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml


def build(class_name: str, folder: Path, words: Sequence[str]) -> None:
    import funasr  # noqa: F401 - registers the classes
    from funasr.register import tables

    del words
    sizes = {"feat_dim": 80, "embedding_size": 192, "growth_rate": 8}
    config = {"model": class_name, "model_conf": sizes}
    model = tables.model_classes[class_name](**sizes)
    torch.save(model.state_dict(), folder / "campplus_cn_common.bin")
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    metas = {"init_param": "campplus_cn_common.bin", "config": "config.yaml"}
    (folder / "configuration.json").write_text(json.dumps({"file_path_metas": metas}), encoding="utf-8")
