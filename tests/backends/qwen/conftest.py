"""A Qwen3-ASR model of a few hundred kB with random weights, made with the package's own classes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder: its answers are noise, but the same noise for the same sound."""
    for package in ("torch", "qwen_asr"):
        pytest.importorskip(package, reason=f"needs {package}", exc_type=ImportError)
    import torch
    from qwen_asr.core.transformers_backend import Qwen3ASRConfig, Qwen3ASRForConditionalGeneration
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen2TokenizerFast, WhisperFeatureExtractor

    folder = tmp_path_factory.mktemp("qwen") / "Qwen3-ASR-tiny"
    special = [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|audio_start|>",
        "<|audio_end|>",
        "<|audio_pad|>",
        "<asr_text>",
    ]
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate([*pieces, *special])}
    known = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    known.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    known.decoder = decoders.ByteLevel()
    tokenizer = Qwen2TokenizerFast(
        tokenizer_object=known, additional_special_tokens=special[1:6], eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens={
            "audio_token": "<|audio_pad|>", "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>"
        },
    )  # fmt: skip
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{% if m.content is string %}{{ m.content }}{% else %}<|audio_start|><|audio_pad|><|audio_end|>{% endif %}"
        "<|im_end|>\n"
        "{% endfor %}<|im_start|>assistant\n"
    )
    config = Qwen3ASRConfig(
        thinker_config={
            "audio_config": {
                "num_mel_bins": 128, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16,
                "d_model": 16, "n_window": 50, "n_window_infer": 800, "output_dim": 32, "downsample_hidden_size": 8,
            },
            "text_config": {
                "vocab_size": len(vocabulary), "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
                "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 2048,
                "rope_scaling": {"mrope_section": [2, 3, 3], "mrope_interleaved": True, "rope_type": "default"},
            },
            "audio_token_id": vocabulary["<|audio_pad|>"],
            "audio_start_token_id": vocabulary["<|audio_start|>"],
        }
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen3ASRForConditionalGeneration(config)
    model.generation_config.eos_token_id = vocabulary["<|im_end|>"]
    model.generation_config.pad_token_id = vocabulary["<|endoftext|>"]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": tokenizer.chat_template}))
    WhisperFeatureExtractor(feature_size=128).save_pretrained(folder)
    return folder
