"""FunASR's models at their real size, with random weights, on a device: x real time and memory by batch.

    python -m benchmarks device --device cuda [--models SenseVoiceSmall Paraformer FunASRNano] [--batches 1 4 16 64]
    python -m benchmarks device --device cuda --models Qwen3ASR --output benchmarks/gpu_qwen.json

Each model runs in asrcli's own engine process and in the toolkit's bare loop, with the same chunks of 10 s.
The figures go to benchmarks/gpu.json. `--small` makes models of two layers, to try the script where there is no GPU.
Random weights cost what trained ones do, but for Fun-ASR-Nano and Qwen3-ASR, which answer with as many tokens as they
may (64 here). Needs the extra funasr and torch; Qwen3ASR needs qwen-asr, in an environment of its own. No network.
tools/device_check.sh runs it within 8 minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asrcli.backends.device import nvidia_gpus
from asrcli.backends.funasr.model_types import FUNASR_TYPES
from asrcli.backends.loaded_models import LoadedModels
from asrcli.backends.process.batches import first_line
from asrcli.backends.types import ModelSpec
from asrcli.models.detect import detect
from asrcli.options import RecognitionOptions
from benchmarks import device_qwen

_INPUT, _CHUNK = 560, 10.0
_FRONTEND = {
    "fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10, "lfr_m": 7, "lfr_n": 6,
}  # fmt: skip
#: one character each, so that any text is split into the tokens that it is made of
_CHARACTERS = [chr(code) for code in (*range(0x4E00, 0x9FA5), *range(0xAC00, 0xAC00 + 4000))]


def _encoder(layers: int, **more: Any) -> dict[str, Any]:
    """SAN-M as all three have it: width 512, four heads, memory of 11 frames."""
    return {
        "output_size": 512, "attention_heads": 4, "linear_units": 2048, "num_blocks": layers, "input_layer": "pe",
        "normalize_before": True, "kernel_size": 11, "sanm_shfit": 0, **more,
    }  # fmt: skip


def _sense_voice(folder: Path, layers: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """234 million parameters: 50 + 20 layers, 25,055 pieces."""
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d"] * 4), model_writer=written, model_type="char", vocab_size=26000,
        user_defined_symbols=_CHARACTERS, hard_vocab_limit=False, minloglevel=2,
        add_dummy_prefix=False,
    )  # fmt: skip
    (folder / "bpe.model").write_bytes(written.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue()).get_piece_size()
    config = {
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": _encoder(layers, tp_blocks=max(1, layers * 2 // 5)),
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {},
    }
    return config, {"tokenizer_conf": {"bpemodel": "bpe.model"}}, int(pieces)


def _paraformer(folder: Path, layers: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """220 million parameters: 50 layers, a decoder of 16, 8,404 tokens."""
    tokens = ["<blank>", "<s>", "</s>", *_CHARACTERS[:8400], "<unk>"]
    (folder / "tokens.json").write_text(json.dumps(tokens))
    decoder = max(1, layers * 16 // 50)
    config = {
        "model_conf": {"ctc_weight": 0.0, "predictor_bias": 1, "sampling_ratio": 0.75},
        "encoder": "SANMEncoder",
        "encoder_conf": _encoder(layers),
        "predictor": "CifPredictorV2",
        "predictor_conf": {"idim": 512, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {
            "attention_heads": 4, "linear_units": 2048, "num_blocks": decoder, "att_layer_num": decoder,
            "kernel_size": 11,
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }  # fmt: skip
    return config, {"tokenizer_conf": {"token_list": "tokens.json"}}, len(tokens)


def _nano(folder: Path, layers: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """0.8 billion parameters: SenseVoice's encoder before Qwen3-0.6B."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config

    name = "Qwen3-0.6B"
    known = Tokenizer(models.WordLevel({"<unk>": 0, "<|im_end|>": 1, "a": 2}, unk_token="<unk>"))  # noqa: S106
    known.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    wrapped = PreTrainedTokenizerFast(tokenizer_object=known, unk_token="<unk>", eos_token="<|im_end|>")  # noqa: S106
    wrapped.save_pretrained(folder / name)
    Qwen3Config(
        vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=max(1, layers * 28 // 50),
        num_attention_heads=16, num_key_value_heads=8, head_dim=128, tie_word_embeddings=True, eos_token_id=1,
        max_position_embeddings=4096, architectures=["Qwen3ForCausalLM"],
    ).save_pretrained(folder / name)  # fmt: skip
    config = {
        "audio_encoder": "SenseVoiceEncoderSmall",
        "audio_encoder_conf": _encoder(layers, tp_blocks=max(1, layers * 2 // 5), freeze=True),
        "audio_adaptor": "Transformer",
        "audio_adaptor_conf": {"downsample_rate": 1, "ffn_dim": 2048, "llm_dim": 1024, "n_layer": 2, "freeze": True},
        "llm": name,
        "llm_conf": {"hub": "hf", "freeze": True, "llm_dtype": "fp32", "init_param_path": str(folder / name)},
        "tokenizer": "HuggingfaceTokenizer",
        "tokenizer_conf": {},
    }
    named = {"init_param_path": name}
    return config, {"llm_conf": named, "tokenizer_conf": named}, 151936


_QWEN = "Qwen3ASR"
#: random weights never end an answer
_LIMITS = {"FunASRNano": {"max_length": 64}, _QWEN: {"max_new_tokens": 64}}
_BUILDERS = {"SenseVoiceSmall": _sense_voice, "Paraformer": _paraformer, "FunASRNano": _nano}


def build(class_name: str, folder: Path, *, small: bool = False) -> Path:
    """Write the folder of a model of one of FunASR's classes, with random weights."""
    folder.mkdir(parents=True)
    if class_name == _QWEN:
        return device_qwen.build(folder, small=small)
    import funasr  # noqa: F401 - registers the classes
    import torch
    import yaml
    from funasr.register import tables

    config, files, vocabulary = _BUILDERS[class_name](folder, 2 if small else 50)
    config = {"model": class_name, "model_conf": {}, "frontend": "WavFrontend", "frontend_conf": _FRONTEND, **config}
    torch.manual_seed(0)
    settings = {**config, **config["model_conf"], "input_size": _INPUT, "vocab_size": vocabulary}
    model = tables.model_classes[class_name](**settings)
    with torch.no_grad():
        if class_name == "SenseVoiceSmall":  # a letter or a control piece would be lost on the way through text
            model.ctc.ctc_lo.bias[: vocabulary - len(_CHARACTERS)] = -100.0
            model.ctc.ctc_lo.bias[3 : 3 + len(_CHARACTERS)] = 0.0
    torch.save(model.state_dict(), folder / "model.pt")
    if "llm_conf" in files:
        config["llm_conf"] |= files["llm_conf"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    rows = "\n".join(
        f"<{tag}> {_INPUT} {_INPUT}\n<LearnRateCoef> 0 [ {' '.join(['1'] * _INPUT)} ]"
        for tag in ("AddShift", "Rescale")
    )
    (folder / "am.mvn").write_text(f"<Nnet>\n{rows}\n</Nnet>\n")
    metas = {"init_param": "model.pt", "config": "config.yaml", "frontend_conf": {"cmvn_file": "am.mvn"}, **files}
    (folder / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
    return folder


def _chunk() -> Any:
    return np.random.default_rng(0).normal(0, 0.1, round(_CHUNK * 16000)).astype(np.float32)


def _ours(spec: ModelSpec, count: int) -> dict[str, float]:
    """The engine process: x real time, chunks that failed, and the memory of the GPU that it takes, GB."""
    loaded = LoadedModels(1)
    before = sum(gpu.free or 0 for gpu in nvidia_gpus())
    try:
        with loaded.acquire(spec) as recognizer:
            recognizer.submit(_chunk(), RecognitionOptions()).result()
            began = time.perf_counter()
            futures = [recognizer.submit(_chunk(), RecognitionOptions()) for _ in range(count)]
            failed = sum(future.exception() is not None for future in futures)
            speed = count * _CHUNK / (time.perf_counter() - began)
            memory = before - sum(gpu.free or 0 for gpu in nvidia_gpus())
            return {"speed": speed, "failed": failed, "memory": memory / 1e9}
    finally:
        loaded.close()


def _bare(spec: ModelSpec, batch: int, count: int) -> dict[str, float]:
    """The toolkit's own loop: x real time, and the most memory that torch took, GB."""
    import torch

    sound = torch.from_numpy(_chunk())
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # of the measurement before
        torch.cuda.reset_peak_memory_stats()
    if spec.name == _QWEN:
        folder, most = spec.files["config"].parent, int(spec.options["max_new_tokens"])
        taken = device_qwen.bare(folder, spec.options["device"], [_chunk()] * count, batch, most)
    else:
        taken = _bare_toolkit(spec, batch, [sound] * count)
    memory = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0
    return {"speed": count * _CHUNK / taken, "memory": memory}


def _bare_toolkit(spec: ModelSpec, batch: int, sounds: list[Any]) -> float:
    from funasr import AutoModel

    with contextlib.redirect_stdout(sys.stderr):
        model = AutoModel(
            model=str(spec.files["config"].parent), device=spec.options["device"], disable_update=True,
            disable_pbar=True, disable_log=True, log_level="ERROR",
        )  # fmt: skip
        more = {name: value for name, value in spec.options.items() if name == "max_length"}
        model.generate(input=sounds[:1], batch_size=1, **more)
        began = time.perf_counter()
        model.generate(input=sounds, batch_size=batch, **more)
        return time.perf_counter() - began


def _tried(measure: Callable[[], dict[str, float]]) -> dict[str, Any]:
    """The figures, or why there are none: out of memory in one batch does not end the others."""
    try:
        return measure()
    except Exception as error:  # noqa: BLE001 - of any library
        return {"error": first_line(error)}


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", default=list(_BUILDERS), choices=[*_BUILDERS, _QWEN])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=1200.0, help="audio for each measurement")
    parser.add_argument("--small", action="store_true", help="models of two layers")
    parser.add_argument("--budget", type=float, default=340.0, help="seconds after which no measurement is started")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/gpu.json"))
    arguments = parser.parse_args()
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    facts = {"machine": platform.platform(), "device": arguments.device, "gpus": [asdict(gpu) for gpu in nvidia_gpus()]}
    with tempfile.TemporaryDirectory() as name:
        for class_name in arguments.models:
            folder = build(class_name, Path(name) / class_name, small=arguments.small)
            type_, files = detect(folder)
            for batch in arguments.batches if class_name == _QWEN or FUNASR_TYPES[type_].batches else [1]:
                if time.perf_counter() - began > arguments.budget:
                    print(f"{class_name}, batch {batch}: not measured, the time is up")
                    continue
                options = {"device": arguments.device, "batch_size": batch}
                options |= _LIMITS.get(class_name, {})
                spec = ModelSpec(name=class_name, type=type_, files=files, options=options)
                count = max(batch, round(arguments.seconds / _CHUNK))
                row = {
                    "model": class_name,
                    "batch": batch,
                    "asrcli": _tried(partial(_ours, spec, count)),
                    "bare": _tried(partial(_bare, spec, batch, count)),
                }
                rows.append(row)
                print(json.dumps(row), flush=True)
                # After each: tools/device_check.sh may end the program.
                written = {**facts, "small": arguments.small, "results": rows}
                arguments.output.write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    main()
