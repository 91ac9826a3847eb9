"""A Qwen3-ASR model of a few hundred kB with random weights, made with the package's own classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import device_qwen

_AUDIO = {
    "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "d_model": 16, "output_dim": 32,
    "downsample_hidden_size": 8,
}  # fmt: skip
_TEXT = {
    "vocab_size": 263, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 2048, "tie_word_embeddings": False,
    "rope_scaling": {"mrope_section": [2, 3, 3], "mrope_interleaved": True, "rope_type": "default"},
}  # fmt: skip


@pytest.fixture(scope="session")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder: its answers are noise, but the same noise for the same sound."""
    for package in ("torch", "qwen_asr"):
        pytest.importorskip(package, reason=f"needs {package}", exc_type=ImportError)
    return device_qwen.build(tmp_path_factory.mktemp("qwen"), audio=_AUDIO, text=_TEXT)
