"""Folders of a few kB that FunASR's own classes load and that really recognise tones (tests/tone), made with torch.

The weights are set by hand; nothing is trained. What makes that possible is an anchor: two dimensions that are always
+A and -A, so that each layer norm divides by the same number whatever the others say, and differences stay in nats.

Models of the same layers as the published ones: SenseVoiceSmall (tags before the text, forced alignment), Paraformer,
BiCifParaformer (times from firings at three times the frame rate) and SeacoParaformer (hotwords through a recurrent
bias encoder and cross attention).
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
import yaml

from tests.tone.bands import Bands

BANDS, STACKED = 80, 7
INPUT = BANDS * STACKED
#: log energy by which a tone's own band stands above those around it
HEARD = 4.0
#: an indicator is 1 where a tone is heard, with a slope of so much a nat
SLOPE = 20.0
ANCHOR = 1000.0
FRONTEND = {
    "fs": 16000,
    "window": "hamming",
    "n_mels": BANDS,
    "frame_length": 25,
    "frame_shift": 10,
    "lfr_m": STACKED,
    "lfr_n": 6,
    "dither": 0.0,
}
#: SenseVoice's query for each language, and its queries for inverse text normalisation
LANGUAGES = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12}
WITH_ITN, WITHOUT_ITN = 14, 15
#: sounds like 高, and is written only if it is a hotword
HOMOPHONE = "糕"


CLASSES = ("SenseVoiceSmall", "Paraformer", "BiCifParaformer", "SeacoParaformer")


def build(class_name: str, folder: Path, words: Sequence[str]) -> Path:
    """Write the folder of a model of one of `CLASSES`."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    with torch.no_grad():
        (_sense_voice if class_name == "SenseVoiceSmall" else _paraformer)(class_name, folder, words)
    return folder


# -- what all share --------------------------------------------------------------------------------------------------


def _write(folder: Path, config: dict[str, Any], model: torch.nn.Module, files: dict[str, Any]) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    metas = {
        "init_param": "model.pt",
        "config": "config.yaml",
        "tokenizer_conf": files,
        "frontend_conf": {"cmvn_file": "am.mvn"},
    }
    (folder / "configuration.json").write_text(
        json.dumps({"framework": "pytorch", "model": {"type": "funasr"}, "file_path_metas": metas}), encoding="utf-8"
    )
    shift = np.zeros(INPUT)
    shift[-2:] = ANCHOR, -ANCHOR
    rows = [" ".join(["<LearnRateCoef> 0 [", *(f"{value:g}" for value in row), "]"]) for row in (shift, np.ones(INPUT))]
    (folder / "am.mvn").write_text(
        f"<Nnet>\n<AddShift> {INPUT} {INPUT}\n{rows[0]}\n<Rescale> {INPUT} {INPUT}\n{rows[1]}\n</Nnet>\n"
    )
    torch.save(model.state_dict(), folder / "model.pt")


def _build(class_name: str, config: dict[str, Any], vocabulary: int) -> Any:
    import funasr  # noqa: F401 - registers the classes
    from funasr.register import tables

    settings = {**config, **config["model_conf"], "input_size": INPUT, "vocab_size": vocabulary}
    model = tables.model_classes[class_name](**settings)
    for name, parameter in model.named_parameters():
        if "norm" not in name:
            parameter.zero_()
    return model


def _norm_of_anchor(size: int) -> float:
    """What a layer norm divides by."""
    return ANCHOR * float(np.sqrt(2 / size))


class _Listening:
    """The one encoder layer: from stacked frames to scores in nats, and from these to whatever a unit makes of them."""

    def __init__(self, layer: Any, size: int, zero: int) -> None:
        """`zero`: a dimension that always is, from which others are told once the norm has taken off their mean."""
        self._attention, self._feed, self._size, self._zero = layer.self_attn, layer.feed_forward, size, zero
        self._units = 0

    def hear(self, words: int) -> None:
        """Dimension k: how far tone k stands out in the middle frame of a stack; the last two: the anchor."""
        scale = _norm_of_anchor(INPUT)
        weights = Bands(count=BANDS, high=8000.0).weights(words).T * scale
        middle = BANDS * (STACKED // 2)
        self.value[:words, middle : middle + BANDS] = torch.from_numpy(weights)
        self.value_bias[-2:] = torch.tensor([ANCHOR, -ANCHOR])

    @property
    def value(self) -> Any:
        """(size, 560): what becomes of a frame."""
        return self._attention.linear_q_k_v.weight[2 * self._size :]

    @property
    def value_bias(self) -> Any:
        return self._attention.linear_q_k_v.bias[2 * self._size :]

    def unit(self, inputs: dict[int, float], threshold: float, outputs: dict[int, float]) -> None:
        """Add a unit: outputs += relu(sum of weighted inputs - threshold)."""
        unit, self._units = self._units, self._units + 1
        for dimension, weight in (inputs | {self._zero: -sum(inputs.values())}).items():
            self._feed.w_1.weight[unit, dimension] = weight * _norm_of_anchor(self._size)
        self._feed.w_1.bias[unit] = -threshold
        for dimension, weight in outputs.items():
            self._feed.w_2.weight[dimension, unit] = weight

    def indicate(self, score: int, to: int, height: float) -> None:
        """Dimension `to` is `height` where a score is above `HEARD`, else 0."""
        self.unit({score: SLOPE}, SLOPE * HEARD, {to: height})
        self.unit({score: SLOPE}, SLOPE * HEARD + 1, {to: -height})


# -- SenseVoice ------------------------------------------------------------------------------------------------------


def _sense_voice(class_name: str, folder: Path, words: Sequence[str]) -> None:
    """Frames of 60 ms behind four tags that follow the request.

    Without ITN the first word is written twice as long ("do" as "dodo"), so that a test sees the switch arrive.
    """
    doubled = words[0] + words[0]
    tags = [f"<|{code}|>" for code in LANGUAGES if code != "auto"]
    tags += ["<|HAPPY|>", "<|Speech|>", "<|withitn|>", "<|woitn|>"]
    tokenizer = _sentence_pieces(folder / "tones.bpe.model", [*words, doubled], tags)
    vocabulary = tokenizer.get_piece_size()
    count = len(words)
    size = count + 1 + len(tags) + 3 + 2  # words, doubled, tags, blank, the switch, zero, the anchor
    blank, switch, zero, first_tag = size - 5, size - 4, size - 3, count + 1

    config = {
        "model": class_name,
        "model_conf": {},
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": {
            "output_size": size,
            "attention_heads": 1,
            "linear_units": 8,
            "num_blocks": 1,
            "input_layer": "pe",
            "normalize_before": True,
            "kernel_size": 3,
        },
        "frontend": "WavFrontend",
        "frontend_conf": FRONTEND,
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {},
    }
    model = _build(class_name, config, vocabulary)
    layer = model.encoder.encoders0[0]
    listening = _Listening(layer, size, zero)
    listening.hear(count)
    listening.value_bias[blank] = HEARD

    # A query is one large number in a dimension of its own, where no frame of sound has one.
    spoken = {number: f"<|{'zh' if code == 'auto' else code}|>" for code, number in LANGUAGES.items()}
    spoken |= {1: "<|HAPPY|>", 2: "<|Speech|>", WITH_ITN: "<|withitn|>", WITHOUT_ITN: "<|woitn|>"}
    for number, tag in spoken.items():
        model.embed.weight[number, number] = 10 * ANCHOR
        listening.value[first_tag + tags.index(tag), number] = 50.0
        listening.value_bias[first_tag + tags.index(tag)] = -50.0
    # Every frame looks at the query for ITN (or the lack of it), and takes from there whether it is to be written.
    layer.self_attn.linear_q_k_v.bias[0] = 10.0
    layer.self_attn.linear_q_k_v.weight[size, [WITH_ITN, WITHOUT_ITN]] = 10.0
    listening.value[switch, WITHOUT_ITN] = 1 / float(np.sqrt(INPUT - 1))  # such a query has this norm
    layer.self_attn.linear_out.weight[switch, switch] = 1.0
    without = {0: 1.0, switch: 20.0}  # above 20 only where the switch is on and the first tone is heard
    listening.unit(without, 20.0 + HEARD - 0.3, {count: 50.0})
    listening.unit(without, 20.0 + HEARD + 5.0, {count: -50.0})

    scale = _norm_of_anchor(size) * 5
    for index, word in enumerate([*words, doubled]):
        model.ctc.ctc_lo.weight[_piece(tokenizer, word), index] = scale
    for index, tag in enumerate(tags):
        model.ctc.ctc_lo.weight[tokenizer.piece_to_id(tag), first_tag + index] = scale
    model.ctc.ctc_lo.weight[0, blank] = scale
    _write(folder, config, model, {"bpemodel": "tones.bpe.model"})


def _sentence_pieces(path: Path, words: Sequence[str], tags: Sequence[str]) -> Any:
    """A tokenizer with each word as one piece, and the tags as SenseVoice's has them."""
    written = io.BytesIO()
    pieces = [f"▁{word}" if word.isascii() else word for word in words]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(words)] * 4),
        model_writer=written,
        model_type="char",
        vocab_size=3 + len(tags) + len(pieces) + len({letter for word in words for letter in word}) + 1,
        user_defined_symbols=[*tags, *pieces],
        hard_vocab_limit=False,
        add_dummy_prefix=False,
        minloglevel=2,
    )
    path.write_bytes(written.getvalue())
    tokenizer = sentencepiece.SentencePieceProcessor()
    tokenizer.load(str(path))
    return tokenizer


def _piece(tokenizer: Any, word: str) -> int:
    return int(tokenizer.piece_to_id(f"▁{word}" if word.isascii() else word))


# -- Paraformer ------------------------------------------------------------------------------------------------------


class _Dimensions:
    """Where what is in the encoder's and the decoders' vectors."""

    def __init__(self, words: int) -> None:
        self.words = words
        #: tone k heard: 8 + k
        self.heard = words
        self.hotword, self.no_hotword = 2 * words, 2 * words + 1
        self.anchor = 2 * words + 2
        self.size = 2 * words + 4


def _paraformer(class_name: str, folder: Path, words: Sequence[str]) -> None:
    tokens = ["<blank>", "<s>", "</s>", *words, HOMOPHONE, "<unk>"]
    (folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    (folder / "seg_dict").write_text("".join(f"{word} {word}\n" for word in tokens[3:-1]), encoding="utf-8")
    at = _Dimensions(len(words))
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
    model = _build(class_name, config, len(tokens))
    listening = _Listening(model.encoder.encoders0[0], at.size, at.hotword)
    listening.hear(at.words)
    for word in range(at.words):
        listening.indicate(word, at.heard + word, _norm_of_anchor(at.size))
    _set_predictor(model.predictor, at, timed)
    _set_decoder(model.decoder, at)
    if class_name == "SeacoParaformer":
        _set_bias(model, at, tokens.index(HOMOPHONE))
    _write(folder, config, model, {"token_list": "tokens.json", "seg_dict": "seg_dict"})


def _set_predictor(predictor: Any, at: _Dimensions, timed: bool) -> None:
    """Fire where a tone begins, and once more in the last frame, for the end of the sentence."""
    kernel = predictor.cif_conv1d.weight  # (unit, dimension, frame before, this, and after)
    for word in range(at.words):
        kernel[word, at.heard + word, 1] = 1.0
        kernel[word, at.heard + word, 0] = -1.0
    end = at.words
    high = ANCHOR / _norm_of_anchor(at.size)
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


def _set_decoder(decoder: Any, at: _Dimensions) -> None:
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


def _set_bias(model: Any, at: _Dimensions, homophone: int) -> None:
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
