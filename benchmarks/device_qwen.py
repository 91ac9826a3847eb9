"""Qwen3-ASR 0.6B with random weights, at its real size for `benchmarks.device` or smaller for tests, and the package's
bare loop.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>")
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.content is string %}{{ m.content }}{% else %}<|audio_start|><|audio_pad|><|audio_end|>{% endif %}"
    "<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def build(
    folder: Path, *, small: bool = False, audio: Mapping[str, Any] | None = None, text: Mapping[str, Any] | None = None
) -> Path:
    """Write the folder; `small`: two layers of each part; `audio`, `text`: other settings of the two parts."""
    import torch
    from qwen_asr.core.transformers_backend import Qwen3ASRConfig, Qwen3ASRForConditionalGeneration
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen2TokenizerFast, WhisperFeatureExtractor

    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    numbers = {piece: number for number, piece in enumerate([*pieces, *_SPECIAL, "<asr_text>"])}
    known = Tokenizer(models.BPE(vocab=numbers, merges=[]))
    known.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    known.decoder = decoders.ByteLevel()
    tokenizer = Qwen2TokenizerFast(
        tokenizer_object=known, additional_special_tokens=list(_SPECIAL[1:]), eos_token="<|im_end|>",  # noqa: S106
        pad_token="<|endoftext|>",  # noqa: S106
        extra_special_tokens={
            "audio_token": "<|audio_pad|>", "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>"
        },
    )  # fmt: skip
    tokenizer.chat_template = _TEMPLATE
    config = Qwen3ASRConfig(
        thinker_config={
            "audio_config": {
                "num_mel_bins": 128, "encoder_layers": 2 if small else 18, "encoder_attention_heads": 14,
                "encoder_ffn_dim": 3584, "d_model": 896, "n_window": 50, "n_window_infer": 800, "output_dim": 1024,
                "downsample_hidden_size": 480, **(audio or {}),
            },
            "text_config": {
                "vocab_size": 151936, "hidden_size": 1024, "intermediate_size": 3072,
                "num_hidden_layers": 2 if small else 28, "num_attention_heads": 16, "num_key_value_heads": 8,
                "head_dim": 128, "max_position_embeddings": 65536, "tie_word_embeddings": True,
                "rope_scaling": {"mrope_section": [24, 20, 20], "mrope_interleaved": True, "rope_type": "default"},
                **(text or {}),
            },
            "audio_token_id": numbers["<|audio_pad|>"],
            "audio_start_token_id": numbers["<|audio_start|>"],
        }
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen3ASRForConditionalGeneration(config)
    model.generation_config.eos_token_id = numbers["<|im_end|>"]
    model.generation_config.pad_token_id = numbers["<|endoftext|>"]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": _TEMPLATE}))
    WhisperFeatureExtractor(feature_size=128).save_pretrained(folder)
    return folder


def bare(folder: Path, device: str, chunks: Sequence[Any], batch: int, most_tokens: int) -> float:
    """Seconds that the package's own `transcribe` takes for chunks, behind a first one."""
    import torch
    from qwen_asr import Qwen3ASRModel

    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    model = Qwen3ASRModel.from_pretrained(
        str(folder), dtype=dtype, device_map=device, max_inference_batch_size=batch, max_new_tokens=most_tokens
    )
    model.transcribe(audio=[(chunks[0], 16000)])
    began = time.perf_counter()
    model.transcribe(audio=[(chunk, 16000) for chunk in chunks])
    return time.perf_counter() - began
