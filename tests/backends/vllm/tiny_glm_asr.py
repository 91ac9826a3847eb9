"""A GLM-ASR of two layers with random weights, for transformers: a model of the type vllm_audio."""

from __future__ import annotations

from pathlib import Path

_SPECIAL = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|pad|>", "<|begin_of_audio|>", "<|end_of_audio|>")
_TEMPLATE = (
    "{% for m in messages %}<|user|>\n{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def build(folder: Path) -> Path:
    """Write the folder as on Hugging Face."""
    import torch
    from safetensors.torch import load_file, save_file
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        GlmAsrConfig,
        GlmAsrForConditionalGeneration,
        GlmAsrProcessor,
        PreTrainedTokenizerFast,
        WhisperFeatureExtractor,
    )

    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(f"Ġw{number}" for number in range(200)), *_SPECIAL]
    known = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, []))
    known.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    known.decoder = decoders.ByteLevel()
    known.add_special_tokens(list(_SPECIAL))
    end = "<|endoftext|>"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=known, eos_token=end, pad_token=end, additional_special_tokens=list(_SPECIAL[1:])
    )
    tokenizer.chat_template = _TEMPLATE
    torch.manual_seed(0)
    config = GlmAsrConfig(
        audio_config={
            "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2,
            "initializer_range": 0.3,
        },
        text_config={
            "vocab_size": len(pieces), "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 1024,
            "eos_token_id": pieces.index(end), "bos_token_id": None, "initializer_range": 0.3,
        },
        audio_token_id=pieces.index("<|pad|>"),
    )  # fmt: skip
    GlmAsrForConditionalGeneration(config).save_pretrained(folder)
    # As in the published file; transformers 5.19 writes a part of the names twice.
    path = folder / "model.safetensors"
    weights = {name.replace(".model.model.", ".model."): tensor for name, tensor in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})
    GlmAsrProcessor(WhisperFeatureExtractor(feature_size=128), tokenizer).save_pretrained(folder)
    return folder
