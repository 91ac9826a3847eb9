"""A Whisper of one layer with random weights and the vocabulary of the multilingual models, for transformers."""

from __future__ import annotations

from pathlib import Path

from asrcli.backends.sherpa.model_types import WHISPER_LANGUAGES


def build(folder: Path, *, positions: int | None = None) -> Path:
    """Write the folder as on Hugging Face; `positions`: each answer ends behind so many positions of the decoder, its
    prompt included, with the mark of 30 s. By default none ever ends.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizerFast,
    )

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = letters + [f"Ġw{number}" for number in range(50257 - len(letters))]
    marks = ["endoftext", "startoftranscript", *WHISPER_LANGUAGES[:99], "translate", "transcribe", "startoflm"]
    marks += ["startofprev", "nospeech", "notimestamps"]
    known = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, []))
    known.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    known.decoder = decoders.ByteLevel()
    known.add_special_tokens([f"<|{mark}|>" for mark in marks])
    known.add_tokens([f"<|{step * 0.02:.2f}|>" for step in range(1501)])
    end = "<|endoftext|>"
    tokenizer = WhisperTokenizerFast(tokenizer_object=known, eos_token=end, bos_token=end, unk_token=end, pad_token=end)
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=51865, num_mel_bins=80, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, d_model=64, init_std=0.5,
            decoder_start_token_id=50258, eos_token_id=50257, bos_token_id=50257, pad_token_id=50257,
        )
    )  # fmt: skip
    if positions is not None:
        # Dimensions of their own: no other token has them, and they are large at one position, or from one on.
        decoder = model.model.decoder
        with torch.no_grad():
            for dimension, token, where in (
                (0, tokenizer.convert_tokens_to_ids("<|30.00|>"), slice(positions, positions + 1)),
                (1, tokenizer.convert_tokens_to_ids(end), slice(positions + 1, None)),
            ):
                decoder.embed_tokens.weight[:, dimension] = 0.0
                decoder.embed_tokens.weight[token, dimension] = 0.5
                decoder.embed_positions.weight[:, dimension] = 0.0
                decoder.embed_positions.weight[where, dimension] = 1000.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    return folder
