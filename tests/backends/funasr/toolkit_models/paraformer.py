"""Paraformer, BiCifParaformer, SeacoParaformer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from toolkit_models.hearing import (
    ANCHOR,
    FRONTEND,
    HOMOPHONE,
    Dimensions,
    Listening,
    blank_model,
    norm_of_anchor,
    write_folder,
)


def build(class_name: str, folder: Path, words: Sequence[str]) -> None:
    tokens = ["<blank>", "<s>", "</s>", *words, HOMOPHONE, "<unk>"]
    (folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    (folder / "seg_dict").write_text("".join(f"{word} {word}\n" for word in tokens[3:-1]), encoding="utf-8")
    at = Dimensions(len(words))
    timed = class_name != "Paraformer"
    decoder = {"attention_heads": 1, "linear_units": at.size, "num_blocks": 1, "att_layer_num": 1, "kernel_size": 3}
    config = {
        "model": class_name,
        "model_conf": {"ctc_weight": 0.0, "predictor_bias": 1, "sampling_ratio": 0.75},
        "encoder": "SANMEncoder",
        "encoder_conf": {
            "output_size": at.size,
            "attention_heads": 1,
            "linear_units": 2 * at.words,
            "num_blocks": 1,
            "input_layer": "pe",
            "normalize_before": True,
            "kernel_size": 3,
        },
        "predictor": "CifPredictorV3" if timed else "CifPredictorV2",
        "predictor_conf": {"idim": at.size, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45}
        | ({"upsample_times": 3, "upsample_type": "cnn", "use_cif1_cnn": True} if timed else {}),
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": decoder,
        "frontend": "WavFrontend",
        "frontend_conf": FRONTEND,
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }
    if class_name == "SeacoParaformer":
        config["model_conf"] |= {"inner_dim": at.size, "bias_encoder_type": "lstm", "NO_BIAS": 0}
        config["model_conf"] |= {
            "seaco_decoder": "ParaformerSANMDecoder",
            "seaco_decoder_conf": decoder | {"use_output_layer": False, "wo_input_layer": True},
        }
    model = blank_model(class_name, config, len(tokens))
    listening = Listening(model.encoder.encoders0[0], at.size, at.hotword)
    listening.hear(at.words)
    for word in range(at.words):
        listening.indicate(word, at.heard + word, norm_of_anchor(at.size))
    _set_predictor(model.predictor, at, timed)
    _set_decoder(model.decoder, at)
    if class_name == "SeacoParaformer":
        _set_bias(model, at, tokens.index(HOMOPHONE))
    write_folder(folder, config, model, {"tokenizer_conf": {"token_list": "tokens.json", "seg_dict": "seg_dict"}})


def _set_predictor(predictor: Any, at: Dimensions, timed: bool) -> None:
    """Fire where a tone begins, and once more in the last frame, for the end of the sentence."""
    kernel = predictor.cif_conv1d.weight  # (unit, dimension, frame before, this, and after)
    for word in range(at.words):
        kernel[word, at.heard + word, 1] = 1.0
        kernel[word, at.heard + word, 0] = -1.0
    end = at.words
    high = ANCHOR / norm_of_anchor(at.size)
    kernel[end, at.anchor, 1] = 1 / high
    kernel[end, at.anchor, 2] = -1 / high
    units = at.words + 1
    predictor.cif_output.weight[0, :units] = 200.0
    predictor.cif_output.bias[0] = -100.0
    if timed:
        for unit in range(units):
            predictor.upsample_cnn.weight[unit, unit, 0] = 1.0
        predictor.cif_output2.weight[0, :units] = 200.0
        predictor.cif_output2.bias[0] = -100.0


def _set_decoder(decoder: Any, at: Dimensions) -> None:
    """What was heard at a firing is what is written; nothing heard is the end."""
    feed = decoder.decoders3[0].feed_forward
    end = at.words
    for word in range(at.words):
        feed.w_1.weight[word, at.heard + word] = 10.0
        feed.w_2.weight[at.heard + word, word] = 1.0
        decoder.output_layer.weight[3 + word, at.heard + word] = 10.0
    feed.w_1.bias[end] = 1.0
    feed.w_2.weight[0, end] = 1.0
    decoder.output_layer.weight[2, 0] = 10.0


def _set_bias(model: Any, at: Dimensions, homophone: int) -> None:
    """A hotword 糕 is written where the last of the tones is heard; any other changes nothing."""
    model.decoder.embed[0].weight[homophone, at.hotword] = 1.0
    model.decoder.embed[0].weight[1, at.no_hotword] = 1.0
    size = at.size
    for layer in (0, 1):
        weight = getattr(model.bias_encoder, f"weight_ih_l{layer}")
        bias = getattr(model.bias_encoder, f"bias_ih_l{layer}")
        bias[:size], bias[size : 2 * size], bias[3 * size :] = 20.0, -20.0, 20.0  # in, no memory, out
        weight[2 * size : 3 * size] = 3 * torch.eye(size)
    attention = model.seaco_decoder.decoders[0].src_attn
    attention.linear_q.weight[0, at.heard + at.words - 1] = 100.0  # what it sounds like
    attention.linear_q.bias[1] = 20.0
    attention.linear_k_v.weight[0, at.hotword] = 100.0
    attention.linear_k_v.weight[1, at.no_hotword] = 100.0
    attention.linear_k_v.weight[size, at.hotword] = 1.0
    attention.linear_k_v.weight[size + 1, at.no_hotword] = 1.0
    attention.linear_out.weight[at.hotword, 0] = 100.0
    attention.linear_out.weight[at.no_hotword, 1] = 100.0
    feed = model.seaco_decoder.decoders3[0].feed_forward
    for unit, dimension in enumerate((at.hotword, at.no_hotword)):
        feed.w_1.weight[unit, dimension] = 10.0
        feed.w_2.weight[dimension, unit] = 1.0
    model.hotword_output_layer.weight[homophone, at.hotword] = 10.0
    model.hotword_output_layer.weight[0, at.no_hotword] = 10.0
