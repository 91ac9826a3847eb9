"""CTTransformer (ct-punc), with random weights: its marks are noise, but its words are those of the text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml


def build(class_name: str, folder: Path, words: Sequence[str]) -> None:
    import funasr  # noqa: F401 - registers the classes
    from funasr.register import tables

    tokens = [*words, "<unk>"]
    (folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    config: dict[str, Any] = {
        "model": class_name,
        "model_conf": {
            "ignore_id": 0, "embed_unit": 16, "att_unit": 16, "dropout_rate": 0.1, "sentence_end_id": 3,
            "punc_list": ["<unk>", "_", "，", "。", "？", "、"], "punc_weight": [1.0] * 6,
        },
        "encoder": "SANMEncoder",
        "encoder_conf": {
            "input_size": 16, "output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1,
            "input_layer": "pe", "normalize_before": True, "kernel_size": 3, "sanm_shfit": 0, "padding_idx": 0,
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>"},
    }  # fmt: skip
    settings = {**config, **config["model_conf"], "vocab_size": len(tokens)}
    model = tables.model_classes[class_name](**settings)
    model.decoder.bias[0] = -100.0  # of <unk>, which trained models never choose
    torch.save(model.state_dict(), folder / "model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    metas = {"init_param": "model.pt", "config": "config.yaml", "tokenizer_conf": {"token_list": "tokens.json"}}
    (folder / "configuration.json").write_text(json.dumps({"file_path_metas": metas}), encoding="utf-8")
