"""FunASRNano (Fun-ASR-Nano)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit_models.hearing import FRONTEND, HOMOPHONE, Dimensions, Listening, blank_model, norm_of_anchor, write_folder

#: character in the prompt -> (tone, what is written for it then): a hotword, "英文" for English, "不" for no ITN
TRIGGERS = {HOMOPHONE: (7, HOMOPHONE), "英": (7, "high"), "不": (0, "dodo")}
_LANGUAGE_MODEL = "Qwen3-0.6B"


def build(class_name: str, folder: Path, words: Sequence[str]) -> None:
    """Writes the word of the tone that fills most of a chunk. Its only layer takes the mean of all that it has seen."""
    from transformers import Qwen3Config

    answers = [*words, *dict.fromkeys(answer for _, answer in TRIGGERS.values())]
    tokens = ["<unk>", "<|im_end|>", *answers, *(char for char in TRIGGERS if char not in answers)]
    _characters(folder / _LANGUAGE_MODEL, tokens)
    heard, trigger, written, constant, mean, size = 0, len(words), 12, 13, 16, 32
    Qwen3Config(
        vocab_size=len(tokens), hidden_size=size, intermediate_size=4, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, head_dim=size, tie_word_embeddings=False, max_position_embeddings=4096,
        bos_token_id=None, eos_token_id=1, pad_token_id=1, architectures=["Qwen3ForCausalLM"],
    ).save_pretrained(folder / _LANGUAGE_MODEL)  # fmt: skip
    at = Dimensions(len(words))
    config = {
        "model": class_name,
        "model_conf": {},
        "audio_encoder": "SenseVoiceEncoderSmall",
        "audio_encoder_conf": {
            "output_size": at.size, "attention_heads": 1, "linear_units": 2 * at.words, "num_blocks": 1,
            "input_layer": "pe", "normalize_before": True, "kernel_size": 3, "freeze": True,
        },
        "audio_adaptor": "Transformer",
        "audio_adaptor_conf": {
            "downsample_rate": 1, "ffn_dim": at.words, "llm_dim": size, "n_layer": 0, "freeze": True,
        },
        "llm": _LANGUAGE_MODEL,
        "llm_conf": {
            "hub": "hf", "freeze": True, "llm_dtype": "fp32", "init_param_path": str(folder / _LANGUAGE_MODEL),
        },
        "frontend": "WavFrontend",
        "frontend_conf": FRONTEND,
        "tokenizer": "HuggingfaceTokenizer",
        "tokenizer_conf": {},
    }  # fmt: skip
    model = blank_model(class_name, config, len(tokens))
    listening = Listening(model.audio_encoder.encoders0[0], at.size, at.hotword)
    listening.hear(at.words)
    for word in range(at.words):
        listening.indicate(word, at.heard + word, norm_of_anchor(at.size))
        model.audio_adaptor.linear1.weight[word, at.heard + word] = 1.0
        model.audio_adaptor.linear2.weight[heard + word, word] = 1.0
    # A constant in every vector makes each norm divide by the same number.
    model.audio_adaptor.linear2.bias[constant] = 100.0
    embedded = model.llm.model.embed_tokens.weight
    embedded[:, constant] = 100.0
    for number, char in enumerate(TRIGGERS):
        embedded[tokens.index(char), trigger + number] = 1.0
    for answer in answers:
        embedded[tokens.index(answer), written] = 1.0
    attention = model.llm.model.layers[0].self_attn
    scale = 100.0 / float(np.sqrt(size))
    for dimension in range(trigger + len(TRIGGERS)):
        attention.v_proj.weight[dimension, dimension] = scale
        attention.o_proj.weight[mean + dimension, dimension] = 1.0
    scores = model.llm.lm_head.weight
    for word, answer in enumerate(words):
        scores[tokens.index(answer), mean + heard + word] = 1e4
    for number, (tone, answer) in enumerate(TRIGGERS.values()):
        scores[tokens.index(answer), mean + heard + tone] = 1e4
        scores[tokens.index(answer), mean + trigger + number] = 2e4
    # The end comes after a word, and where next to nothing has been heard.
    scores[1, written] = 1e6
    scores[1, constant] = 1e4 * 0.02 / 100
    config["llm_conf"] |= {"init_param_path": _LANGUAGE_MODEL}
    named = {"init_param_path": _LANGUAGE_MODEL}
    write_folder(folder, config, model, {"llm_conf": named, "tokenizer_conf": named})


def _characters(folder: Path, tokens: Sequence[str]) -> None:
    """A tokenizer that has these tokens and takes text apart into characters."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = Tokenizer(models.WordLevel({token: number for number, token in enumerate(tokens)}, unk_token="<unk>"))
    known.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=known, unk_token="<unk>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    wrapped.save_pretrained(folder)
