"""Every streaming model type of sherpa-onnx, in the form of `model_types`.

Imports nothing of the engine. A test holds each entry against the installed factory.
"""

from typing import Any

from asrcli.backends.sherpa.model_types import RULES, SherpaType, names

_COMMON = (
    "num_threads",
    "sample_rate",
    "feature_dim",
    "enable_endpoint_detection",
    "rule1_min_trailing_silence",
    "rule2_min_trailing_silence",
    "rule3_min_utterance_length",
    "decoding_method",
    "provider",
    "device",
    "debug",
    *RULES,
)
_TENSORRT = tuple(
    f"trt_{name}"
    for name in names(
        "max_workspace_size max_partition_iterations min_subgraph_size fp16_enable detailed_build_log "
        "engine_cache_enable timing_cache_enable engine_cache_path timing_cache_path dump_subgraphs"
    )
)
_BLANK = ("<blk>", "<eps>", "<blank>")
# Measured for the offline types, and as true here: more streams use more cores, more threads a stream do not.
_ONE_THREAD = {"num_threads": 1}


def _row(factory: str, files: tuple[str, ...], *options: str, **rest: Any) -> SherpaType:
    settings: dict[str, Any] = {"defaults": _ONE_THREAD, "timed": True, **rest}
    return SherpaType(factory=factory, files=(*files, "tokens"), options=(*_COMMON, *options), **settings)


STREAMING_TYPES: dict[str, SherpaType] = {
    "online_transducer": _row(
        "from_transducer",
        ("encoder", "decoder", "joiner"),
        "low_freq",
        "high_freq",
        "dither",
        "normalize_samples",
        "snip_edges",
        "max_active_paths",
        "hotwords_score",
        "hotwords_file",
        "blank_penalty",
        "model_type",
        "modeling_unit",
        "bpe_vocab",
        "lm",
        "lm_scale",
        "lm_shallow_fusion",
        "lodr_fst",
        "lodr_scale",
        "temperature_scale",
        "reset_encoder",
        "cudnn_conv_algo_search",
        *_TENSORRT,
        decoding_methods=("greedy_search", "modified_beam_search"),
        hotwords="beam",
        speaks="joiner",
        metadata={"encoder": ("model_type",)},
    ),
    "online_paraformer": _row(
        "from_paraformer",
        ("encoder", "decoder"),
        timed=False,
        speaks="decoder",
        metadata={
            "encoder": names(
                "vocab_size lfr_window_size lfr_window_shift encoder_output_size decoder_num_blocks "
                "decoder_kernel_size neg_mean inv_stddev"
            )
        },
    ),
    "online_zipformer2_ctc": _row(
        "from_zipformer2_ctc",
        ("model",),
        "ctc_graph",
        "ctc_max_active",
        speaks="model",
        symbols=(_BLANK,),
        metadata={
            "model": names(
                "encoder_dims query_head_dims value_head_dims num_heads num_encoder_layers cnn_module_kernels "
                "left_context_len T decode_chunk_len"
            )
        },
    ),
    "online_nemo_ctc": _row(
        "from_nemo_ctc",
        ("model",),
        speaks="model",
        symbols=(_BLANK,),
        metadata={"model": ("window_size", "chunk_shift", "subsampling_factor", "vocab_size")},
    ),
    "online_t_one_ctc": _row(
        "from_t_one_ctc",
        ("model",),
        speaks="model",
        symbols=(_BLANK,),
        metadata={"model": ("frame_length_ms", "state_dim", "sample_rate")},
    ),
    "online_wenet_ctc": _row(
        "from_wenet_ctc",
        ("model",),
        "chunk_size",
        "num_left_chunks",
        speaks="model",
        symbols=(_BLANK,),
        metadata={
            "model": names("head num_blocks output_size cnn_module_kernel right_context subsampling_factor vocab_size")
        },
    ),
}
