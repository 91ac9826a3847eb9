"""A Qwen3-ASR model of a few hundred kB with random weights, made with the package's own classes.

`python -m tests.backends.qwen.tiny_model FOLDER` writes it for tests in an environment without that package.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks import device_qwen

AUDIO = {
    "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "d_model": 16, "output_dim": 64,
    "downsample_hidden_size": 8,
}  # fmt: skip
#: vLLM's attention on CPUs takes heads of 32 and more
TEXT: dict[str, Any] = {
    "vocab_size": 263, "hidden_size": 64, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 2048, "tie_word_embeddings": False,
    "rope_scaling": {"mrope_section": [6, 5, 5], "mrope_interleaved": True, "rope_type": "default"},
}  # fmt: skip


def build(folder: Path) -> Path:
    """Write the folder: its answers are noise, but the same noise for the same sound."""
    from safetensors.torch import load_file, save_file

    device_qwen.build(folder, audio=AUDIO, text=TEXT)
    # Large weights: the prompt and the sound decide the answer.
    path = folder / "model.safetensors"
    weights = {name: tensor * 20 if tensor.ndim > 1 else tensor for name, tensor in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})
    return folder


if __name__ == "__main__":
    build(Path(sys.argv[1]))
