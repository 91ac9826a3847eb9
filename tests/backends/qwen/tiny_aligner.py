"""A Qwen3-ForcedAligner of a few hundred kB with random weights: a Qwen3-ASR whose output are times."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import device_qwen
from tests.backends.qwen.tiny_model import AUDIO, TEXT

#: times that it distinguishes, and milliseconds of each
_TIMES, _STEP = 375, 80


def build(folder: Path) -> Path:
    """Write the folder, with the keys of config.json that the published aligner has."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import Qwen2TokenizerFast

    number = TEXT["vocab_size"]
    device_qwen.build(folder, audio=AUDIO, text={**TEXT, "vocab_size": number + 1})
    tokenizer = Qwen2TokenizerFast.from_pretrained(folder)
    tokenizer.add_tokens(["<timestamp>"], special_tokens=True)
    assert tokenizer.convert_tokens_to_ids("<timestamp>") == number
    tokenizer.save_pretrained(folder)

    path = folder / "config.json"
    config = json.loads(path.read_text())
    config |= {
        "timestamp_token_id": number, "timestamp_segment_time": _STEP,
        "support_languages": ["Chinese", "English", "French", "Japanese", "Korean"],
    }  # fmt: skip
    config["thinker_config"] |= {"model_type": "qwen3_forced_aligner", "classify_num": _TIMES}
    path.write_text(json.dumps(config))

    weights = {
        name: tensor * 20 if tensor.ndim > 1 else tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    weights["thinker.lm_head.weight"] = torch.randn(_TIMES, TEXT["hidden_size"])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
